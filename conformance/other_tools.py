"""Quantizes a model with other tools, from the tokens that monoquant was calibrated with.

    python other_tools.py --source FOLDER --read TOKENS.safetensors --output FOLDER --case NAME

Writes the folder of the model that the codes stand for, in floats, as `monoquant dequantize` does: it is measured
where ours is measured. Runs in an environment of its own. Prints versions and how long it took.
"""

import argparse
import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import torch
import transformers
from safetensors.torch import load_file

GROUP = 64


def linears(model):
    """What monoquant quantizes too: linear layers but for the head."""
    head = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }


def batches(path):
    read = load_file(path)
    ids = [read[key].long()[None] for key in sorted(read)]
    return [{"input_ids": each, "attention_mask": torch.ones_like(each)} for each in ids]


@torch.no_grad()
def mean_squares(model, read):
    """Of the inputs of each linear layer, column by column."""
    sums = {}

    def look(name, x):
        x = x.reshape(-1, x.shape[-1]).double()
        total, count = sums.get(name, (0, 0))
        sums[name] = total + x.square().sum(0), count + len(x)

    hooks = [
        module.register_forward_pre_hook(lambda _, args, name=name: look(name, args[0]))
        for name, module in linears(model).items()
    ]
    for batch in read:
        model(**batch)
    for hook in hooks:
        hook.remove()
    return {name: (total / count).float() for name, (total, count) in sums.items()}


def llm_compressor(model, read, symmetric):
    """Its default for language models: inputs of a block are those that the codes of the blocks before make."""
    from llmcompressor import oneshot
    from llmcompressor.modifiers.gptq import GPTQModifier

    weights = {"num_bits": 4, "type": "int", "symmetric": symmetric, "strategy": "group"}
    weights["group_size"] = GROUP
    pipeline = "sequential" if model.get_output_embeddings() is not None else "basic"
    names = list(linears(model))
    modifier = GPTQModifier(config_groups={"group_0": {"targets": names, "weights": weights}})
    loader = torch.utils.data.DataLoader(read, batch_size=None, shuffle=False)
    oneshot(model=model, recipe=[modifier], dataset=loader, num_calibration_samples=len(read), pipeline=pipeline)


@torch.no_grad()
def hqq(model, read, axis):
    from hqq.core.quantize import Quantizer

    for module in linears(model).values():
        codes, facts = Quantizer.quantize(
            module.weight.data, nbits=4, group_size=GROUP, axis=axis, round_zero=True,
            optimize=True, device="cpu", compute_dtype=torch.float32,
        )
        module.weight.copy_(Quantizer.dequantize(codes, facts))


@torch.no_grad()
def auto_round(model, read):
    """Its rounding to nearest with searched scales (iters=0), weighted by the inputs' mean squares. It has it for
    symmetric codes only."""
    from auto_round.data_type.int import quant_tensor_opt_rtn_sym

    squares = mean_squares(model, read)
    for name, module in linears(model).items():
        weight = module.weight.data.clone()
        found = quant_tensor_opt_rtn_sym(weight, bits=4, group_size=GROUP, imatrix=squares[name])
        module.weight.copy_(found[0].reshape(weight.shape))


def gptqmodel(model, read, symmetric):
    """Layer by layer with its own rounding; inputs are those of the float model."""
    from gptqmodel.quantization import GPTQ, QuantizeConfig

    config = QuantizeConfig(bits=4, group_size=GROUP, sym=symmetric, desc_act=False)
    layers = {}
    hooks = []
    for name, module in linears(model).items():
        layers[name] = GPTQ(module, config)
        layers[name].quantizer.configure(perchannel=True)
        hooks.append(
            module.register_forward_hook(
                lambda _, args, out, layer=layers[name]: layer.add_batch(args[0], out)
            )
        )
    with torch.no_grad():
        for batch in read:
            model(**batch)
        for hook in hooks:
            hook.remove()
        for name, module in linears(model).items():
            module.weight.copy_(layers.pop(name).quantize()[0].to(module.weight.dtype))


CASES = {
    "llm-compressor GPTQ symmetric": ("llmcompressor", lambda m, r: llm_compressor(m, r, True)),
    "llm-compressor GPTQ asymmetric": ("llmcompressor", lambda m, r: llm_compressor(m, r, False)),
    "GPTQModel symmetric": ("gptqmodel", lambda m, r: gptqmodel(m, r, True)),
    "GPTQModel asymmetric": ("gptqmodel", lambda m, r: gptqmodel(m, r, False)),
    "AutoRound opt-RTN symmetric": ("auto-round", auto_round),
    "HQQ axis 1": ("hqq", lambda m, r: hqq(m, r, 1)),
    "HQQ axis 0": ("hqq", lambda m, r: hqq(m, r, 0)),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--read", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--case", choices=list(CASES), required=True)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    causal = "CausalLM" in json.loads((options.source / "config.json").read_text())["architectures"][0]
    auto = transformers.AutoModelForCausalLM if causal else transformers.AutoModel
    model = auto.from_pretrained(options.source, dtype=torch.float32).eval()
    package, quantize = CASES[options.case]
    names = {module: name for name, module in linears(model).items()}
    begin = time.monotonic()
    quantize(model, batches(options.read))
    seconds = time.monotonic() - begin
    # Into a model that no tool has touched: only the weights count.
    plain = auto.from_pretrained(options.source, dtype=torch.float32)
    values = {name: module.weight.detach() for module, name in names.items()}
    with torch.no_grad():
        for name, module in linears(plain).items():
            module.weight.copy_(values[name])
    plain.save_pretrained(options.output)
    version = importlib.metadata.version(package)
    print(json.dumps({"versions": {package: version}, "seconds": round(seconds, 1)}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
