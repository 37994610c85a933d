#!/usr/bin/env python3
"""Prints the test accuracy of checkpoints of the example model, float or quantized by monoquant.

usage: check_digits.py FILE...     (.safetensors or .pt)
"""

import json
import re
import struct
import sys
import zipfile
from pathlib import Path

import torch

from train_digits import Digits, count_correct, load_data

DTYPES = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I8": torch.int8,
}


def read_safetensors(path):
    """Returns the file's tensors by name and its metadata."""
    blob = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    data = memoryview(blob)[8 + length :]
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        tensor = torch.frombuffer(bytearray(data[start:end]), dtype=DTYPES[entry["dtype"]])
        tensors[name] = tensor.reshape(entry["shape"])
    return tensors, metadata


def read_metadata(path):
    """Returns what monoquant has put beside the tensors of a .pt file; nothing if another program wrote it."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith("/metadata.json"):
                return json.loads(archive.read(name))
    return {}


def scheme(config, layer, kind):
    """Returns the "weights" entry for a layer: found by its name, else by a pattern, else by its class."""
    groups = list(config.get("config_groups", {}).values())
    tests = (
        lambda target: target == layer,
        lambda target: target.startswith("re:") and re.match(target[3:], layer),
        lambda target: target == kind,
    )
    for test in tests:
        for group in groups:
            if any(test(target) for target in group["targets"]):
                return group["weights"]
    raise ValueError(f"quantization_config has no group for {layer} ({kind})")


def unpack(words, bits, count):
    """Unpacks the signed integers in the rows of an int32 matrix, the first in the lowest bits."""
    shifts = torch.arange(0, 32, bits, dtype=torch.int32)
    stored = (words.unsqueeze(-1) >> shifts) & (2**bits - 1)
    return stored.flatten(1)[:, :count] - 2 ** (bits - 1)


def matrix(tensor):
    """Views a scale or zero point as a matrix: rows are output channels, columns are groups."""
    return torch.atleast_2d(tensor).flatten(1)


def restore(tensors, name, config, kind):
    """Returns tensor `name` as it is if it is float, and dequantized if it is not."""
    if f"{name}_scale" not in tensors:
        return tensors[name]
    packed = tensors.get(f"{name}_packed")
    zero_point = tensors.get(f"{name}_zero_point", torch.zeros(1, 1))
    scale = matrix(tensors[f"{name}_scale"]).float()
    weights = scheme(config, name.rpartition(".")[0], kind)

    if packed is None:
        shape = tensors[name].shape
        codes = tensors[name].flatten(1)
        zero_point = matrix(zero_point)
    else:
        bits = weights["num_bits"]
        shape = torch.Size(tensors[f"{name}_shape"].tolist())
        codes = unpack(packed.flatten(1), bits, shape[1:].numel())
        if zero_point.dtype == torch.int32:  # packed too, but along the output channels
            zero_point = unpack(matrix(zero_point).T, bits, shape[0]).T

    def spread(values):  # one column a group -> one column a code
        if values.shape[1] == 1:
            return values
        return values.repeat_interleave(weights["group_size"], 1)[:, : codes.shape[1]]

    return ((codes.float() - spread(zero_point)) * spread(scale)).reshape(shape)


def load(path):
    """Returns the model with the file's weights, and how many of them were quantized."""
    if Path(path).suffix == ".pt":
        tensors, metadata = torch.load(path, weights_only=True), read_metadata(path)
    else:
        tensors, metadata = read_safetensors(path)
    config = json.loads(metadata.get("quantization_config", "{}"))
    model = Digits()
    state = {}
    for name in model.state_dict():
        kind = type(model.get_submodule(name.rpartition(".")[0])).__name__
        state[name] = restore(tensors, name, config, kind)
    model.load_state_dict(state)
    return model, sum(f"{name}_scale" in tensors for name in state)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    torch.set_num_threads(1)
    _, (images, labels) = load_data()
    for path in sys.argv[1:]:
        model, quantized = load(path)
        correct = count_correct(model, images, labels)
        size = Path(path).stat().st_size
        print(
            f"{path}: {size} bytes, {quantized} quantized tensors, "
            f"test accuracy {correct / len(labels):.2%} ({correct} of {len(labels)})"
        )


if __name__ == "__main__":
    main()
