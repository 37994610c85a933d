"""The layouts of other programs than those of compressed-tensors, and what is looked at in each of them.

What a case shows: the folder loads without a missing or unexpected name; each weight that the program
makes of its codes is the one that `monoquant dequantize` writes; its outputs are near those of the same
model with these weights; it generates tokens.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import safe_open

from command import CommandFailed, failed


@dataclass(frozen=True)
class Layout:
    """One way of quantizing for one program."""

    program: str
    name: str
    flags: tuple
    # How far outputs may be from those of the dequantized model, as a share of their norm: kernels compute in types of
    # their own.
    near: float
    # How far weights may be, as a share of the largest one: 0 where the program computes what the format says, in F32.
    apart: float = 0.0
    # Tried with all of WIDE, instead of with two models.
    wide: bool = False


# The families in which every layout is tried, by what is special: a head of its own, biases and a tied head.
NARROW = ("llama untied", "qwen2 tied")
# Those of each build: what loaders do with a layout depends on names of blocks, on classes of layers, on what a model
# reads of its layers, and on experts.
WIDE = (
    *NARROW,
    *(f"{name} untied" for name in ("gemma2", "phi3", "stablelm", "olmo2", "falcon")),
    *(f"{name} untied" for name in ("gpt_bigcode", "gptj", "gpt_neox", "opt", "bloom", "mpt")),
    *(f"{name} untied" for name in ("starcoder2", "mixtral", "qwen3_moe", "granitemoe")),
    *("mamba untied", "gpt2 untied", "bart untied", "t5 tied", "bert -", "whisper untied", "vit -"),
)


@dataclass
class Seen:
    """What one case showed."""

    quantized: int = 0
    missing: list = field(default_factory=list)
    unexpected: list = field(default_factory=list)
    # Names of modules whose weights are another program's, and the largest difference of all.
    different: list = field(default_factory=list)
    apart: float = 0.0
    near: float = 0.0
    tokens: int | None = None

    def fault(self, layout):
        """The first thing that is not as it must be, as a sentence; None where all is well."""
        for key in ("missing", "unexpected"):
            if names := getattr(self, key):
                return f"{len(names)} {key} keys, such as {names[0]}"
        if self.quantized == 0:
            return "no layer has codes"
        if self.different:
            return f"{len(self.different)} weights differ from dequantize by up to {self.apart:.2g}, such as {self.different[0]}"
        if layout is not None and not self.near <= layout.near:
            return f"outputs are {self.near:.2g} from the reference, expected {layout.near:.2g} at most"
        if self.tokens == 0:
            return "no token is generated"
        return None


def write_folders(command, source: Path, work: Path, flags):
    """Quantizes into `work/out`, and writes what its codes stand for into `work/reference`. The report."""
    shutil.rmtree(work, ignore_errors=True)
    out, reference = work / "out", work / "reference"
    work.mkdir(parents=True)
    report = command.quantize(source, out, flags)
    reference.mkdir()
    command.dequantize(out, reference / "model.safetensors")
    config = json.loads((source / "config.json").read_text())
    config["dtype"] = "float32"
    (reference / "config.json").write_text(json.dumps(config))
    return report


def check(command, layout, source: Path, work: Path, look):
    """`look(out, reference, seen, layout)` fills in what it sees. What the case is, for the table."""
    try:
        report = write_folders(command, source, work, layout.flags)
    except CommandFailed as error:
        return failed(error)
    seen = Seen()
    try:
        look(work / "out", work / "reference", seen, layout)
        cause = seen.fault(layout)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
    return {**verdict_of(report, cause), **figures(seen)}


def check_written(command, work: Path, write, most=0.0):
    """The other way round: `write(folder)` has a program write a model, and returns the weights that it makes of its
    codes, as arrays by the names of modules. What the case is, for the table."""
    shutil.rmtree(work, ignore_errors=True)
    out, values = work / "out", work / "values.safetensors"
    out.mkdir(parents=True)
    seen = Seen()
    try:
        weights = write(out)
        command.dequantize(out, values)
        with safe_open(values, "np") as file:
            expected = {name: file.get_tensor(f"{name}.weight") for name in weights}
        compare(seen, weights, expected, most)
        cause = seen.fault(None)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
    found = {"verdict": "ok" if cause is None else "fails", "cause": cause}
    return {**found, "quantized": seen.quantized, "apart": seen.apart}


def verdict_of(report, cause):
    """A warning that a model does not load has to be right."""
    codes = ("not-loadable", "layout-not-loadable")
    warning = next((one["message"] for one in report["warnings"] if one["code"] in codes), None)
    if warning is None:
        return {"verdict": "ok" if cause is None else "fails", "cause": cause}
    if cause is None:
        return {"verdict": "fails", "cause": f"it loads and is right, in spite of: {warning}"}
    return {"verdict": "refused", "cause": warning, "seen": cause}


def figures(seen):
    return {"quantized": seen.quantized, "apart": seen.apart, "near": min(seen.near, 1e9)}


def compare(seen, weights, expected, most):
    """`weights` are what the program makes of its codes and `expected` those that the reference has, as pairs of a
    module's name and an array of any library that knows abs and max."""
    seen.quantized = len(weights)
    for name, weight in weights.items():
        wanted = expected[name]
        difference = float(abs(weight - wanted).max()) / float(abs(wanted).max())
        seen.apart = max(seen.apart, difference)
        if not difference <= most:
            seen.different.append(name)
