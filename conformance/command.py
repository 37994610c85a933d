"""Calls the command line that is tested, as a person does, and reads its JSON."""

import json
import os
import subprocess
from pathlib import Path


def absolute(path):
    return Path(path).resolve()


# The exit code of a model in which nothing can be quantized, which is said before any work.
NOTHING_TO_QUANTIZE = 3


class CommandFailed(Exception):
    """The command's own words, when its exit code is not 0."""

    def __init__(self, code, words):
        super().__init__(f"exit {code}: {words.strip()}")
        self.code = code


class Command:
    def __init__(self, cli):
        self.cli = str(cli)

    def run(self, *arguments):
        """What the command prints with --json."""
        done = subprocess.run(
            [os.environ.get("NODE", "node"), self.cli, *map(str, arguments), "--json"],
            capture_output=True,
            text=True,
            cwd="/",
        )
        if done.returncode != 0:
            raise CommandFailed(done.returncode, done.stderr)
        return json.loads(done.stdout)

    def quantize(self, source: Path, output: Path, flags=()):
        return self.run("quantize", source, "-o", f"{output}/", "--force", *flags)

    def dequantize(self, source: Path, output: Path, dtype="f32"):
        return self.run("dequantize", source, output, "--dtype", dtype, "--force")

    def calibrate(self, source: Path, inputs: Path, output: Path):
        return self.run("calibrate", source, inputs, "-o", output, "--force")


def calibration_of(source: Path):
    """Where the calibration of a model's folder is kept."""
    return source.with_name(f"{source.name}-calibration.json")


def failed(error: CommandFailed):
    """What a case is that the command did not carry out."""
    verdict = "refused" if error.code == NOTHING_TO_QUANTIZE else "fails"
    return {"verdict": verdict, "cause": str(error)}


def judged(report, cause):
    """The verdict of a case that was quantized: `cause` is what is wrong with it, or None. A warning that
    a model does not load has to be right."""
    warning = refusal(report)
    if warning is None:
        return {"verdict": "ok" if cause is None else "fails", "cause": cause}
    if cause is None:
        return {"verdict": "fails", "cause": f"it loads and is right, in spite of: {warning}"}
    return {"verdict": "refused", "cause": warning, "seen": cause}


def refusal(report):
    """The warning that says which tensors no loader takes; None where there is none."""
    for warning in report["warnings"]:
        if warning["code"] == "not-loadable":
            return warning["message"]
    return None
