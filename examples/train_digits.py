#!/usr/bin/env python3
"""Trains the example model and writes digits.safetensors and digits.pt beside this script."""

import json
import struct
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).resolve().parent
TEST_IMAGES = 500  # the last ones; all the others are for training
EPOCHS = 20
BATCH = 64


class Digits(nn.Module):
    """Classifies 8x8 grey images (N, 1, 8, 8), values 0 to 1, into ten digits."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(64)
        self.fc1 = nn.Linear(64 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, 64)
        self.classifier = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.max_pool2d(x, 2).flatten(1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.classifier(x)


def load_data():
    """Returns (images, labels) for training and (images, labels) for testing."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target, dtype=torch.int64)
    return (images[:-TEST_IMAGES], labels[:-TEST_IMAGES]), (images[-TEST_IMAGES:], labels[-TEST_IMAGES:])


def count_correct(model, images, labels):
    model.eval()
    with torch.no_grad():
        return int((model(images).argmax(1) == labels).sum())


def train(images, labels):
    torch.manual_seed(0)
    model = Digits()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    for epoch in range(EPOCHS):
        model.train()
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1:2}: mean loss {total / len(images):.4f}")
    return model


def save_safetensors(tensors, path):
    """Writes float32 and int64 tensors: header length, JSON header, then the data without holes."""
    names = {torch.int64: "I64", torch.float32: "F32"}
    order = list(names)
    header = {"__metadata__": {"format": "pt"}}
    data = bytearray()
    for name, tensor in sorted(tensors.items(), key=lambda item: (order.index(item[1].dtype), item[0])):
        start = len(data)
        data += tensor.contiguous().numpy().tobytes()
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, len(data)],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    training, test = load_data()
    model = train(*training)
    for name, (images, labels) in (("training", training), ("test", test)):
        correct = count_correct(model, images, labels)
        print(f"{name} accuracy: {correct / len(labels):.2%} ({correct} of {len(labels)})")
    save_safetensors(model.state_dict(), HERE / "digits.safetensors")
    torch.save(model.state_dict(), HERE / "digits.pt")


if __name__ == "__main__":
    main()
