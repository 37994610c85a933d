"""Lists what the pickles of files name, and what they do with each name.

Why: the test that ordinary files stay quiet needs their names, not hundreds of megabytes of files.
Always: nothing is imported or run; names resolve to classes that take anything.

    python scripts/pickle-names/listed.py FOLDER NAMES.jsonl

A file is a line of JSON: its kind; "made": names of which it makes empty objects and nothing else; "used": all others.
Names of TorchScript's own programs (`__torch__`) are left out.
"""

import io
import json
import pathlib
import pickle
import sys
import zipfile


class Named(type):
    """Classes that a pickle names. They count what becomes of them."""

    def __call__(cls, *arguments, **keywords):
        return Object()


class Object:
    """Takes whatever a pickle does to it."""

    called = 0

    def __call__(self, *arguments, **keywords):
        Object.called += 1
        return Object()

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def __hash__(self):
        return id(self)

    def append(self, value):
        pass

    def extend(self, values):
        pass

    def add(self, value):
        pass


class Reader(pickle._Unpickler):  # the one in Python: its opcodes can be watched
    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file):
        super().__init__(file, encoding="utf-8", errors="replace")
        self.names, self.uses, self.made = {}, {}, {}

    def find_class(self, module, name):
        key = (module, name)
        found = self.names.setdefault(key, Named(name, (), {"key": key}))
        self.uses[key] = self.uses.get(key, 0) + 1
        return found

    def persistent_load(self, pid):
        return Object()

    def _used(self, value):
        if isinstance(value, Named):
            self.uses[value.key] += 1

    def load_newobj(self):
        self.stack.pop()
        cls = self.stack.pop()
        if isinstance(cls, Named):
            self.made[cls.key] = self.made.get(cls.key, 0) + 1
        self.append(Object())

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_build(self):
        self.stack.pop()

    dispatch[pickle.BUILD[0]] = load_build


def watching(load):
    def watched(self):
        load(self)
        self._used(self.stack[-1])

    return watched


for opcode in (pickle.GET, pickle.BINGET, pickle.LONG_BINGET, pickle.DUP):
    Reader.dispatch[opcode[0]] = watching(Reader.dispatch[opcode[0]])


def read_pickles(data, lists, limit):
    stream = io.BytesIO(data)
    for _ in range(limit):
        if stream.tell() == len(data):
            return
        reader = Reader(stream)
        Object.called = 0
        reader.load()
        for key, uses in reader.uses.items():
            only_made = uses == reader.made.get(key, 0) and Object.called == 0
            lists["made" if only_made else "used"].add(key)


def read_file(data, lists):
    if not data.startswith(b"PK"):
        read_pickles(data, lists, 5)
        return
    archive = zipfile.ZipFile(io.BytesIO(data))
    for member in archive.namelist():
        if member.endswith((".pkl", ".debug_pkl")):
            read_pickles(archive.read(member), lists, 5)
        elif member.endswith((".pt", ".zip")) or "/sample_inputs/" in member:
            read_file(archive.read(member), lists)


def grouped(keys):
    modules = {}
    for module, name in sorted(keys):
        if not module.startswith("__torch__"):
            modules.setdefault(module, []).append(name)
    return modules


def main():
    with open(sys.argv[2], "w", encoding="ascii") as out:
        for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
            lists = {"made": set(), "used": set()}
            read_file(path.read_bytes(), lists)
            made = grouped(lists["made"] - lists["used"])
            out.write(json.dumps({"kind": path.stem, "made": made, "used": grouped(lists["used"])}) + "\n")


main()
