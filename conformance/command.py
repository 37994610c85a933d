"""Calls the command line that is tested, as a person does, and reads its JSON."""

import json
import os
import subprocess
from pathlib import Path


class CommandFailed(Exception):
    """The command's own words, when its exit code is not 0."""


class Command:
    def __init__(self, cli):
        self.cli = str(cli)

    def run(self, *arguments):
        """What the command prints with --json."""
        done = subprocess.run(
            [os.environ.get("NODE", "node"), self.cli, *map(str, arguments), "--json"],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise CommandFailed(f"exit {done.returncode}: {done.stderr.strip()}")
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


def refusal(report):
    """The warning that says which tensors no loader takes; None where there is none."""
    for warning in report["warnings"]:
        if warning["code"] == "not-loadable":
            return warning["message"]
    return None
