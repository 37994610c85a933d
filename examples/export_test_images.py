#!/usr/bin/env python3
"""Writes digits_test.safetensors beside this script: the 500 test images and what they show.

The page's demonstration and its tests run the model on them without Python. `images` has the grey values 0 to 16 of the
data as they are, one byte each; the model takes them divided by 16.
"""

import json
import struct

from sklearn.datasets import load_digits

from train_digits import HERE, TEST_IMAGES


def main():
    digits = load_digits()
    images = digits.images[-TEST_IMAGES:].astype("uint8")
    labels = digits.target[-TEST_IMAGES:].astype("uint8")
    header = {
        "__metadata__": {
            "source": "E. Alpaydin and C. Kaynak (1998). Optical Recognition of Handwritten Digits."
            " UCI Machine Learning Repository. https://doi.org/10.24432/C50P49",
            "license": "CC BY 4.0",
            "changes": "the last 500 images of the test set",
        }
    }
    data = b""
    for name, values in (("images", images), ("labels", labels)):
        end = len(data) + values.size
        header[name] = {"dtype": "U8", "shape": list(values.shape), "data_offsets": [len(data), end]}
        data += values.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (HERE / "digits_test.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()
