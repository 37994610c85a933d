"""Makes cases for the test that every name which Python's unpickler resolves is listed.

Why: what a pickle reaches for is what Python says, not what another reader of pickles believes.
Always: nothing is imported or run. Every name resolves to an empty class that takes anything and does nothing.

    python scripts/pickle-names/resolve.py SEEDS CASES.jsonl COUNT [FIRST]

A case is a line of JSON: the pickle in hexadecimal, and the names that were resolved, in order. The same numbers give
the same cases.
"""

import io
import json
import pathlib
import pickle
import random
import resource
import signal
import sys

MOST_BYTES = 600  # so that a few hundred cases stay small


class Inert:
    """Whatever a name is asked for."""

    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        return Inert()

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        pass

    def extend(self, values):
        pass

    def add(self, value):
        pass


class Recorder(pickle.Unpickler):
    def __init__(self, data):
        super().__init__(io.BytesIO(data), encoding="utf-8", errors="replace")
        self.names = []

    def find_class(self, module, name):
        self.names.append([module, name])
        return type("Inert", (Inert,), {})

    def persistent_load(self, pid):
        return Inert()


def resolved(data):
    """The names, and whether Python came to the end."""
    recorder = Recorder(data)
    try:
        recorder.load()
    except Exception:
        return recorder.names, False
    return recorder.names, True


GLOBALS = [
    b"cos\nsystem\n",
    b"\x8c\x02os\x8c\x06system\x93",
    b"\x8c\x09posixpath\x8c\x04join\x93",
    b"U\x07randomsU\x03_os\x93",
    b"Vos\nVpopen\n\x93",
    b"(ios\nsystem\n",
    b"(cnt\nsystem\no",
    b"c__builtin__\neval\n\x940h\x00",
    b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93",
    b"\x82\x01",
    b"ccollections\nOrderedDict\n)R",
    b"c\xc3\xa9\nx\n",
]
CALLS = [b")R", b"(tR", b"}b", b")\x81", b"]a", b"(l.", b"0", b"2", b"1", b"\x94", b"h\x00", b"q\x00", b"Nb", b")}\x92"]


def mutated(rng, seeds):
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, max(0, len(data) - 1))
        kind = rng.randrange(5)
        if kind == 0:
            data[at:at] = rng.choice(GLOBALS) + rng.choice(CALLS)
        elif kind == 1:
            data[at:at] = rng.choice(CALLS)
        elif kind == 2 and data:
            data[at] = rng.randrange(256)
        elif kind == 3:
            del data[at : at + rng.randint(1, 8)]
        else:
            other = rng.choice(seeds)
            begin = rng.randint(0, max(0, len(other) - 1))
            data[at:at] = other[begin : begin + rng.randint(1, 40)]
    if not data.endswith(b"."):
        data += b"."
    return bytes(data[:MOST_BYTES])


def main():
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))  # a few bytes may ask for gigabytes
    folder, output, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    seeds = [path.read_bytes() for path in sorted(pathlib.Path(folder).glob("*.pkl"))]
    seeds = [seed for seed in seeds if len(seed) <= MOST_BYTES] + [b"\x80\x02.", b"\x80\x04N.", b"(t.", b"]."]
    cases = list(seeds)
    rng = random.Random(first)
    while len(cases) < count:
        cases.append(mutated(rng, seeds))
    with open(output, "w", encoding="ascii") as out:
        for data in cases:
            signal.alarm(20)
            names, is_whole = resolved(data)
            # One that Python cannot read to its end is refused here, or told as such.
            if is_whole and all(text.isprintable() for pair in names for text in pair):
                out.write(json.dumps({"pickle": data.hex(), "names": names}) + "\n")


main()
