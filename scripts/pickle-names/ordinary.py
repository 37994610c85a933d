"""Writes files as ordinary programs write them, one of each kind, with the real libraries.

Why: a verdict that stops at ordinary files is switched off by everybody. What is not quiet here is a false alarm.

    python scripts/pickle-names/ordinary.py FOLDER [KIND ...]
    for f in FOLDER/*; do monoquant info --strict "$f" > /dev/null || echo "$f"; done
    python scripts/pickle-names/listed.py FOLDER wasm-tests/fixtures/pickles/ordinary.jsonl

Kinds of libraries that are not installed are left out, and named.
"""

import argparse
import datetime
import logging
import pathlib
import random
import sys
import tempfile
import warnings
from collections import Counter, OrderedDict, defaultdict, deque

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

KINDS = {}


def kind(function):
    KINDS[function.__name__] = function
    return function


def net():
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 4))


def trained(make=torch.optim.AdamW, **options):
    model = net()
    optimizer = make(model.parameters(), lr=0.01, **options)
    for _ in range(2):
        model(torch.randn(4, 8)).sum().backward()
        optimizer.step()
    return model, optimizer


# torch: state dicts and what is beside them

@kind
def torch_state_dict():
    return net().state_dict()


@kind
def torch_state_dict_half():
    return net().half().state_dict()


@kind
def torch_state_dict_bfloat16():
    return net().bfloat16().state_dict()


@kind
def torch_state_dict_float8():
    return {name: value.to(torch.float8_e4m3fn) for name, value in net().state_dict().items() if value.is_floating_point()}


@kind
def torch_plain_dict_of_parameters():
    return dict(net().named_parameters())


@kind
def torch_bare_tensor():
    return torch.randn(4, 4)


@kind
def torch_list_of_tensors():
    return [torch.randn(4), torch.zeros(2, dtype=torch.int64)]


@kind
def torch_training_adamw():
    model, optimizer = trained()
    return {"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "loss": 0.1}


@kind
def torch_training_sgd_scheduler():
    model, optimizer = trained(torch.optim.SGD, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}


@kind
def torch_whole_scheduler():
    model, optimizer = trained(torch.optim.SGD, momentum=0.9)
    return {"model": model.state_dict(), "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3)}


@kind
def torch_whole_optimizer():
    model, optimizer = trained()
    return {"model": model.state_dict(), "optimizer": optimizer}


@kind
def torch_random_states():
    return {
        "model": net().state_dict(),
        "rng": {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()},
    }


@kind
def torch_numpy_beside():
    return {"model": net().state_dict(), "mean": np.zeros(3), "std": np.float32(1.5), "best": np.float64(0.9), "n": np.int64(3)}


@kind
def torch_arguments():
    options = argparse.Namespace(lr=0.1, layers=[1, 2], path=pathlib.Path("runs/1"), seed=None)
    return {"model": net().state_dict(), "args": options, "time": datetime.datetime(2026, 1, 2)}


@kind
def torch_containers():
    lists = defaultdict(list)
    lists["loss"].append(0.5)
    return {
        "model": net().state_dict(), "history": lists, "last": deque([1.0], maxlen=5), "counts": Counter("aab"),
        "names": {"a", "b"}, "frozen": frozenset({1}), "order": OrderedDict(a=1), "range": range(3), "c": 1j, "b": b"ab",
    }


@kind
def torch_dtypes_and_devices():
    return {"model": net().state_dict(), "dtype": torch.float16, "device": torch.device("cpu"), "size": torch.Size([1]),
            "format": torch.strided, "version": torch.__version__}


@kind
def torch_quantized_state_dict():
    return torch.ao.quantization.quantize_dynamic(net(), {nn.Linear}, dtype=torch.qint8).state_dict()


@kind
def torch_sparse():
    return {"w": torch.eye(4).to_sparse(), "d": torch.eye(4)}


@kind
def torch_grad_scaler():
    return {"model": net().state_dict(), "scaler": torch.amp.GradScaler("cpu").state_dict()}


@kind
def torch_parametrized():
    return nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)).state_dict()


# torch: whole modules
@kind
def module_sequential():
    return net()


@kind
def module_conv():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(4))


@kind
def module_lstm():
    return nn.LSTM(4, 8, 2, batch_first=True)


@kind
def module_gru():
    return nn.ModuleDict({"gru": nn.GRU(4, 8), "head": nn.Linear(8, 2), "drop": nn.Dropout()})


@kind
def module_transformer():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, activation="gelu"), 2)


@kind
def module_attention():
    return nn.MultiheadAttention(16, 2)


@kind
def module_dataparallel():
    return nn.ModuleList([nn.Linear(4, 4), nn.Embedding(8, 4), nn.LayerNorm(4), nn.ParameterList([nn.Parameter(torch.ones(2))])])


@kind
def module_weight_norm_hook():
    return nn.utils.weight_norm(nn.Linear(4, 4))


@kind
def module_quantized():
    return torch.ao.quantization.quantize_dynamic(net(), {nn.Linear}, dtype=torch.qint8)


@kind
def module_with_loss():
    return {"model": net(), "loss": nn.CrossEntropyLoss(), "unused": nn.Identity()}


@kind
def module_legacy_stream():
    return Legacy(net())


@kind
def torch_legacy_stream():
    return Legacy({"model": net().state_dict(), "args": argparse.Namespace(a=1)})


class Legacy:
    def __init__(self, value):
        self.value = value


class Path:
    """A file that the library wrote itself."""

    def __init__(self, write):
        self.write = write


@kind
def script_traced():
    return Path(lambda path: torch.jit.trace(net().eval(), torch.randn(2, 8)).save(path))


@kind
def script_scripted():
    return Path(lambda path: torch.jit.script(net().eval()).save(path))


@kind
def script_frozen():
    return Path(lambda path: torch.jit.freeze(torch.jit.script(net().eval())).save(path))


@kind
def script_lstm():
    return Path(lambda path: torch.jit.script(nn.LSTM(4, 8)).save(path))


@kind
def script_quantized():
    model = torch.ao.quantization.quantize_dynamic(net().eval(), {nn.Linear}, dtype=torch.qint8)
    return Path(lambda path: torch.jit.script(model).save(path))


@kind
def script_with_extra_files():
    files = {"config.json": '{"a": 1}', "labels.txt": "cat\ndog\n"}
    return Path(lambda path: torch.jit.script(net()).save(path, _extra_files=files))


@kind
def script_mobile():
    from torch.utils.mobile_optimizer import optimize_for_mobile

    return Path(lambda path: optimize_for_mobile(torch.jit.script(net().eval())).save(path))


@kind
def script_detector():
    import torchvision

    model = torchvision.models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    return Path(lambda path: torch.jit.script(model.eval()).save(path))


@kind
def exported_pt2_dynamic():
    def write(path):
        batch = torch.export.Dim("batch", min=2, max=64)
        program = torch.export.export(net().eval(), (torch.randn(4, 8),), dynamic_shapes=({0: batch},))
        torch.export.save(program, path)

    return Path(write)


@kind
def exported_pt2():
    return Path(lambda path: torch.export.save(torch.export.export(net().eval(), (torch.randn(2, 8),)), path))


# timm
def timm_kind(name, whole, **options):
    def make():
        import timm

        model = timm.create_model(name, pretrained=False, **options)
        return model if whole else {"state_dict": model.state_dict(), "arch": name, "epoch": 1}

    KINDS[f"timm_{name}_{'module' if whole else 'state'}"] = make


for _name in ("resnet18", "vit_tiny_patch16_224", "mobilenetv3_small_050", "convnext_atto", "efficientnet_b0",
              "swin_tiny_patch4_window7_224", "mixer_s32_224", "regnetx_002", "densenet121", "levit_128s",
              "tf_mobilenetv3_small_minimal_100", "hrnet_w18_small", "vgg11", "ghostnet_050", "edgenext_xx_small", "deit_tiny_patch16_224", "beit_base_patch16_224" ):
    timm_kind(_name, True)
timm_kind("resnet18", False)


@kind
def timm_ema_checkpoint():
    import timm
    from timm.utils import ModelEmaV3

    model = timm.create_model("resnet10t")
    return {"state_dict": model.state_dict(), "state_dict_ema": ModelEmaV3(model).module.state_dict(),
            "args": argparse.Namespace(model="resnet10t"), "version": 2, "metric": 70.1}


# torchvision
def torchvision_kind(name):
    def make():
        import torchvision

        return getattr(torchvision.models, name)(weights=None)

    KINDS[f"torchvision_{name}_module"] = make


for _name in ("resnet18", "mobilenet_v2", "mobilenet_v3_small", "vgg11", "densenet121", "efficientnet_b0", "shufflenet_v2_x0_5",
              "squeezenet1_0", "googlenet", "vit_b_32", "swin_t", "convnext_tiny", "regnet_y_400mf", "mnasnet0_5", "alexnet"):
    torchvision_kind(_name)


@kind
def torchvision_detector():
    import torchvision

    return torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None)


@kind
def torchvision_segmentation():
    import torchvision

    return torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)


# ultralytics: what its trainer writes
def yolo_kind(config, task):
    def make():
        from ultralytics.nn import tasks

        model = getattr(tasks, task)(config, verbose=False)
        model.args = {"task": "detect", "imgsz": 640}
        return {"epoch": -1, "best_fitness": None, "model": model.half(), "ema": None, "updates": None, "optimizer": None,
                "train_args": {"lr0": 0.01}, "date": "2026-01-01T00:00:00", "version": "8.4.0", "license": "AGPL-3.0"}

    KINDS[f"ultralytics_{config.removesuffix('.yaml')}"] = make


for _config, _task in (("yolov8n.yaml", "DetectionModel"), ("yolov8n-seg.yaml", "SegmentationModel"),
                       ("yolov8n-pose.yaml", "PoseModel"), ("yolov8n-cls.yaml", "ClassificationModel"),
                       ("yolov8n-obb.yaml", "OBBModel"), ("yolo11n.yaml", "DetectionModel"), ("yolo12n.yaml", "DetectionModel"),
                       ("yolov5n.yaml", "DetectionModel"), ("yolov10n.yaml", "DetectionModel"), ("yolov9t.yaml", "DetectionModel"),
                       ("rtdetr-resnet50.yaml", "RTDETRDetectionModel"), ("yolo26n.yaml", "DetectionModel")):
    yolo_kind(_config, _task)


# lightning
def lightning_module(package):
    import importlib

    pl = importlib.import_module(package)

    class Net(pl.LightningModule):
        def __init__(self, width=8, options=None):
            super().__init__()
            self.save_hyperparameters()
            self.layer = nn.Linear(8, width)

        def training_step(self, batch, index):
            return self.layer(batch).sum()

        def configure_optimizers(self):
            optimizer = torch.optim.Adam(self.parameters())
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    def write(path):
        folder = tempfile.mkdtemp()
        callbacks = importlib.import_module(package + ".callbacks")
        trainer = pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False,
                             enable_model_summary=False, default_root_dir=folder,
                             callbacks=[callbacks.ModelCheckpoint(folder, save_last=True), callbacks.EarlyStopping("x", strict=False)])
        data = torch.utils.data.DataLoader(torch.randn(8, 8), batch_size=4)
        trainer.fit(Net(8, {"lr": 0.1, "names": ["a"]}), data)
        trainer.save_checkpoint(path)

    return Path(write)


@kind
def lightning_checkpoint():
    return lightning_module("lightning.pytorch")


@kind
def pytorch_lightning_checkpoint():
    return lightning_module("pytorch_lightning")


@kind
def lightning_hydra_checkpoint():
    from omegaconf import OmegaConf

    config = OmegaConf.create({"model": {"width": 8, "lr": 0.1}, "list": [1, "a", None], "flag": True})
    return {"state_dict": net().state_dict(), "hyper_parameters": config, "pytorch-lightning_version": "2.0"}


# transformers
def transformers_kind(name, config, model, **options):
    def make():
        import transformers

        return getattr(transformers, model)(getattr(transformers, config)(**options))

    KINDS[f"transformers_{name}_module"] = make


SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 64}
for _name, _config, _model, _options in (
    ("bert", "BertConfig", "BertForSequenceClassification", SMALL),
    ("roberta", "RobertaConfig", "RobertaForMaskedLM", SMALL),
    ("distilbert", "DistilBertConfig", "DistilBertModel", {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64, "vocab_size": 64}),
    ("gpt2", "GPT2Config", "GPT2LMHeadModel", {"n_embd": 32, "n_layer": 1, "n_head": 2, "vocab_size": 64}),
    ("llama", "LlamaConfig", "LlamaForCausalLM", SMALL),
    ("mistral", "MistralConfig", "MistralForCausalLM", SMALL | {"num_key_value_heads": 2}),
    ("qwen2", "Qwen2Config", "Qwen2ForCausalLM", SMALL | {"num_key_value_heads": 2}),
    ("t5", "T5Config", "T5ForConditionalGeneration", {"d_model": 32, "num_layers": 1, "num_heads": 2, "d_ff": 64, "vocab_size": 64, "d_kv": 16}),
    ("vit", "ViTConfig", "ViTForImageClassification", {k: v for k, v in SMALL.items() if k != "vocab_size"}),
    ("whisper", "WhisperConfig", "WhisperForConditionalGeneration", {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}),
):
    transformers_kind(_name, _config, _model, **_options)


@kind
def transformers_state_dict():
    import transformers

    return transformers.BertModel(transformers.BertConfig(**SMALL)).state_dict()


@kind
def transformers_training_args():
    import transformers

    return {"args": transformers.TrainingArguments(output_dir=tempfile.mkdtemp(), report_to=[]), "w": torch.zeros(1)}


@kind
def transformers_scheduler_state():
    import transformers

    model, optimizer = trained()
    scheduler = transformers.get_linear_schedule_with_warmup(optimizer, 1, 10)
    return {"scheduler": scheduler.state_dict(), "optimizer": optimizer.state_dict(), "model": model.state_dict()}


# diffusers
def unet():
    import diffusers

    return diffusers.UNet2DConditionModel(sample_size=8, block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=32,
                                          down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), attention_head_dim=8,
                                          up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))


def vae():
    import diffusers

    return diffusers.AutoencoderKL(block_out_channels=(32,), norm_num_groups=8, sample_size=8)


@kind
def diffusers_unet_state_dict():
    return unet().state_dict()


@kind
def diffusers_vae_training():
    model = vae()
    return {"vae": model.state_dict(), "optimizer": torch.optim.AdamW(model.parameters()).state_dict(), "global_step": 10}


@kind
def diffusers_unet_module():
    return unet()


@kind
def diffusers_vae_module():
    return vae()


@kind
def diffusers_textual_inversion():
    return {"<cat-toy>": torch.randn(768)}


@kind
def stable_diffusion_checkpoint():
    state = {f"model.diffusion_model.{name}": value for name, value in unet().state_dict().items()}
    return {"state_dict": state, "global_step": 840000, "epoch": 1, "pytorch-lightning_version": "1.4.2",
            "callbacks": {"ModelCheckpoint": {"monitor": "val/loss", "best_model_score": torch.tensor(0.1)}}, "lr_schedulers": []}


# others
@kind
def peft_lora_module():
    import peft
    import transformers

    base = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=64))
    return peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", r=2)).state_dict()


@kind
def easydict_config():
    from easydict import EasyDict

    return {"model": net().state_dict(), "cfg": EasyDict({"a": 1, "b": {"c": 2}})}


@kind
def yacs_config():
    from yacs.config import CfgNode

    return {"model": net().state_dict(), "cfg": CfgNode({"a": 1, "b": CfgNode({"c": 2})})}


@kind
def addict_config():
    from addict import Dict

    return {"model": net().state_dict(), "cfg": Dict({"a": 1, "b": {"c": 2}})}


@kind
def open_clip_state_dict():
    import open_clip

    return {"state_dict": open_clip.create_model("RN50", pretrained=None).state_dict(), "epoch": 1, "name": "x"}


def write(value, path):
    if isinstance(value, Path):
        value.write(str(path))
    elif isinstance(value, Legacy):
        torch.save(value.value, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(value, path)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    done = 0
    for name, make in KINDS.items():
        if len(sys.argv) > 2 and name not in sys.argv[2:]:
            continue
        try:
            path = folder / (name + (".pt2" if name.startswith("exported_") else ".pt"))
            write(make(), path)
            done += 1
        except Exception as error:
            print(f"left out: {name} ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})", file=sys.stderr)
    print(f"{done} kinds", file=sys.stderr)


main()
