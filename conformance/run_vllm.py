"""The language model in every mode, loaded untouched by vLLM on the processor.

    python run_vllm.py --cli dist/node/cli.js --work FOLDER [--filter NAME]

Needs the folders that run_models.py makes. Prints one JSON line a case. Each model has a process of
its own: vLLM keeps what one that fails has taken.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version

from command import Command, CommandFailed, absolute, calibration_of, failed, judged
from modes import MODES
from text import TEXT

MODEL = "SmolLM2-135M"
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "OMP_NUM_THREADS": "2",
}
# How vLLM says that the processor has no kernel for a layout, as opposed to one that it cannot read.
NO_KERNEL = (
    "Failed to find a kernel",
    "No compressed-tensors compatible scheme",
    "is not supported on CPU",
    "not supported for the current platform",
    "not support",
)
# What the kernels of vLLM may cost beside the bounds of modes.py, which are about transformers, in nats of
# log-probability a token: measured 0.06 with dynamic activations where transformers loses 0.05 (standard
# error 0.02 over the text). Codes that are misread cost several nats.
KERNELS = 0.08
MARK = "vllm measured: "


def measure(folder):
    """Runs in a process of its own and prints what vLLM makes of the folder."""
    from vllm import LLM, SamplingParams

    model = LLM(model=folder, dtype="bfloat16", enforce_eager=True, max_model_len=512, seed=0)
    wanted = SamplingParams(max_tokens=8, temperature=0, prompt_logprobs=1)
    result = model.generate([TEXT], wanted, use_tqdm=False)[0]
    ids = result.prompt_token_ids
    likeliest, log_probability = [], 0.0
    for token, choices in zip(ids[1:], result.prompt_logprobs[1:], strict=True):
        likeliest.append(min(choices, key=lambda choice: choices[choice].rank))
        log_probability += choices[token].logprob
    found = {
        "likeliest": likeliest,
        "log_probability": log_probability / len(likeliest),
        "text": result.outputs[0].text,
    }
    print(MARK + json.dumps(found), flush=True)


def run(folder):
    done = subprocess.run(
        [sys.executable, __file__, "--measure", str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, **SETTINGS},
    )
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            return json.loads(line.removeprefix(MARK))
    lines = (done.stderr + done.stdout).splitlines()
    errors = [line for line in lines if "Error" in line and "Engine core" not in line]
    raise RuntimeError((errors or lines or [f"exit {done.returncode}"])[-1])


def check(command, mode, source, expected, work):
    out = work / "out"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    flags = [*mode.flags_for("down_proj"), *(["-c", calibration_of(source)] if mode.calibrated else [])]
    try:
        report = command.quantize(source, out, flags)
    except CommandFailed as error:
        return failed(error)
    try:
        actual = run(out)
    except RuntimeError as error:
        cause = str(error)
        if any(words in cause for words in NO_KERNEL):
            return {"verdict": "no kernel", "cause": cause}
        return judged(report, cause)
    found = {}
    same = sum(a == b for a, b in zip(actual["likeliest"], expected["likeliest"], strict=True))
    found["top1"] = same / len(expected["likeliest"])
    found["lost"] = expected["log_probability"] - actual["log_probability"]
    found["text"] = actual["text"]
    return {**found, **judged(report, fault(found, mode))}


def fault(found, mode):
    # A text's own log-probability falls by about the divergence.
    most = mode.divergence + KERNELS
    if not found["lost"] <= most:
        return f"{found['lost']:.3g} of log-probability lost, expected {most:.3g} at most"
    if not found["top1"] >= mode.top1:
        return f"top-1 {found['top1']:.3g}, expected {mode.top1} at least"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--measure")
    parser.add_argument("--cli", type=absolute)
    parser.add_argument("--work", type=absolute)
    parser.add_argument("--filter", default="")
    options = parser.parse_args()
    if options.measure:
        return measure(options.measure)
    command = Command(options.cli)
    print(json.dumps({"versions": {"vLLM": version("vllm-cpu")}}), flush=True)
    source = options.work / MODEL
    expected = run(source)
    for mode in MODES:
        if options.filter not in f"{MODEL} {mode.name}":
            continue
        work = options.work / "case"
        found = check(command, mode, source, expected, work)
        print(json.dumps({"model": MODEL, "mode": mode.name, **found}), flush=True)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
