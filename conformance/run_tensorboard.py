"""TensorBoard's own reader, and its table of hyper-parameters, read what `--tensorboard` writes.

    python run_tensorboard.py --cli dist/node/cli.js --work FOLDER [--filter NAME]

Two runs that succeed, one that a gate stops, and the lines of a log that are exported. Prints one JSON line a case.
"""

import argparse
import json
import shutil
from pathlib import Path

import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from command import Command, CommandFailed, absolute

MODEL = Path(__file__).parent.parent / "examples" / "digits.safetensors"
SUCCESS, FAILURE = 1, 2


def runs_in(folder):
    """Each run, with all its events, the oldest first."""
    for path in sorted(folder.iterdir()):
        events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
        events.Reload()
        yield events


def start_of(events):
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    return metadata.parse_session_start_info_plugin_data(content)


def status_of(events):
    content = events.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
    return metadata.parse_session_end_info_plugin_data(content).status


def same(value, expected):
    """A scalar has 32 bits."""
    return abs(value - expected) <= 1e-6 * abs(expected)


def check(events, report, status, has_tensors):
    """What is wrong, as a list of sentences."""
    wrong = []

    def expect(is_so, words):
        if not is_so:
            wrong.append(words)

    scalars = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    expect(same(scalars["totals/sqnrDb"][0].value, report["sqnrDb"]), "another SQNR")
    bits = report["sizes"]["bitsPerWeight"]
    expect(same(scalars["totals/bitsPerWeight"][0].value, bits), "other bits per weight")
    parameters = start_of(events).hparams
    expect(parameters["bits"].number_value == report["configuration"]["bits"], "other bits")
    expect(parameters["scheme"].string_value == report["configuration"]["scheme"], "another scheme")
    expect(parameters["defaultIgnore"].bool_value is True, "a switch that is off")
    expect(status_of(events) == status, "another outcome")
    line = events.Tensors("totals/line")[0].tensor_proto.string_val[0].decode()
    expect('"format": 1' in line, "no line")
    if has_tensors:
        series = scalars["tensors/sqnrDb"]
        tensors = sorted(report["tensors"], key=lambda tensor: tensor["name"])
        expect([event.step for event in series] == list(range(len(tensors))), "other steps")
        for event, tensor in zip(series, tensors):
            expect(same(event.value, tensor["sqnrDb"]), f"another SQNR of {tensor['name']}")
    return wrong


def reports_of(command, work, place):
    """Runs that are logged, and their reports; the last one is stopped by a gate."""
    log = ("--log", work / "log", "--tensorboard", place)
    for index, flags in enumerate([("--bits", "4"), ("--bits", "8", "--scheme", "asymmetric")]):
        output = work / f"{index}.safetensors"
        yield command.run("quantize", MODEL, "-o", output, "--force", *flags, *log), SUCCESS
    report = work / "gate.json"
    try:
        command.run("quantize", MODEL, "--fail-under", "99", "--report", report, "--force", *log)
    except CommandFailed:
        yield json.loads(report.read_text()), FAILURE


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cli", required=True)
    arguments.add_argument("--work", required=True)
    arguments.add_argument("--filter", default="")
    given = arguments.parse_args()
    print(json.dumps({"versions": {"tensorboard": tensorboard.__version__}}), flush=True)
    work = absolute(given.work) / "tensorboard"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    command = Command(absolute(given.cli))
    found = list(reports_of(command, work, work / "events"))
    lines = json.loads((work / "log" / "runs.jsonl").read_text().splitlines()[0])
    assert lines["format"] == 1
    export = ("runs", "export", "--format", "tensorboard", "-o", work / "exported")
    try:
        command.run(*export, "--log", work / "log")
    except json.JSONDecodeError:
        pass  # It prints paths.
    for place, has_tensors in [("events", True), ("exported", False)]:
        runs = list(runs_in(work / place))
        for (report, status), events in zip(found, runs, strict=True):
            mode = f"{place}, {'succeeded' if status == SUCCESS else 'failed'}"
            bits = report["configuration"]["bits"]
            case = {"model": f"digits, {bits} bits", "mode": mode}
            if given.filter not in f"{case['model']} {mode}":
                continue
            wrong = check(events, report, status, has_tensors)
            tags = len(events.Tags()["scalars"]) + len(events.Tags()["tensors"])
            text = {"text": f"{tags} tags, {len(start_of(events).hparams)} parameters"}
            verdict = {"verdict": "fails", "cause": "; ".join(wrong)} if wrong else {"verdict": "ok"}
            print(json.dumps({**case, **verdict, **text}), flush=True)


main()
