"""Names, shapes and owners of the parameters of many architectures, as the packages that define them say.

    python make.py [FOLDER [PACKAGE,PACKAGE]]

Writes one file a package. Models are made without memory (PyTorch's meta device), two layers deep where
their configurations allow it, and as wide as the packages make them by default.
"""

import contextlib
import os
import re
import sys
import traceback
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from torch import nn

from architectures import DIFFUSERS, TIMM, TRANSFORMERS, ULTRALYTICS

# Classes of PyTorch by what a checkpoint holds of them; subclasses count.
KNOWN = (
    (nn.modules.conv._ConvTransposeNd, "ConvTranspose"),
    (nn.Conv1d, "Conv1d"),
    (nn.Conv2d, "Conv2d"),
    (nn.Conv3d, "Conv3d"),
    (nn.Linear, "Linear"),
    (nn.Embedding, "Embedding"),
    (nn.EmbeddingBag, "Embedding"),
    (nn.MultiheadAttention, "MultiheadAttention"),
    (nn.LSTM, "LSTM"),
    (nn.GRU, "GRU"),
    (nn.modules.batchnorm._NormBase, "Norm"),
    (nn.LayerNorm, "Norm"),
    (nn.GroupNorm, "Norm"),
)


def owner_of(module):
    """The word for the class that computes with a parameter."""
    for known, word in KNOWN:
        if isinstance(module, known):
            return word
    name = type(module).__name__
    if name == "Conv1D":
        return "TransposedLinear"
    if name == "ParametrizationList":
        return "WeightNorm"
    return "Norm" if re.search(r"norm", name, re.IGNORECASE) and not list(module.children()) else name


def owners(model):
    """Of each entry of the state dict: its module's class."""
    found = {}
    for path, module in model.named_modules():
        own = {**module._parameters, **module._buffers}
        for name in own:
            normed = name in ("weight_g", "weight_v") and "weight_g" in own
            found[f"{path}.{name}" if path else name] = "WeightNorm" if normed else owner_of(module)
    return found


def entries_of(model):
    """(name, shape, owner) of each tensor as a file has it."""
    words = owners(model)
    return [
        (name, tuple(value.shape), words.get(name, "?"))
        for name, value in model.state_dict().items()
        if isinstance(value, torch.Tensor)
    ]


def saved_entries(model):
    """The same for transformers, whose files may have other names than its modules. Each parameter is one number
    that takes no memory and survives what saving does with it."""
    from transformers.core_model_loading import revert_weight_conversion

    words = owners(model)
    marked, marks = {}, []
    for name, value in model.state_dict().items():
        marked[name] = torch.full((), len(marks), dtype=torch.int16).expand(tuple(value.shape))
        marks.append(words.get(name, "?"))
    entries = []
    for name, value in revert_weight_conversion(model, marked).items():
        mark = int(value.flatten()[0].item()) if value.numel() else None
        entries.append((name, tuple(value.shape), "?" if mark is None else marks[mark]))
    return entries


DEPTHS = (
    "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_encoder_layers "
    "num_decoder_layers num_decoder_layers depth encoder_num_hidden_layers decoder_num_hidden_layers "
    "num_attention_layers num_hidden_groups decoder_depth encoder_depth num_single_layers num_refiner_layers"
).split()

EXPERTS = "num_experts num_local_experts n_routed_experts moe_num_experts".split()


def shallow(config_class, given):
    """Choices that leave two layers of a model of this class."""
    choices = dict(given)
    defaults = config_class()
    for key in DEPTHS:
        value = getattr(defaults, key, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 2 and key not in choices:
            name = defaults.attribute_map.get(key, key)
            choices.setdefault(name, 2)
    # What saving splits takes memory: fewer experts, in one group.
    for key, value in {"n_group": 1, "topk_group": 1, **dict.fromkeys(EXPERTS, 8)}.items():
        if isinstance(getattr(defaults, key, None), int) and getattr(defaults, key) > value:
            choices.setdefault(defaults.attribute_map.get(key, key), value)
    for key in ("num_experts_per_tok", "top_k", "moe_k", "moe_topk"):
        if isinstance(getattr(defaults, key, None), int) and getattr(defaults, key) > 2:
            choices.setdefault(defaults.attribute_map.get(key, key), 2)
    for part in config_class.sub_configs:
        inner = getattr(defaults, part, None)
        if inner is not None:
            own = shallow(type(inner), choices.get(part, {}))
            choices[part] = {**own, "model_type": inner.model_type}
    return choices


AUTO = (
    "AutoModelForCausalLM AutoModelForImageTextToText AutoModelForSeq2SeqLM AutoModelForSpeechSeq2Seq "
    "AutoModelForMaskedLM AutoModelForCTC AutoModelForImageClassification AutoModelForObjectDetection AutoModel"
).split()


def make_transformers(model_type, auto=None, **given):
    import transformers

    config_class = transformers.CONFIG_MAPPING[model_type]
    try:
        config = config_class(**shallow(config_class, given))
    except Exception:  # some depths belong to other choices
        print(f"{model_type}: as deep as it is made by default", file=sys.stderr)
        config = config_class(**given)
    for name in [auto] if auto else AUTO:
        kind = getattr(transformers, name)
        if name.startswith("AutoModel"):
            if type(config) not in kind._model_mapping:
                continue
            with torch.device("meta"):
                return kind.from_config(config)
        with torch.device("meta"):
            return kind(config)
    raise ValueError(f"no class for {model_type}")


def make_diffusers(name, **given):
    import diffusers

    with torch.device("meta"):
        return getattr(diffusers, name)(**given)


def make_timm(name):
    import timm

    with torch.device("meta"):
        return timm.create_model(name, pretrained=False)


def make_ultralytics(name):
    from ultralytics import YOLO, RTDETR

    with contextlib.redirect_stdout(sys.stderr):
        return (RTDETR if name.startswith("rtdetr") else YOLO)(name).model


def modules(entries):
    """Modules with a matrix, each with its parameters; of those that differ in numbers of their names only, the first."""
    whole = {}
    for name, shape, owner in entries:
        path, _, parameter = name.rpartition(".")
        whole.setdefault((path, owner), []).append((parameter, shape))
    seen = set()
    for (path, owner), parameters in whole.items():
        alike = (re.sub(r"(^|(?<=\.))\d+(?=\.|$)", "#", path), owner, tuple((p, len(s)) for p, s in parameters))
        is_layer = any(len(shape) > 1 for _, shape in parameters)  # of vectors there is no question
        if is_layer and alike not in seen:
            seen.add(alike)
            yield path, owner, parameters


def text_of(title, entries):
    lines = [f"# {title}"]
    for path, owner, parameters in modules(entries):
        words = [owner, path or "."]
        for parameter, shape in parameters:
            words += [parameter, "x".join(map(str, shape)) or "scalar"]
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def write(file, cases, make, entries_of):
    """One after the other: what cannot be made is an error that the others do not feel."""
    failed = 0
    with open(file, "w") as out:
        for title, arguments, choices in cases:
            try:
                model = make(*arguments, **choices)
                heading = title.replace("CLASS", type(model).__name__)
                out.write(text_of(heading, entries_of(model)))
                out.flush()
            except Exception:
                failed += 1
                print(f"{title}: {traceback.format_exc(limit=-3)}", file=sys.stderr)
    print(f"{file}: {file.stat().st_size} bytes, {len(cases) - failed} architectures, {failed} failed")


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    packages = (sys.argv[2] if len(sys.argv) > 2 else "transformers,diffusers,timm,ultralytics").split(",")
    if "transformers" in packages:
        cases = [(f"{type} CLASS", (type,), choices) for type, choices in TRANSFORMERS]
        write(folder / "transformers.txt", cases, make_transformers, saved_entries)
    if "diffusers" in packages:
        cases = [("- CLASS", (name,), choices) for name, choices in DIFFUSERS]
        write(folder / "diffusers.txt", cases, make_diffusers, entries_of)
    if "timm" in packages:
        cases = [(f"- {name}", (name,), {}) for name in TIMM]
        write(folder / "timm.txt", cases, make_timm, entries_of)
    if "ultralytics" in packages:
        cases = [(f"- {name}", (name,), {}) for name in ULTRALYTICS]
        write(folder / "ultralytics.txt", cases, make_ultralytics, entries_of)


if __name__ == "__main__":
    main()
