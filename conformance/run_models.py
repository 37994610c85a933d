"""Two real models in every mode, loaded untouched by transformers.

    python run_models.py --cli dist/node/cli.js --work FOLDER [--filter NAME]

Prints one JSON line a case.
"""

import argparse
import json
import os
import re
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import torch
import transformers

from command import Command, CommandFailed, absolute, calibration_of, failed, judged
from comparison import (
    decompress,
    different_tensors,
    load,
    quantized_modules,
    quiet,
    versions,
    write_reference,
)
from modes import MODES
from real_models import capture, make_minilm, make_smollm2
from text import CALIBRATION, SENTENCES, TEXT

# What a folder is made of beside its weights and config.json.
SIDE_FILES = re.compile(
    r"tokenizer.*|vocab.*|merges.*|generation_config.*|chat_template.*|special_tokens.*|modules.json"
)


def windows(tokenizer):
    """Short pieces of the texts, more of them than a calibration asks for."""
    ids = tokenizer(" ".join(CALIBRATION), return_tensors="pt").input_ids[0]
    for start in range(0, 2 * 52, 2):
        yield {"input_ids": ids[start : start + 8].unsqueeze(0)}


def calibrate(command, model, batches, folder):
    """Writes the calibration beside the model's folder; the captured inputs are too large to keep."""
    calibration = calibration_of(folder)
    if calibration.exists():
        return
    inputs = folder.with_name(f"{folder.name}-inputs.pt")
    capture(model, batches, inputs)
    command.calibrate(folder, inputs, calibration)
    inputs.unlink()


class LanguageModel:
    name = "SmolLM2-135M"
    auto = "AutoModelForCausalLM"
    wide = "down_proj"
    make = staticmethod(make_smollm2)

    def __init__(self, command, folder):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32
        ).eval()
        self.expected = self.log_probabilities(model)
        calibrate(command, model, windows(self.tokenizer), folder)

    @torch.no_grad()
    def log_probabilities(self, model):
        ids = self.tokenizer(TEXT, return_tensors="pt").input_ids
        return model(input_ids=ids).logits[0].float().log_softmax(-1)

    def measure(self, folder, model):
        actual = self.log_probabilities(model)
        divergence = (self.expected.exp() * (self.expected - actual)).sum(-1).mean().item()
        top1 = (self.expected.argmax(-1) == actual.argmax(-1)).float().mean().item()
        text = self.generated(folder, model)
        return {"divergence": divergence, "top1": top1, "text": text}

    def generated(self, folder, model):
        """Made with the tokenizer and the chat template of the output, as somebody chats with it."""
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        talk = [{"role": "user", "content": "What is the capital of France?"}]
        prompt = tokenizer.apply_chat_template(
            talk, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        made = model.generate(**prompt, max_new_tokens=24, do_sample=False)
        return tokenizer.decode(made[0, prompt.input_ids.shape[1] :], skip_special_tokens=True)

    def fault(self, found, mode):
        if not found["divergence"] <= mode.divergence:
            return f"divergence {found['divergence']:.3g}, expected {mode.divergence} at most"
        if not found["top1"] >= mode.top1:
            return f"top-1 {found['top1']:.3g}, expected {mode.top1} at least"
        # How good it is, the divergence says. A model that has broken down repeats a token or two.
        if len(set(re.findall(r"[a-z]", found["text"].lower()))) < 6:
            return f"no text is generated: {found['text']!r}"
        return None


class SentenceModel:
    name = "MiniLM-L6"
    auto = "AutoModel"
    wide = "output.dense"
    make = staticmethod(make_minilm)

    def __init__(self, command, folder):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModel.from_pretrained(folder).eval()
        self.expected = self.embeddings(model)
        calibrate(command, model, windows(self.tokenizer), folder)

    @torch.no_grad()
    def embeddings(self, model):
        """The mean over a sentence's tokens, as this model's pooling takes it."""
        rows = []
        for sentence in SENTENCES:
            state = model(**self.tokenizer(sentence, return_tensors="pt")).last_hidden_state[0]
            rows.append(state.float().mean(0))
        return torch.stack(rows)

    def measure(self, folder, model):
        transformers.AutoTokenizer.from_pretrained(folder)  # it is in the output, too
        actual = self.embeddings(model)
        return {"cosine": torch.cosine_similarity(actual, self.expected).min().item()}

    def fault(self, found, mode):
        if not found["cosine"] >= mode.cosine:
            return f"cosine {found['cosine']:.4g}, expected {mode.cosine} at least"
        return None


MODELS = [LanguageModel, SentenceModel]


def check(command, model, mode, source, work):
    out, reference_folder = work / "out", work / "reference"
    for folder in (out, reference_folder):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    flags = [*mode.flags_for(model.wide), *(["-c", calibration_of(source)] if mode.calibrated else [])]
    try:
        report = command.quantize(source, out, flags)
    except CommandFailed as error:
        return failed(error)
    found = {"warnings": [warning["message"] for warning in report["warnings"]]}
    try:
        loaded = load(model.auto, out)
        found["missing"], found["unexpected"] = loaded.missing, loaded.unexpected
        if mode.dtype is None:
            write_reference(command, source, out, reference_folder)
            decompress(loaded.model)
            found["modules"] = len(quantized_modules(loaded.model))
        reference = load(model.auto, reference_folder if mode.dtype is None else source)
        found["different"] = different_tensors(loaded.model, reference.model)
        found["equal"] = len(reference.model.state_dict()) - len(found["different"])
        del reference
        found["absent"] = sorted(
            file.name
            for file in source.iterdir()
            if SIDE_FILES.fullmatch(file.name) and not (out / file.name).exists()
        )
        found.update(model.measure(out, loaded.model))
        found["dtype"] = str(loaded.model.dtype).removeprefix("torch.")
        cause = fault(found, mode) or model.fault(found, mode)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
    return {**found, **judged(report, cause)}


def fault(found, mode):
    for key in ("missing", "unexpected"):
        if found[key]:
            return f"{len(found[key])} {key} keys, such as {found[key][0]}"
    if found["different"]:
        return f"{len(found['different'])} tensors differ from dequantize, such as {found['different'][0]}"
    if mode.dtype not in (None, found["dtype"]):
        return f"it is loaded as {found['dtype']}"
    if found["absent"]:
        return f"files that the output lacks: {', '.join(found['absent'])}"
    return None


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
    print(
        json.dumps({"versions": versions("torch", "transformers", "compressed-tensors")}),
        flush=True,
    )
    for kind in MODELS:
        if not any(options.filter in f"{kind.name} {mode.name}" for mode in MODES):
            continue
        source = options.work / kind.name
        source.parent.mkdir(parents=True, exist_ok=True)
        kind.make(source)
        model = kind(command, source)
        if options.prepare:
            continue
        for mode in MODES:
            if options.filter not in f"{kind.name} {mode.name}":
                continue
            work = options.work / "case"
            found = check(command, model, mode, source, work)
            print(json.dumps({"model": kind.name, "mode": mode.name, **found}), flush=True)
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
