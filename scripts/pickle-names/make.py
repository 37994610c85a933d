"""Makes the table of harmless names (cpp/monoquant/torch/harmless_names.inc) out of installed libraries.

Why: a name is harmless only under the module that defines it, and only libraries themselves say which that is.
Always: a class is listed one by one, under its own __module__; no folder, no re-export, no function.

    python scripts/pickle-names/make.py cpp/monoquant/torch/harmless_names.inc

Two kinds of names:
  called  whatever they are called with, nothing runs but their own few lines: torch.nn's layers, dtypes, containers
  made    classes of which a pickle makes empty objects and fills in their attributes: no __init__ runs. Their __init__
          may do anything (ultralytics' models evaluate text of their configuration), so that a pickle which does more
          with them than that is not harmless.
Left out of the second kind: classes with code that runs while an object is unpickled or thrown away, unless it was
read and is named in READ.
"""

import enum
import importlib
import logging
import pathlib
import pkgutil
import sys
import types
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import torch  # noqa: E402

HERE = pathlib.Path(__file__).parent
Module = torch.nn.Module

TRANSFORMERS = (
    "albert bart bert clip convnext deberta_v2 dinov2 distilbert electra gemma gpt2 gpt_neox llama mistral mpnet opt phi3 "
    "qwen2 qwen3 resnet roberta segformer swin t5 vit wav2vec2 whisper xlm_roberta"
).split()

# What Stable Diffusion's networks are made of.
DIFFUSERS = (
    "activations attention attention_processor autoencoders.autoencoder_kl autoencoders.vae downsampling embeddings "
    "normalization resnet transformers.transformer_2d unets.unet_2d unets.unet_2d_blocks unets.unet_2d_condition upsampling"
).split()

# Classes below these are called by pickles that are ordinary.
CALLED = ["torch.nn.modules"]
MADE_MODULES = [
    "torch.nn",
    "torch.ao.nn",
    "timm.layers",
    "timm.models",
    "torchvision.models",
    "torchvision.ops",
    "ultralytics.nn.modules",
    "segmentation_models_pytorch.base",
    "segmentation_models_pytorch.decoders",
    "segmentation_models_pytorch.encoders",
    "open_clip",
    "sentence_transformers.models",
    "sentence_transformers.sentence_transformer",
    *(f"diffusers.models.{name}" for name in DIFFUSERS),
    "transformers.activations",
    "transformers.pytorch_utils",
    "transformers.modeling_layers",
    *(f"transformers.models.{name}.modeling_{name}" for name in TRANSFORMERS),
]
# Other classes, one by one.
MADE = """
lightning.fabric.utilities.data AttributeDict
lightning.pytorch.core.mixins.hparams_mixin HyperparametersMixin
omegaconf.base ContainerMetadata Metadata
omegaconf.dictconfig DictConfig
omegaconf.listconfig ListConfig
omegaconf.nodes AnyNode BooleanNode BytesNode EnumNode FloatNode IntegerNode PathNode StringNode
pytorch_lightning.utilities.parsing AttributeDict
addict.addict Dict
diffusers.models.attention_processor AttnProcessor AttnProcessor2_0
easydict EasyDict
torchvision.models.detection._utils BalancedPositiveNegativeSampler BoxCoder Matcher
yacs.config CfgNode
torch.torch_version TorchVersion
torch.nn.modules.module _WrappedHook
torch.nn.utils.parametrize ParametrizationList
torch.nn.utils.parametrizations _Orthogonal _SpectralNorm _WeightNorm
torch.nn.utils.spectral_norm SpectralNorm SpectralNormLoadStateDictPreHook SpectralNormStateDictHook
torch.nn.utils.weight_norm WeightNorm
torch.utils.hooks RemovableHandle
transformers.generation.configuration_utils GenerationConfig
transformers.training_args TrainingArguments
transformers.training_args_seq2seq Seq2SeqTrainingArguments
transformers.trainer_pt_utils AcceleratorConfig LabelSmoother
transformers.trainer_callback TrainerState
accelerate.state PartialState AcceleratorState
accelerate.utils.dataclasses GradientAccumulationPlugin
ultralytics.nn.tasks DetectionModel SegmentationModel PoseModel ClassificationModel OBBModel RTDETRDetectionModel WorldModel YOLOEModel YOLOESegModel Ensemble
ultralytics.utils IterableSimpleNamespace
ultralytics.utils.loss v8DetectionLoss v8SegmentationLoss v8PoseLoss v8ClassificationLoss v8OBBLoss BboxLoss DFLoss KeypointLoss RotatedBboxLoss VarifocalLoss FocalLoss E2EDetectLoss
ultralytics.utils.tal TaskAlignedAssigner RotatedTaskAlignedAssigner
peft.tuners.lora.config LoraConfig LoraRuntimeConfig
peft.tuners.lora.layer Linear Embedding Conv2d
peft.tuners.lora.model LoraModel
peft.peft_model PeftModel PeftModelForCausalLM PeftModelForSequenceClassification PeftModelForFeatureExtraction
tokenizers AddedToken
"""
CONFIGURATIONS = [f"transformers.models.{name}.configuration_{name}" for name in TRANSFORMERS]
ENUMS = ["transformers.trainer_utils", "transformers.training_args", "transformers.utils.generic",
         "accelerate.utils.dataclasses", "peft.utils.peft_types", "torch.ao.quantization.quant_type",
         "omegaconf.base", "torchvision.transforms.functional", "timm.layers.format"]

# Hooks of pickling that were read: they set attributes, or call operators of torch with them.
READ = {
    "torch.ao.nn", "torch.nn", "torch.torch_version", "torch.utils.hooks", "omegaconf", "addict.addict", "easydict",
    "yacs.config", "ultralytics.nn.modules.block", "lightning.fabric.utilities.data", "transformers.utils.generic",
    "pytorch_lightning.utilities.parsing", "tokenizers", "accelerate.state", "torch.optim", "transformers",
}
HOOKS = ("__new__", "__setstate__", "__del__", "__getattribute__", "__reduce__", "__reduce_ex__", "__setattr__")


def modules_of(root):
    """The module and all below it that can be imported; sources of tests and programs are not."""
    try:
        module = importlib.import_module(root)
    except Exception as error:  # a library that is not installed
        print(f"left out: {root} ({error})", file=sys.stderr)
        return
    yield module
    for info in pkgutil.walk_packages(getattr(module, "__path__", ()), root + ".", onerror=lambda name: None):
        try:
            yield importlib.import_module(info.name)
        except BaseException:
            continue


def classes_of(module, base):
    for name, value in list(vars(module).items()):
        if isinstance(value, type) and issubclass(value, base):
            if value.__module__ == module.__name__ and value.__qualname__ == name:
                yield value


def runs_code(cls):
    """The first of its own hooks of pickling that nobody has read."""
    for base in cls.__mro__:
        if base.__module__ in ("builtins", "typing", "abc", "enum", "collections", "argparse", "types"):
            continue
        if any(base.__module__ == known or base.__module__.startswith(known + ".") for known in READ):
            continue
        for hook in HOOKS:
            if hook in vars(base):
                return f"{base.__module__}.{base.__qualname__}.{hook}"
    return None


def by_hand():
    for line in (HERE / "names_by_hand.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            module, *names = line.split()
            yield from ((module, name) for name in names)


def called_names():
    yield from by_hand()
    for root in CALLED:
        for module in modules_of(root):
            yield from ((cls.__module__, cls.__name__) for cls in classes_of(module, Module))
    kinds = (torch.dtype, torch.layout, torch.memory_format, torch.qscheme)
    yield from (("torch", name) for name, value in vars(torch).items() if isinstance(value, kinds))
    for name, value in vars(torch).items():
        if isinstance(value, type) and (name.endswith("Storage") or name.endswith("Tensor")) and name[0] != "_":
            yield "torch", name
            yield "torch.cuda", name
    dtypes = importlib.import_module("numpy.dtypes")
    yield from (("numpy.dtypes", name) for name in dtypes.__all__)
    pickled = importlib.import_module("torch.jit._pickle")
    yield from (("torch.jit._pickle", name) for name, value in vars(pickled).items()
                if isinstance(value, types.FunctionType) and name.startswith(("build_", "restore_")))
    for module in ENUMS:
        for cls in classes_of(importlib.import_module(module), enum.Enum):
            yield cls.__module__, cls.__name__


def made_names():
    for root in MADE_MODULES:
        for module in modules_of(root):
            yield from ((cls.__module__, cls.__name__, cls) for cls in classes_of(module, Module))
    for root, base in [("torch.optim", torch.optim.Optimizer), ("torch.optim.lr_scheduler", object)]:
        for module in modules_of(root):
            yield from ((cls.__module__, cls.__name__, cls) for cls in classes_of(module, base))
    for path in CONFIGURATIONS:
        module = importlib.import_module(path)
        yield from ((cls.__module__, cls.__name__, cls) for cls in classes_of(module, object))
    for line in MADE.strip().splitlines():
        path, *names = line.split()
        module = importlib.import_module(path)
        for name in names:
            cls = getattr(module, name, None)
            if cls is None or cls.__module__ != path:
                print(f"not there: {path} {name} {cls and cls.__module__}", file=sys.stderr)
                continue
            yield path, name, cls


def is_plain(module, name):
    """Names that stand in the table's lines as they are."""
    return all(char.isalnum() or char in "_." for char in module) and name.isidentifier()


def text_of(names):
    lines = {}
    for module, name in sorted(names):
        assert is_plain(module, name), (module, name)
        lines.setdefault(module, []).append(name)
    return "".join(f'    "{module} {" ".join(found)}\\n"\n' for module, found in sorted(lines.items()))


def main():
    called = set(called_names())
    made = set()
    for module, name, cls in made_names():
        hook = runs_code(cls)
        if hook is not None or issubclass(cls, torch.fx.GraphModule):
            print(f"left out: {module}.{name} ({hook})", file=sys.stderr)
        elif (module, name) not in called:
            made.add((module, name))
    with open(sys.argv[1], "w") as out:
        out.write("// Made by scripts/pickle-names/make.py; not to be edited. Sorted.\n// clang-format off\n")
        out.write("inline constexpr std::string_view kMayBeCalled =\n" + text_of(called).rstrip("\n") + ";\n")
        out.write("inline constexpr std::string_view kMayBeMade =\n" + text_of(made).rstrip("\n") + ";\n")
        out.write("// clang-format on\n")
    print(f"{len(called)} names may be called, {len(made)} made", file=sys.stderr)


main()
