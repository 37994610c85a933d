"""What quantizing costs two real models, by tool and method: the same weights, the same texts.

    python run_accuracy.py --cli dist/node/cli.js --work FOLDER [--tools PYTHON] [--filter NAME]

Texts are descriptions of pinned packages: some to calibrate with, others to measure on. What is measured is what
`monoquant dequantize` writes; that loaders have the same numbers, the other parts show. PYTHON has the other tools:
they get the same tokens, and the weights that their codes stand for are measured alike. Prints one JSON line a case.
"""

import argparse
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import torch
import transformers
from safetensors.torch import save_file

from command import Command, CommandFailed, absolute
from comparison import quiet, versions
from permuted import permute_columns
from real_models import capture, make_minilm, make_smollm2

READ_TO_CALIBRATE = ["transformers", "safetensors", "tokenizers", "numpy", "Jinja2", "networkx"]
READ_TO_MEASURE = ["torch", "sympy", "fsspec", "accelerate", "huggingface_hub", "click", "filelock"]


def text_of(packages):
    described = [importlib.metadata.metadata(name) for name in packages]
    return "\n".join(found.get_payload() or found["Description"] or "" for found in described)


class LanguageModel:
    name = "SmolLM2-135M"
    window = 256
    read_tokens = 5120
    # The most that the distribution of the next token may diverge from the float model's, in nats.
    bounds = {"rtn": 0.6, "mse": 0.5, "mse -c": 0.3, "gptq -c": 0.17, "gptq -c sums": 0.17,
              "int8": 0.06, "int8 -c": 0.15}

    def __init__(self, folder):
        if not (folder / "config.json").exists():
            original = folder.with_name("SmolLM2-135M")
            make_smollm2(original)
            model = self.load(original)
            permute_columns(model)
            model.save_pretrained(folder)
            transformers.AutoTokenizer.from_pretrained(original).save_pretrained(folder)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = self.load(folder)
        self.read = self.tokens(READ_TO_MEASURE, self.read_tokens)
        self.expected = [self.log_probabilities(self.model, ids) for ids in self.read]

    @staticmethod
    def load(path):
        of = {}
        if path.suffix == ".gguf":
            config = transformers.GgufConfig(dequantize=True)
            of = {"gguf_file": path.name, "quantization_config": config}
            path = path.parent
        loaded = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, **of)
        return loaded.eval()

    def tokens(self, packages, count):
        ids = self.tokenizer(text_of(packages), return_tensors="pt").input_ids[0][:count]
        return [ids[None, at : at + self.window] for at in range(0, len(ids), self.window)]

    def batches(self):
        return [{"input_ids": ids} for ids in self.tokens(READ_TO_CALIBRATE, 3072)]

    @torch.no_grad()
    def log_probabilities(self, model, ids):
        return model(input_ids=ids).logits[0].float().log_softmax(-1)

    def measure(self, folder):
        model = self.load(folder)
        divergence = lost = tokens = 0.0
        for ids, expected in zip(self.read, self.expected):
            actual = self.log_probabilities(model, ids)
            divergence += (expected.exp() * (expected - actual)).sum().item()
            tokens += len(actual)
            right = ids[0, 1:, None]
            lost += (expected[:-1].gather(1, right) - actual[:-1].gather(1, right)).sum().item()
        return {"divergence": divergence / tokens, "lost": lost / tokens}

    def fault(self, found, method):
        bound = self.bounds[method]
        if found["divergence"] <= bound:
            return None
        return f"divergence {found['divergence']:.3f}, expected {bound} at most"


class SentenceModel:
    name = "MiniLM-L6"
    read_sentences = 400
    bounds = {"rtn": 0.93, "mse": 0.94, "mse -c": 0.95, "gptq -c": 0.97, "gptq -c sums": 0.97,
              "int8": 0.996, "int8 -c": 0.994}

    def __init__(self, folder):
        make_minilm(folder)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.sentences = self.split(READ_TO_MEASURE)[: self.read_sentences]
        self.model = self.load(folder)
        self.expected = self.embeddings(self.model)

    @staticmethod
    def load(folder):
        return transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    @staticmethod
    def split(packages):
        lines = re.split(r"(?<=[.!?])\s+|\n+", text_of(packages))
        return [line.strip() for line in lines if 30 < len(line.strip()) < 400]

    def batches(self):
        sentences = self.split(READ_TO_CALIBRATE)[:300]
        return [dict(self.tokenizer(sentence, return_tensors="pt")) for sentence in sentences]

    @torch.no_grad()
    def embeddings(self, model):
        rows = []
        for sentence in self.sentences:
            state = model(**self.tokenizer(sentence, return_tensors="pt")).last_hidden_state[0]
            rows.append(state.mean(0))
        return torch.stack(rows)

    def measure(self, folder):
        actual = self.embeddings(self.load(folder))
        return {"cosine": torch.cosine_similarity(actual, self.expected).mean().item()}

    def fault(self, found, method):
        bound = self.bounds[method]
        if found["cosine"] >= bound:
            return None
        return f"cosine {found['cosine']:.4f}, expected {bound} at least"


MODELS = [(LanguageModel, "SmolLM2-135M-permuted"), (SentenceModel, "MiniLM-L6")]
FOUR = ["--bits", 4, "--group-size", 64]
FLAGS = {
    "rtn": [*FOUR, "--method", "rtn"],
    "mse": [*FOUR, "--method", "mse"],
    "mse -c": [*FOUR, "--method", "mse"],
    "gptq -c": [*FOUR, "--method", "gptq"],
    "gptq -c sums": [*FOUR, "--method", "gptq"],
    "int8": ["--bits", 8],
    "int8 -c": ["--bits", 8],
}


# Bits a weight with what belongs to its group: a scale of 16 bits, zero points of 4 bits.
BITS = {"symmetric": 4.25, "asymmetric": 4.31}
# Types of llama.cpp, whose bytes are those of llama-quantize. Rows of 576 are no blocks of its types of 256.
GGUF = {"Q4_0": 4.5, "IQ4_NL": 4.5, "Q4_1": 5.0}
# What other_tools.py knows, and bits a weight: scales, and HQQ's zeros, have 16 bits.
OTHERS = {
    "llm-compressor GPTQ symmetric": 4.25,
    "llm-compressor GPTQ asymmetric": 4.31,
    "GPTQModel symmetric": 4.25,
    "GPTQModel asymmetric": 4.31,
    "AutoRound opt-RTN symmetric": 4.25,
    "HQQ axis 1": 4.5,
    "HQQ axis 0": 4.5,
}


def data_of(method, source):
    """What is known of the inputs: captured ones, or the sums that the documentation's lines make."""
    if method.endswith("sums"):
        return ["-c", source.with_name(f"{source.name}-sums.safetensors")]
    return ["-c", source.with_name(f"{source.name}-captured.pt")] if method.endswith("-c") else []


def documented(name):
    """A function that the documentation shows."""
    text = (Path(__file__).parent.parent / "docs" / "calibration.md").read_text()
    block = next(code for code in re.findall(r"```python\n(.*?)```", text, re.S) if f"def {name}(" in code)
    defined = {}
    exec(compile(block, name, "exec"), defined)
    return defined[name]


def check(command, model, method, scheme, source, work):
    inputs = ["--input-scheme", scheme] if method == "int8 -c" else []
    weights = [] if method.startswith("int8") else ["--scheme", scheme]
    try:
        flags = [*FLAGS[method], *weights, *inputs, *data_of(method, source)]
        command.quantize(source, work / "out", flags)
        # Where inputs are quantized, too, it is the loader that computes.
        loaded = work / "out" if method.startswith("int8") else work / "values"
        if loaded != work / "out":
            command.dequantize(work / "out", loaded)
    except CommandFailed as error:
        return {"verdict": "fails", "cause": str(error)}
    found = model.measure(loaded)
    cause = model.fault(found, method)
    return {**found, "verdict": "ok" if cause is None else "fails", "cause": cause}


def check_gguf(command, model, mode, source, work):
    """A file of llama.cpp's, read by transformers."""
    kind, _, data = mode.partition(" ")
    file = work / "model.gguf"
    work.mkdir(parents=True, exist_ok=True)
    flags = ["--format", kind, "--ignore", "model.embed_tokens", *data_of(data, source)]
    try:
        command.run("quantize", source, "-o", file, "--force", *flags)
    except CommandFailed as error:
        return {"verdict": "fails", "cause": str(error)}
    return {**model.measure(file), "verdict": "ok", "cause": None}


def check_other(python, model, case, source, read):
    """Another tool's, made once: some take an hour."""
    output = source.with_name(f"{source.name}-by-{case.replace(' ', '-')}")
    note = output.with_suffix(".json")
    if not note.exists():
        script = Path(__file__).with_name("other_tools.py")
        names = ["--source", source, "--read", read, "--output", output, "--case", case]
        done = subprocess.run([python, script, *names], capture_output=True, text=True)
        if done.returncode != 0:
            return {"verdict": "tool fault", "cause": done.stderr.strip().splitlines()[-1]}
        note.write_text(done.stdout.strip().splitlines()[-1])
    print(json.dumps({"versions": json.loads(note.read_text())["versions"]}), flush=True)
    return {**model.measure(output), "verdict": "ok", "cause": None}


def save_tokens(batches, path):
    save_file({f"{i:05}": each["input_ids"][0] for i, each in enumerate(batches)}, path)


def tokens_of(source):
    return source.with_name(f"{source.name}-tokens.safetensors")


def cases_of(kind, command, source, work, tools):
    """Tool, mode, bits a weight, and what measures them."""
    for scheme in ("symmetric", "asymmetric"):
        for method in FLAGS:
            if (method, scheme) == ("int8", "asymmetric"):
                continue  # the same again
            bits = 8 if method.startswith("int8") else BITS[scheme]
            yield "monoquant", f"{scheme} {method}", bits, partial(
                lambda model, method, scheme: check(command, model, method, scheme, source, work),
                method=method, scheme=scheme,
            )
    if kind is LanguageModel:
        for name in (f"{type_}{data}" for type_ in GGUF for data in ("", " -c")):
            yield "monoquant", f"GGUF {name}", GGUF[name.split()[0]], partial(
                lambda model, name: check_gguf(command, model, name, source, work), name=name
            )
    if tools is not None:
        for case, bits in OTHERS.items():
            tool, mode = case.split(" ", 1)
            yield tool, mode, bits, partial(
                lambda model, case: check_other(tools, model, case, source, tokens_of(source)), case=case
            )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cli", type=absolute, required=True)
    parser.add_argument("--work", type=absolute, required=True)
    parser.add_argument("--tools", type=Path)
    parser.add_argument("--filter", default="")
    options = parser.parse_args()
    quiet()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    command = Command(options.cli)
    print(json.dumps({"versions": versions("torch", "transformers")}), flush=True)
    for kind, folder in MODELS:
        source = options.work / folder
        captured = source.with_name(f"{source.name}-captured.pt")
        work = options.work / "case"
        cases = cases_of(kind, command, source, work, options.tools)
        wanted = [case for case in cases if options.filter in f"{kind.name} {case[0]} {case[1]}"]
        if not wanted:
            continue
        source.parent.mkdir(parents=True, exist_ok=True)
        model = kind(source)
        save_tokens(model.batches(), tokens_of(source))
        if not captured.exists():
            capture(model.model, model.batches(), captured)
            sums = source.with_name(f"{source.name}-sums.safetensors")
            documented("capture_statistics")(model.model, model.batches(), sums)
        for tool, mode, bits, find in wanted:
            found = find(model)
            print(json.dumps({"model": kind.name, "program": tool, "mode": mode, "bits": bits, **found}), flush=True)
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
