"""What each program makes of codes: its layers with their weights as floats, and its outputs."""

import contextlib
import json

import bitsandbytes.functional
import tokenizers
import torch
import transformers
from comfy_kitchen.tensor import QuantizedTensor, TensorCoreFP8Layout, TensorWiseINT8Layout
from safetensors import safe_open
from safetensors.torch import save_file

from comparison import difference, load, outputs_of
from family import VOCABULARY, make_inputs
from layouts import compare

NEW_TOKENS = 8


def look_in_transformers(family):
    """GPTQModel and bitsandbytes, each as transformers calls it."""

    def look(out, reference, seen, layout):
        loaded = load(family.auto, out)
        seen.missing, seen.unexpected = loaded.missing, loaded.unexpected
        expected = load(family.auto, reference).model
        compare(seen, weights_of(loaded.model), parameters_of(expected), layout.apart)
        inputs = make_inputs(family)
        seen.near = distance(outputs_of(loaded.model, inputs), outputs_of(expected, inputs))
        if hasattr(loaded.model, "generate") and family.auto == "AutoModelForCausalLM":
            given = inputs["input_ids"]
            made = loaded.model.generate(given, max_new_tokens=NEW_TOKENS, do_sample=False)
            seen.tokens = made.shape[1] - given.shape[1]

    return look


def distance(outputs, expected):
    """As `difference`, which takes what is no number for no difference."""
    if not all(bool(value.isfinite().all()) for value in outputs.values()):
        return float("inf")
    return difference(outputs, expected)


def parameters_of(model):
    """The weights of all modules by their names."""
    return {
        name: module.weight.detach().float()
        for name, module in model.named_modules()
        if isinstance(getattr(module, "weight", None), torch.nn.Parameter)
    }


@torch.no_grad()
def weights_of(model):
    """The weights of all layers with codes, as floats."""
    found = {}
    for name, module in model.named_modules():
        kind = type(module).__name__
        if kind == "Linear4bit":
            state = module.weight.quant_state
            weight = bitsandbytes.functional.dequantize_4bit(module.weight.data, state)
        elif kind == "Linear8bitLt":
            codes = module.weight.CB if module.weight.CB is not None else module.weight.data
            scales = module.weight.SCB if module.weight.SCB is not None else module.state.SCB
            weight = bitsandbytes.functional.int8_vectorwise_dequant(codes, scales)
        elif hasattr(module, "in_features") and hasattr(module, "group_size"):
            # Kernels order codes as they like, so they are asked for what each input does.
            unit = torch.eye(module.in_features, dtype=model.dtype)
            weight = (module(unit) - (0 if module.bias is None else module.bias)).T
        else:
            continue
        found[name] = weight.detach().float()
    return found


def look_in_comfyui(family):
    """The tensors that ComfyUI's own library makes of each layer's note; the model around them is transformers'."""

    def look(out, reference, seen, layout):
        expected = load(family.auto, reference).model
        with safe_open(out / "model.safetensors", "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            notes = json.loads(file.metadata()["_quantization_metadata"])["layers"]
        with safe_open(reference / "model.safetensors", "pt") as file:
            values = {name: file.get_tensor(name) for name in file.keys()}
        weights = {}
        for name in [name for name in tensors if name.endswith(".comfy_quant")]:
            module = name.removesuffix(".comfy_quant")
            note = json.loads(bytes(tensors.pop(name).tolist()))
            if notes[module] != note:
                raise ValueError(f"the metadata say something else of {module}: {notes[module]}")
            codes = tensors[f"{module}.weight"]
            weights[module] = quantized_tensor(note, codes, tensors.pop(f"{module}.weight_scale"))
        expected_weights = {module: values[f"{module}.weight"] for module in weights}
        floats = {module: weight.dequantize() for module, weight in weights.items()}
        compare(seen, floats, expected_weights, layout.apart)
        # What is no part of a layer with codes is as in the model.
        seen.unexpected = sorted(set(tensors) - set(values))
        seen.missing = sorted(set(values) - set(tensors))
        inputs = make_inputs(family)
        wanted = outputs_of(expected, inputs)
        for module, weight in weights.items():
            with contextlib.suppress(AttributeError):  # transformers calls it something else
                expected.get_submodule(module).weight = torch.nn.Parameter(weight, False)
        seen.near = distance(outputs_of(expected, inputs), wanted)

    return look


def quantized_tensor(note, codes, scale):
    common = {"scale": scale, "orig_dtype": torch.float32, "orig_shape": tuple(codes.shape)}
    if note["format"] == "float8_e4m3fn":
        params = TensorCoreFP8Layout.Params(**common)
        return QuantizedTensor(codes, "TensorCoreFP8Layout", params)
    rotated = {key: note[key] for key in ("convrot", "convrot_groupsize") if key in note}
    params = TensorWiseINT8Layout.Params(**common, **rotated)
    return QuantizedTensor(codes, "TensorWiseINT8Layout", params)


def write_with_bitsandbytes(family, source, **choices):
    """As transformers saves a model that it has quantized itself."""

    def write(folder):
        config = transformers.BitsAndBytesConfig(**choices)
        kind = getattr(transformers, family.auto)
        model = kind.from_pretrained(source, quantization_config=config, device_map="cpu")
        model.save_pretrained(folder)
        return {name: weight.numpy() for name, weight in weights_of(model).items()}

    return write


def write_with_gptqmodel(source, **choices):
    """With GPTQ's own method, on random tokens."""

    def write(folder):
        from gptqmodel import GPTQModel, QuantizeConfig

        names = {f"t{i}": i for i in range(VOCABULARY)}
        words = tokenizers.Tokenizer(tokenizers.models.WordLevel(names, unk_token="t0"))
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="t0", bos_token="t1", eos_token="t2", unk_token="t0"
        )
        config = QuantizeConfig(bits=4, group_size=32, offload_to_disk=False, **choices)
        model = GPTQModel.load(str(source), config, tokenizer=tokenizer)
        random = torch.Generator().manual_seed(0)
        texts = [
            {
                "input_ids": torch.randint(3, 250, (48,), generator=random).tolist(),
                "attention_mask": [1] * 48,
            }
            for _ in range(16)
        ]
        model.quantize(texts, batch_size=1, tokenizer=tokenizer)
        model.save(str(folder))
        loaded = transformers.AutoModelForCausalLM.from_pretrained(folder)
        return {name: weight.numpy() for name, weight in weights_of(loaded).items()}

    return write


def write_with_comfyui(source, layout, note, **choices):
    """The tensors of its library under the names that ComfyUI's own tools give them."""

    def write(folder):
        with safe_open(source / "model.safetensors", "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        weights = {}
        for name in [name for name in tensors if name.endswith("_proj.weight")]:
            codes = QuantizedTensor.from_float(tensors.pop(name), layout, **choices)
            module = name.removesuffix(".weight")
            weights[module] = codes.dequantize().numpy()
            for suffix, part in codes.state_dict(f"{module}.weight").items():
                tensors[suffix] = part
            text = json.dumps(note).encode()
            tensors[f"{module}.comfy_quant"] = torch.tensor(list(text), dtype=torch.uint8)
        save_file(tensors, folder / "model.safetensors")
        return weights

    return write
