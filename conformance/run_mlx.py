"""Tiny random language models in the layouts that mlx-lm loads, on the processor.

    python run_mlx.py --cli dist/node/cli.js --work FOLDER [--filter NAME]

Prints one JSON line a case. The folders of the models are made by run_layouts.py; this environment has no PyTorch.
"""

import argparse
import importlib.util
import json
import os
import shutil
import sys
from importlib.metadata import version

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import mlx.core as mx
import numpy
from mlx.utils import tree_flatten
from mlx_lm.generate import generate_step
from mlx_lm.utils import load_model, quantize_model, save_config, save_model

from command import Command, absolute
from layouts import NARROW, WIDE, Layout, check, check_written, compare

PROGRAM = "mlx-lm"
NEW_TOKENS = 8
PROMPT = [5, 17, 99, 3, 200, 41, 7]


def mlx(name, *flags, near=1e-5, apart=0.0, wide=False):
    return Layout(PROGRAM, name, ("--format", "mlx", *flags), near, apart, wide)


LAYOUTS = [
    mlx("mlx 4 bits g64", wide=True),
    mlx("mlx 4 bits g32", "-g", "32"),
    *(mlx(f"mlx {bits} bits g64", "-b", str(bits)) for bits in (2, 3, 5, 6, 8)),
    mlx("mlx 4 bits with embeddings", "--layers", "linear,embedding,head"),
    mlx("mlx 4 bits, a layer left alone", "--ignore", "*.1.mlp.down_proj*"),
    mlx("mlx 4 bits, a layer of 8 bits", "--layer", "*.1.mlp.down_proj*=bits:8"),
    mlx("mlx 4 bits, a layer of groups of 32", "--layer", "*.1.mlp.down_proj*=group:32"),
    # Its zero points become sums in F16.
    Layout(PROGRAM, "awq g32", ("--format", "awq", "-g", "32"), 0.01, 2**-9, True),
]


# What configurations of published models have, and those that transformers 5 writes call something else.
OLDER_WORDS = {
    "rope_theta": 10000.0,
    "num_experts": 4,
    "partial_rotary_factor": 0.5,
    "rotary_pct": 0.25,
    "rotary_emb_base": 10000,
    "norm_topk_prob": True,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
}


def is_known(source, folder):
    """Whether mlx-lm loads the model as it is. `folder` gets a copy with a configuration that it understands."""
    config = json.loads((source / "config.json").read_text())
    if importlib.util.find_spec(f"mlx_lm.models.{config['model_type']}") is None:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "model.safetensors", folder)
    (folder / "config.json").write_text(json.dumps({**OLDER_WORDS, **config}))
    try:
        load_model(folder)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return True


def logits_of(model):
    return mx.array(model(mx.array([PROMPT]))).astype(mx.float32)


def weights_of(model):
    """The weights of all layers with codes, as floats."""
    found = {}
    for name, module in model.named_modules():
        if "scales" in module:
            weight = mx.dequantize(
                module.weight,
                module.scales,
                module.get("biases"),
                group_size=module.group_size,
                bits=module.bits,
                mode=module.mode,
            )
            found[name] = numpy.array(weight.astype(mx.float32))
    return found


def generated(model):
    """How many tokens it generates; None if it cannot."""
    try:
        return sum(1 for _ in generate_step(mx.array(PROMPT), model, max_tokens=NEW_TOKENS))
    except (IndexError, ValueError):
        return None


def look(out, reference, seen, layout):
    """Whatever is missing or unexpected is an error of load_model."""
    model, _ = load_model(out)
    expected, _ = load_model(reference)
    names = {name.removesuffix(".weight"): value for name, value in tree_flatten(expected.parameters())}
    weights = weights_of(model)
    wanted = {name: numpy.array(names[name].astype(mx.float32)) for name in weights}
    compare(seen, weights, wanted, layout.apart)
    actual, right = logits_of(model), logits_of(expected)
    seen.near = float(mx.linalg.norm(actual - right) / mx.linalg.norm(right))
    # Not of every tiny model does it generate anything: some have other caches than it expects.
    if generated(expected) is not None:
        seen.tokens = generated(model)


def write_with_mlx(source, bits, group_size, mode):
    """As `mlx_lm.convert -q` does it, but for the tokenizer, which tiny models have not."""

    def write(folder):
        model, config = load_model(source)
        model, config = quantize_model(model, config, group_size, bits, mode=mode)
        save_model(folder, model)
        save_config(config, folder / "config.json")
        return weights_of(model)

    return write


WRITTEN = [
    *((f"affine {bits} bits g64", bits, 64, "affine") for bits in (2, 3, 4, 5, 6, 8)),
    ("affine 4 bits g32", 4, 32, "affine"),
    ("mxfp4", 4, 32, "mxfp4"),
    ("mxfp8", 8, 32, "mxfp8"),
    ("nvfp4", 4, 16, "nvfp4"),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cli", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    parser.add_argument("--filter", default="")
    options = parser.parse_args()
    mx.set_default_device(mx.cpu)
    command = Command(options.cli)
    print(json.dumps({"versions": {name: version(name) for name in ("mlx", "mlx-lm")}}), flush=True)
    for source in sorted(options.work.glob("*-*/source")):
        label = " ".join(source.parent.name.rsplit("-", 1))
        folder = source.with_name("mlx-source")
        if label not in WIDE or not is_known(source, folder):
            continue
        for layout in LAYOUTS:
            name = f"{label} {layout.name} {layout.program}"
            if not (layout.wide or label in NARROW) or options.filter not in name:
                continue
            found = check(command, layout, folder, source.with_name("case"), look)
            line = {"model": label, "program": layout.program, "mode": layout.name, **found}
            print(f"\n{json.dumps(line)}", flush=True)
        for mode, *choices in WRITTEN if label == NARROW[0] else ():
            if options.filter not in f"{label} writes {mode} {PROGRAM}":
                continue
            write = write_with_mlx(folder, *choices)
            found = check_written(command, source.with_name("case"), write)
            line = {"model": label, "program": PROGRAM, "mode": f"writes {mode}", **found}
            print(f"\n{json.dumps(line)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
