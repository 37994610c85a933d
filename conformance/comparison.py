"""Loads a quantized folder as anybody does, and holds it beside the model of the values that its codes
stand for.

The reference is the same folder after `monoquant dequantize`, loaded by the same class: names that a
loader changes on its way are changed in both alike.
"""

import json
import logging
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from compressed_tensors.quantization import QuantizationStatus
from transformers.modeling_utils import PreTrainedModel


@dataclass
class Loaded:
    model: PreTrainedModel
    missing: list
    unexpected: list
    mismatched: list


def load(auto, folder):
    model, info = getattr(transformers, auto).from_pretrained(folder, output_loading_info=True)
    names = {
        key: sorted(map(str, info.get(f"{key}_keys", ())))
        for key in ("missing", "unexpected", "mismatched")
    }
    return Loaded(model.eval(), **names)


def write_reference(command, source: Path, quantized: Path, folder: Path):
    """The folder of the model that the codes stand for: its values under the source's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    command.dequantize(quantized / "model.safetensors", folder / "model.safetensors")
    config = json.loads((source / "config.json").read_text())
    config["dtype"] = "float32"
    (folder / "config.json").write_text(json.dumps(config))


def decompress(model):
    """Makes float weights of the codes now, as the first pass does it; no pass is needed for it."""
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None:
        quantizer.compressor.decompress_model(model)


def quantized_modules(model):
    return [
        (name, module)
        for name, module in model.named_modules()
        if getattr(module, "quantization_scheme", None) is not None
        and getattr(module, "quantization_status", QuantizationStatus.INITIALIZED) is not None
    ]


def different_tensors(model, reference):
    """Names of parameters and buffers that are not the reference's bit for bit, in the narrower type."""
    expected = reference.state_dict()
    different = []
    for name, value in model.state_dict().items():
        leaf = name.rpartition(".")[2]
        if leaf.startswith(("weight_", "input_")) and name not in expected:
            continue  # scales and zero points, which the reference has no use for
        wanted = expected.get(name)
        if wanted is None or wanted.shape != value.shape:
            different.append(name)
        elif not torch.equal(value, wanted.to(value.dtype)):
            different.append(name)
    different += [name for name in expected if name not in model.state_dict()]
    return different


def floats_of(outputs):
    """What a model computes as one vector a name, without caches and losses."""
    found = {}
    for name, value in outputs.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            found[name] = value.float()
    return found


@torch.no_grad()
def outputs_of(model, inputs):
    return floats_of(model(**inputs, return_dict=True))


def difference(outputs, expected):
    """The largest relative error of any output: |a - b| / |b|, as Euclidean norms."""
    worst = 0.0
    for name, wanted in expected.items():
        error = torch.linalg.vector_norm(outputs[name] - wanted)
        size = torch.linalg.vector_norm(wanted)
        worst = max(worst, (error / size).item() if size > 0 else error.item())
    return worst


def set_activations(model, enabled):
    """Switches the quantizing of activations on or off; weights stay what they are."""
    for _, module in quantized_modules(model):
        module.quantization_enabled = enabled


def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("compressed_tensors").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def versions(*packages):
    return {package: version(package) for package in packages}
