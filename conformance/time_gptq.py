"""Quantizes the one layer of a file with llm-compressor's GPTQ, and says how long that took.

    python time_gptq.py MODEL.safetensors INPUTS.safetensors GROUP

Both files have one tensor. Its own functions are called as its modifier calls them: moments of the inputs, scales from
the extremes, columns in the order of their inputs. Prints seconds without the start of Python, and its version.
"""

import importlib.metadata
import json
import os
import sys
import time

import torch
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.utils import calculate_qparams
from llmcompressor.modifiers.gptq.gptq_quantize import quantize_weight
from llmcompressor.modifiers.gptq.helpers import accumulate_hessian, make_empty_hessian
from safetensors.torch import load_file


@torch.no_grad()
def main(model, inputs, group):
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    begin = time.monotonic(), time.process_time()
    (weight,) = load_file(model).values()
    (read,) = load_file(inputs).values()
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.copy_(weight.float())
    moments, samples = make_empty_hessian(layer), torch.zeros(())
    moments, samples = accumulate_hessian(read, layer, moments, samples)
    kind = QuantizationArgs(
        num_bits=4, type="int", symmetric=True, strategy="group", group_size=int(group), actorder="static"
    )
    groups = layer.weight.unflatten(1, (-1, int(group)))
    scales, zeros = calculate_qparams(groups.amin(-1), groups.amax(-1), kind)
    quantize_weight(layer.weight.data[None].clone(), (moments / samples)[None], scales[None], zeros[None], None, kind)
    wall, busy = time.monotonic() - begin[0], time.process_time() - begin[1]
    version = importlib.metadata.version("llmcompressor")
    print(json.dumps({"seconds": wall, "processor": busy, "version": version}))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
