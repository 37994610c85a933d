"""What choosing bits is worth on two real models: one setting for all, a budget and a search, at equal bytes.

    python run_search.py --cli dist/node/cli.js --work FOLDER [--filter NAME]

The layout is that of MLX, which has the most widths and sizes of groups to choose from. What is measured is what
`monoquant dequantize` writes, on texts of run_accuracy.py. What each tensor would lose is measured once a model, and
kept: the seconds of a way are those beside that. Prints one JSON line a case.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import torch

from command import Command, CommandFailed, absolute
from comparison import quiet, versions
from run_accuracy import MODELS, LanguageModel, SentenceModel

FORMAT = ["--format", "mlx"]
BUDGETS = [3.5, 4.25, 5, 6]
# Fewer texts than run_accuracy.py reads: there are many cases, and each takes its time.
READ_TOKENS = 2048
READ_SENTENCES = 150
# Of what is meant by so many bits a weight: what `--budget` rounds to that.
ROUNDED = 0.005


class Timed:
    """Calls the command and says how many seconds that took."""

    def __init__(self, command):
        self.command = command

    def __call__(self, call, *arguments):
        begin = time.monotonic()
        answer = getattr(self.command, call)(*arguments)
        return answer, time.monotonic() - begin


def fixed_bytes(front):
    point = front["points"][0]
    return point["bytes"] - point["bitsPerWeight"] * front["weights"] / 8


def within(rows, most):
    """The one of them that loses least in so many bytes; None if none fits."""
    fitting = [row for row in rows if row["bytes"] <= most]
    return min(fitting, key=lambda row: row["error"]) if fitting else None


def flags_of(choices):
    names = {"bits": "--bits", "groupSize": "--group-size", "scheme": "--scheme"}
    return [part for key, value in choices.items() for part in (names[key], value)]


def ways(front, front_file, budget):
    """How each way quantizes within the budget, and what the table says that it loses; budgets say that themselves."""
    most = fixed_bytes(front) + (budget + ROUNDED) * front["weights"] / 8
    uniform = within(front["presets"], most)
    if uniform is not None:
        choices = next(s["choices"] for s in front["settings"] if s["label"] == uniform["label"])
        yield "one setting", [*FORMAT, *flags_of(choices)], uniform["error"], uniform["label"]
    yield "budget", [*FORMAT, "--budget", f"{budget}bpw"], None, None
    point = within(front["points"], most)
    if point is not None:
        number = point["number"]
        yield "search", ["--config", f"{front_file}#{number}"], point["error"], f"#{number}"


def settled(report):
    """What a budget has come to, in words."""
    parts = report["mix"]["parts"]
    return parts[0]["label"] if len(parts) == 1 else f"{len(parts)} settings"


def digest_of(folder):
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def check(timed, model, flags, source, work, known):
    """What the model loses, unless a file with the same tensors was measured before."""
    report, seconds = timed("quantize", source, work / "out", flags)
    # Metadata say how a file was made: what counts are the values.
    timed("dequantize", work / "out", work / "values")
    key = digest_of(work / "values")
    if key not in known:
        known[key] = model.measure(work / "values")
    return report, seconds, known[key]


def run_model(timed, model, source, work, name_filter):
    os.environ["MONOQUANT_CACHE"] = str(work.with_name("search-cache"))
    shutil.rmtree(os.environ["MONOQUANT_CACHE"], ignore_errors=True)
    _, measured = timed("run", "quantize", source, *FORMAT, "--budget", "4bpw", "--dry-run")
    case = {"model": model.name, "mode": "measuring", "way": "measuring all tensors, once"}
    print(json.dumps({**case, "seconds": measured, "verdict": "ok"}), flush=True)
    front_file = source.with_name(f"{source.name}-front.json")
    flags = [source, *FORMAT, "--no-measure", "-o", front_file, "--force"]
    front, searched = timed("run", "search", *flags)
    known = {}
    for budget in BUDGETS:
        for way, flags, predicted, label in ways(front, front_file, budget):
            mode = f"{budget} bits, {way}"
            if name_filter not in f"{model.name} {mode}":
                continue
            case = {"model": model.name, "mode": mode, "budget": budget, "way": way}
            try:
                report, seconds, found = check(timed, model, flags, source, work, known)
            except CommandFailed as error:
                print(json.dumps({**case, "verdict": "fails", "cause": str(error)}), flush=True)
                continue
            mix = report.get("mix")
            case["chosen"] = label if mix is None else settled(report)
            case["predicted"] = predicted if mix is None else mix["score"]
            case["bytes"] = report["sizes"]["outputBytes"]
            case["seconds"] = seconds + (searched if way == "search" else 0)
            print(json.dumps({**case, **found, "verdict": "ok"}), flush=True)
            shutil.rmtree(work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cli", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    parser.add_argument("--filter", default="")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    print(json.dumps({"versions": versions("torch", "transformers")}), flush=True)
    timed = Timed(Command(options.cli))
    LanguageModel.read_tokens, SentenceModel.read_sentences = READ_TOKENS, READ_SENTENCES
    for kind, folder in reversed(MODELS):
        names = [f"{kind.name} {budget} bits, {way}" for budget in BUDGETS for way in WAYS]
        if not any(options.filter in name for name in names):
            continue
        source = options.work / folder
        source.parent.mkdir(parents=True, exist_ok=True)
        run_model(timed, kind(source), source, options.work / "search-case", options.filter)


WAYS = ["one setting", "budget", "search"]

if __name__ == "__main__":
    sys.exit(main())
