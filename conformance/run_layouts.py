"""Tiny random models in the layouts of GPTQModel, bitsandbytes, ComfyUI and GGUF, loaded untouched by these.

    python run_layouts.py --cli dist/node/cli.js --work FOLDER [--filter NAME] [--prepare]

Prints one JSON line a case.
"""

import argparse
import json
import os
import sys
from dataclasses import replace

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
# GPTQModel starts as many threads as half of the processors, and one is too few for it.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

import torch

from command import Command, absolute
from comparison import quiet, versions
from encoders import ENCODERS
from family import llama_like
from language_models import LANGUAGE_MODELS
from layouts import NARROW, WIDE, Layout, check, check_written
from loaders import (
    look_in_comfyui,
    look_in_transformers,
    write_with_bitsandbytes,
    write_with_comfyui,
    write_with_gptqmodel,
)
from run_families import make_folder
from senses import SENSES

GPTQMODEL = "transformers with GPTQModel"
BITSANDBYTES = "transformers with bitsandbytes"
COMFYUI = "comfy-kitchen"

# Of a number's digits, in BF16, in which kernels compute: a few of them add up.
HALF = 2**-8
LAYOUTS = [
    Layout(GPTQMODEL, "gptq 4 bits g32", ("--format", "gptq", "-g", "32"), 0.02, HALF, wide=True),
    Layout(GPTQMODEL, "gptq 4 bits g64", ("--format", "gptq", "-g", "64"), 0.02, HALF),
    Layout(GPTQMODEL, "gptq 4 bits channel", ("--format", "gptq", "-g", "-1"), 0.02, 2 * HALF),
    Layout(GPTQMODEL, "gptq 8 bits g32", ("--format", "gptq", "-b", "8", "-g", "32"), 0.02, HALF),
    Layout(GPTQMODEL, "gptq 3 bits g32", ("--format", "gptq", "-b", "3", "-g", "32"), 0.02, HALF),
    Layout(GPTQMODEL, "gptq 2 bits g32", ("--format", "gptq", "-b", "2", "-g", "32"), 0.02, HALF),
    Layout(
        GPTQMODEL,
        "gptq, a layer left alone",
        ("--format", "gptq", "-g", "32", "--ignore", "*.1.mlp.down_proj*"),
        0.02,
        HALF,
    ),
    Layout(
        GPTQMODEL,
        "gptq, a kind of layers left alone",
        ("--format", "gptq", "-g", "32", "--ignore", "*.down_proj*"),
        0.02,
        HALF,
    ),
    Layout(
        GPTQMODEL,
        "gptq with the head",
        ("--format", "gptq", "-g", "32", "--layers", "linear,head"),
        0.02,
        HALF,
    ),
    Layout(
        GPTQMODEL,
        "gptq asymmetric g32",
        ("--format", "gptq", "-s", "asymmetric", "-g", "32"),
        0.02,
        HALF,
        wide=True,
    ),
    Layout(
        GPTQMODEL,
        "gptq asymmetric 8 bits channel",
        ("--format", "gptq", "-s", "asymmetric", "-b", "8", "-g", "-1"),
        0.02,
        2 * HALF,
    ),
    Layout(
        GPTQMODEL,
        "gptq asymmetric 3 bits g32",
        ("--format", "gptq", "-s", "asymmetric", "-b", "3", "-g", "32"),
        0.02,
        HALF,
    ),
    Layout(GPTQMODEL, "awq g32", ("--format", "awq", "-g", "32"), 0.02, HALF, wide=True),
    Layout(GPTQMODEL, "awq g64", ("--format", "awq", "-g", "64"), 0.02, HALF),
    Layout(
        GPTQMODEL,
        "awq, the head asked for",
        ("--format", "awq", "-g", "32", "--layers", "linear,head"),
        0.02,
        HALF,
    ),
    Layout(
        GPTQMODEL, "awq g32 symmetric", ("--format", "awq", "-g", "32", "-s", "symmetric"), 0.02, HALF
    ),
    Layout(
        GPTQMODEL,
        "awq, a layer left alone",
        ("--format", "awq", "-g", "32", "--ignore", "*.1.mlp.down_proj*"),
        0.02,
        HALF,
    ),
    Layout(BITSANDBYTES, "NF4", ("--scheme", "NF4"), 0.02, wide=True),
    Layout(
        BITSANDBYTES, "NF4 double quantization", ("--scheme", "NF4", "--double-quant"), 0.02, wide=True
    ),
    Layout(BITSANDBYTES, "FP4", ("--scheme", "FP4"), 0.02),
    Layout(
        BITSANDBYTES, "NF4, a layer left alone", ("--scheme", "NF4", "--ignore", "*.1.mlp.down_proj*"), 0.02
    ),
    Layout(BITSANDBYTES, "NF4 with the head", ("--scheme", "NF4", "--layers", "linear,head"), 0.02),
    # It rounds inputs to 8 bits.
    Layout(BITSANDBYTES, "INT8", ("--format", "bitsandbytes", "-b", "8"), 0.05, wide=True),
    Layout(COMFYUI, "FP8", ("--format", "comfyui", "--scheme", "FP8"), 0.02),
    Layout(COMFYUI, "INT8 rows", ("--format", "comfyui"), 0.05),
    # A rotation adds in an order of its own.
    Layout(COMFYUI, "INT8 ConvRot", ("--scheme", "INT8_CONVROT"), 0.05, 2**-20),
]
# What the programs write themselves: a model's label, and how.
def written(family, source):
    four = {"load_in_4bit": True}
    yield BITSANDBYTES, "NF4", write_with_bitsandbytes(family, source, **four, bnb_4bit_quant_type="nf4")
    yield BITSANDBYTES, "FP4", write_with_bitsandbytes(family, source, **four, bnb_4bit_quant_type="fp4")
    yield (
        BITSANDBYTES,
        "NF4, scales as codes",
        write_with_bitsandbytes(
            family, source, **four, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
        ),
    )
    yield BITSANDBYTES, "INT8", write_with_bitsandbytes(family, source, load_in_8bit=True)
    note = {"format": "float8_e4m3fn"}
    yield COMFYUI, "FP8", write_with_comfyui(source, "TensorCoreFP8Layout", note)
    note = {"format": "int8_tensorwise"}
    layout = "TensorWiseINT8Layout"
    yield COMFYUI, "INT8 tensor", write_with_comfyui(source, layout, note)
    yield COMFYUI, "INT8 rows", write_with_comfyui(source, layout, note, per_channel=True)
    note |= {"convrot": True, "convrot_groupsize": 64}
    rotated = {"per_channel": True, "convrot": True, "convrot_groupsize": 64}
    yield COMFYUI, "INT8 ConvRot", write_with_comfyui(source, layout, note, **rotated)
    yield GPTQMODEL, "gptq", write_with_gptqmodel(source)
    yield GPTQMODEL, "gptq asymmetric", write_with_gptqmodel(source, sym=False)
    yield GPTQMODEL, "gptq by activations", write_with_gptqmodel(source, desc_act=True)


LABELS = {None: "-", True: "tied", False: "untied"}
LOOKS = {
    GPTQMODEL: look_in_transformers,
    BITSANDBYTES: look_in_transformers,
    COMFYUI: look_in_comfyui,
}


# Rows that ConvRot rotates, which those of the others are too short for.
ROTATED = replace(llama_like("llama", (False,), hidden_size=256, intermediate_size=512), variant="256")


def is_tried(layout, label, is_narrow):
    if label == "llama-256 untied":
        return layout.name == "INT8 ConvRot"
    return layout.wide or is_narrow


def models():
    """Each with its label, and whether it is one of those that every layout is tried with."""
    yield ROTATED, False, "llama-256 untied", False
    for family in [*LANGUAGE_MODELS, *ENCODERS, *SENSES]:
        for tied in family.ties:
            label = f"{family.name} {LABELS[tied]}"
            if label in WIDE:
                yield family, tied, label, label in NARROW


def chosen(filters, name):
    """`filters` are parts of names, any of them (","), or several that all have to be in it ("+")."""
    return any(all(part in name for part in one.split("+")) for one in filters.split(","))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cli", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    parser.add_argument("--filter", default="")
    parser.add_argument("--prepare", action="store_true", help="only make the folders")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    command = Command(options.cli)
    names = ("torch", "transformers", "gptqmodel", "optimum", "bitsandbytes", "comfy-kitchen")
    print(json.dumps({"versions": versions(*names)}), flush=True)
    for family, tied, label, is_narrow in models():
        source = options.work / label.replace(" ", "-") / "source"
        if not (source / "config.json").exists():
            make_folder(family, tied, source)
        for layout in [] if options.prepare else LAYOUTS:
            name = f"{label} {layout.name} {layout.program}"
            if not is_tried(layout, label, is_narrow) or not chosen(options.filter, name):
                continue
            look = LOOKS[layout.program](family)
            found = check(command, layout, source, source.with_name("case"), look)
            line = {"model": label, "program": layout.program, "mode": layout.name, **found}
            print(f"\n{json.dumps(line)}", flush=True)
        for program, mode, write in written(family, source) if label == NARROW[0] else ():
            name = f"{label} writes {mode} {program}"
            if options.prepare or not chosen(options.filter, name):
                continue
            # A rotation adds in an order of its own.
            most = 2**-20 if "ConvRot" in mode else 0.0
            found = check_written(command, source.with_name("case"), write, most)
            line = {"model": label, "program": program, "mode": f"writes {mode}", **found}
            print(f"\n{json.dumps(line)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
