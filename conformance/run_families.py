"""Tiny random models of many families: made, quantized, loaded untouched, compared.

    python run_families.py --cli dist/node/cli.js --work FOLDER [--filter NAME] [--wide]

Prints one JSON line a case. One process does all of them: its imports take longer than its work.
"""

import argparse
import json
import os
import shutil
import sys
import traceback
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import torch
import transformers

from command import Command, CommandFailed, absolute, calibration_of, failed, judged
from comparison import (
    decompress,
    difference,
    different_tensors,
    load,
    outputs_of,
    quantized_modules,
    quiet,
    set_activations,
    versions,
    write_reference,
)
from encoders import ENCODERS
from family import make_inputs
from language_models import LANGUAGE_MODELS
from real_models import capture
from senses import SENSES

MODES = {
    "int8": [],
    "int8-weights": ["--weights-only"],
    "int4": ["-b", "4", "-g", "32"],
}
# Every other choice, for some families of each build: a decoder with a tied head, one without, a mixture, an encoder, a
# pair of both, and one for pictures.
WIDE_FAMILIES = ("llama", "qwen2", "mixtral", "bert-masked", "bart", "vit")
CALIBRATION = "CALIBRATION"  # stands for the file's path
WIDE_MODES = {
    "int8 asymmetric": ["--scheme", "asymmetric"],
    "int8 tensor": ["--strategy", "tensor"],
    "int8 static": ["-c", CALIBRATION],
    "int8 static asymmetric": ["-c", CALIBRATION, "--input-scheme", "asymmetric"],
    "int8 weights g64": ["--weights-only", "-g", "64"],
    "int8 weights asymmetric": ["--weights-only", "--scheme", "asymmetric"],
    "int4 g128": ["-b", "4"],
    "int4 g64": ["-b", "4", "-g", "64"],
    "int4 channel": ["-b", "4", "-g", "-1"],
    "int4 asymmetric": ["-b", "4", "-g", "32", "--scheme", "asymmetric"],
    "mixed": ["-b", "4", "-g", "32", "--layer", "re:.*[.]1[.].*=bits:8"],
    "embeddings": ["--layers", "linear,embedding"],
    "f16": ["-b", "16"],
    "bf16": ["-b", "16", "--dtype", "bf16"],
}
# With float activations the layers compute the same sums from the same weights.
SAME = 1e-4
# Activations of 8 bits, one scale a token, cost about as much as weights of 8 bits: some models double
# every error on its way, and both alike.
NEAR = 3
# Half of BF16's last digit, a few times over: what rounding all weights to 16 bits may cost.
ROUNDING = 2**-7


def make_folder(family, tied, folder):
    """The family's random model as `save_pretrained` writes it. Weights are larger than a model's first
    ones: every layer shall count in the output."""
    config = {**family.config, **({} if tied is None else {"tie_word_embeddings": tied})}
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family.type, **config)
    kind = getattr(transformers, family.auto)
    model = (kind.from_config(config) if family.auto.startswith("Auto") else kind(config)).eval()
    done = set()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2 and parameter.numel() > 0 and parameter.data_ptr() not in done:
                done.add(parameter.data_ptr())
                parameter.normal_(std=parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
    return model


def check(command, family, tied, flags, source, work):
    """What one case shows; `verdict` is ok, refused or fails, and `cause` says why."""
    out, reference_folder = work / "out", work / "reference"
    for folder in (out, reference_folder):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    calibration = calibration_of(source)
    try:
        given = [calibration if flag == CALIBRATION else flag for flag in flags]
        report = command.quantize(source, out, given)
    except CommandFailed as error:
        return failed(error)
    found = {"warnings": [warning["code"] for warning in report["warnings"]]}
    found["quantized"] = sum(
        tensor["decision"] in ("quantize", "convert") for tensor in report["tensors"]
    )
    converts = "16" in flags
    stage = "load"
    try:
        loaded = load(family.auto, out)
        found["missing"], found["unexpected"] = loaded.missing, loaded.unexpected
        found["mismatched"] = loaded.mismatched
        stage = "dequantize"
        if not converts:
            write_reference(command, source, out, reference_folder)
        reference = load(family.auto, source if converts else reference_folder)
        stage = "weights"
        decompress(loaded.model)
        found["modules"] = len(quantized_modules(loaded.model))
        found["different"] = different_tensors(loaded.model, reference.model)
        stage = "forward"
        inputs = make_inputs(family)
        if converts:
            loaded.model.float()  # inputs are
        expected = outputs_of(reference.model, inputs)
        actual = outputs_of(loaded.model, inputs)
        found["finite"] = all(bool(value.isfinite().all()) for value in actual.values())
        found["near"] = difference(actual, expected)
        set_activations(loaded.model, False)
        found["same"] = 0 if converts else difference(outputs_of(loaded.model, inputs), expected)
        del loaded
        stage = "source"
        original = load(family.auto, source).model
        cost = difference(expected, outputs_of(original, inputs))
        found["cost"] = ROUNDING / NEAR if converts else cost
    except Exception as error:
        found.update(stage=stage, cause=f"{type(error).__name__}: {error}", where=innermost(error))
    return {**found, **judged(report, found.get("cause") or fault(found))}


def calibrate(command, model, family, source):
    """From the inputs that outputs are compared with, as often as a calibration asks for."""
    if calibration_of(source).exists():
        return
    captured = source.with_name("inputs.pt")
    capture(model, [make_inputs(family)] * 26, captured)
    command.calibrate(source, captured, calibration_of(source))
    captured.unlink()


def fault(found):
    """The first thing that is not as it must be, as a sentence; None where all is well."""
    for key in ("missing", "unexpected", "mismatched"):
        if found[key]:
            return f"{len(found[key])} {key} keys, such as {found[key][0]}"
    if not found["finite"]:
        return "an output is not finite"
    if found["different"]:
        return f"{len(found['different'])} tensors differ from dequantize, such as {found['different'][0]}"
    if found["quantized"] == 0:
        return "nothing was quantized"
    if found["same"] > SAME:
        return f"outputs with float activations are {found['same']:.2g} from the reference"
    if found["near"] > NEAR * found["cost"]:
        return (
            f"outputs are {found['near']:.2g} from the reference, weights cost {found['cost']:.2g}"
        )
    return None


def innermost(error):
    """File, line and function of the last two frames."""
    frames = traceback.extract_tb(error.__traceback__)[-2:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cli", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    parser.add_argument("--filter", default="")
    parser.add_argument("--wide", action="store_true", help="some families in all other modes")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    command = Command(options.cli)
    print(
        json.dumps({"versions": versions("torch", "transformers", "compressed-tensors")}),
        flush=True,
    )
    for family in [*LANGUAGE_MODELS, *ENCODERS, *SENSES]:
        if not any(word in family.name for word in options.filter.split(",")):
            continue
        if options.wide and family.name not in WIDE_FAMILIES:
            continue
        for tied in family.ties:
            label = {None: "-", True: "tied", False: "untied"}[tied]
            work = (
                options.work / f"{family.name}-{label}"
                if tied is not None
                else options.work / family.name
            )
            case = {"family": family.name, "tied": label}
            try:
                if not (work / "source" / "config.json").exists():
                    make_folder(family, tied, work / "source")
                original = load(family.auto, work / "source").model
                outputs_of(original, make_inputs(family))
                if options.wide:
                    calibrate(command, original, family, work / "source")
                del original
            except Exception as error:
                cause = f"{type(error).__name__}: {error}"
                print(
                    json.dumps(
                        {
                            **case,
                            "mode": "-",
                            "verdict": "unmade",
                            "cause": cause,
                            "where": innermost(error),
                        }
                    ),
                    flush=True,
                )
                continue
            for mode, flags in (WIDE_MODES if options.wide else MODES).items():
                found = check(command, family, tied, flags, work / "source", work / mode)
                print(json.dumps({**case, "mode": mode, **found}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
