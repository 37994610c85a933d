#include "monoquant/torch/globals.h"

#include <gtest/gtest.h>

namespace monoquant::torch {
namespace {

Danger verdict(std::string_view of) { // "module name"
  const size_t space = of.find(' ');
  return danger_of(of.substr(0, space), of.substr(space + 1));
}

TEST(Globals, KnowsWhatPyTorchAllows) {
  for (const char *of : {"torch._utils _rebuild_tensor_v2",
                         "torch._utils _rebuild_tensor_v3",
                         "torch._utils _rebuild_qtensor",
                         "torch._utils _rebuild_parameter_with_state",
                         "torch._tensor _rebuild_from_type_v2",
                         "torch FloatStorage",
                         "torch QUInt2x4Storage",
                         "torch.storage UntypedStorage",
                         "torch Size",
                         "torch device",
                         "torch bfloat16",
                         "torch float8_e8m0fnu",
                         "torch uint16",
                         "torch per_channel_affine",
                         "torch.serialization _get_layout",
                         "torch.nn.parameter Parameter",
                         "torch.nn.modules.linear Linear",
                         "torch.nn.modules.batchnorm BatchNorm2d",
                         "torch.ao.nn.quantized.modules.linear Linear",
                         "collections OrderedDict",
                         "collections defaultdict",
                         "_codecs encode",
                         "__builtin__ set",
                         "builtins bytearray",
                         "__builtin__ complex",
                         "numpy.core.multiarray scalar",
                         "numpy._core.multiarray _reconstruct",
                         "numpy dtype",
                         "numpy.dtypes Float64DType",
                         "argparse Namespace",
                         "datetime datetime",
                         "pathlib PosixPath",
                         "functools partial",
                         "torch.jit._pickle build_intlist",
                         "types SimpleNamespace"}) {
    EXPECT_EQ(verdict(of), Danger::kSafe) << of;
  }
}

/// The same functions under other modules that import them: each has passed some list of dangerous names.
TEST(Globals, AnAliasIsNeverSafe) {
  for (const char *of : {"random _os.system",
                         "argparse _os.popen",
                         "enum bltns.exec",
                         "enum bltns.getattr",
                         "numpy _builtins.eval",
                         "numpy.core.numeric builtins.eval",
                         "pprint _types.FunctionType",
                         "torch.storage io.open",
                         "torch.serialization os.system",
                         "torch._utils sys.modules",
                         "torch.nn.modules.module torch.load",
                         "torch.nn.modules.linear torch.hub.load",
                         "torch.nn.modules.linear Linear.forward",
                         "torch.nn.modules.linear Linear.__init__.__globals__",
                         "collections OrderedDict.__class__",
                         "collections _sys.modules",
                         "functools partial.func",
                         "datetime sys.modules",
                         "pathlib PosixPath.write_text",
                         "pathlib Path.unlink",
                         "argparse FileType",
                         "argparse Namespace.__init__.__globals__",
                         "types FunctionType",
                         "tempfile _os.system",
                         "logging os.system",
                         "logging FileHandler",
                         "uuid os.system",
                         "typing ForwardRef._evaluate",
                         "dataclasses _create_fn",
                         "mailcap findmatch",
                         "_osx_support _read_output",
                         "cStringIO open",
                         "joblib.numpy_pickle os.system",
                         "numpy.lib.format pickle.load",
                         "numpy.core.memmap memmap",
                         "numpy.core.fromnumeric _wrapfunc",
                         "torch.distributed.distributed_c10d _unpickler.load",
                         "multiprocessing.connection os.system",
                         "xml.dom.expatbuilder ParseEscape",
                         "concurrent.futures.process os.system",
                         "transformers.models.bert.modeling_bert os.system",
                         "ultralytics.nn.tasks contextlib.os.system",
                         "timm.models.vision_transformer checkpoint",
                         "torch.nn.Linear forward",
                         "torch.nn Linear "}) {
    EXPECT_NE(verdict(of), Danger::kSafe) << of;
  }
}

TEST(Globals, KnowsWhatRunsCode) {
  for (const char *of : {"builtins eval",
                         "__builtin__ eval",
                         "builtins exec",
                         "__builtin__ getattr",
                         "builtins __import__",
                         "__builtin__ execfile",
                         "os system",
                         "posix system",
                         "nt system",
                         "os.path join",
                         "subprocess Popen",
                         "subprocess run",
                         "sys modules",
                         "socket socket",
                         "shutil rmtree",
                         "pty spawn",
                         "runpy run_path",
                         "webbrowser open",
                         "commands getoutput",
                         "importlib import_module",
                         "importlib.util find_spec",
                         "pickle loads",
                         "_pickle Unpickler",
                         "dill._dill _create_function",
                         "cloudpickle.cloudpickle _builtin_type",
                         "joblib load",
                         "marshal loads",
                         "types CodeType",
                         "types FunctionType",
                         "code InteractiveConsole",
                         "ctypes CDLL",
                         "multiprocessing.util spawnv_passfds",
                         "asyncio run",
                         "threading Thread",
                         "signal signal",
                         "operator attrgetter",
                         "operator methodcaller",
                         "_operator itemgetter",
                         "functools reduce",
                         "requests get",
                         "httplib HTTPSConnection",
                         "urllib.request urlopen",
                         "ssl wrap_socket",
                         "pip main",
                         "pip._internal main",
                         "bdb Bdb",
                         "timeit timeit",
                         "cProfile run",
                         "venv create",
                         "zipimport zipimporter",
                         "tempfile mkstemp",
                         "linecache getline",
                         "torch.hub load",
                         "torch load",
                         "torch.serialization load",
                         "torch.utils.model_zoo load_url",
                         "torch.jit load",
                         "torch.jit._script script",
                         "torch._dynamo.guards GuardBuilder",
                         "torch._inductor.codecache compile_file",
                         "torch.storage _load_from_bytes",
                         "numpy.testing._private.utils runstring",
                         "numpy load",
                         "numpy fromfile",
                         "pandas read_pickle",
                         "pandas.io.pickle read_pickle"}) {
    EXPECT_EQ(verdict(of), Danger::kDangerous) << of;
  }
}

TEST(Globals, LooksAtEveryPartOfAName) {
  for (const char *of :
       {"torch serialization.os.system", "torch.serialization os.system", "torch.serialization os",
        "torch.nn.modules.module torch.load", "torch.nn.modules.linear sys.modules",
        "collections sys", "collections _sys.modules", "mypackage.os system",
        "torch.nn.modules.linear Linear.__init__.__globals__", "collections OrderedDict.__reduce__",
        "__torch__ os.system", "builtins object.__subclasses__", "numpy.dtypes builtins.eval"}) {
    EXPECT_NE(verdict(of), Danger::kSafe) << of;
  }
  EXPECT_EQ(verdict("torch serialization.os.system"), Danger::kDangerous);
  EXPECT_EQ(verdict("torch.nn.modules.linear sys.modules"), Danger::kDangerous);
  EXPECT_EQ(verdict("builtins object.__subclasses__"), Danger::kDangerous);
  EXPECT_EQ(verdict("os "), Danger::kDangerous);
}

TEST(Globals, RestIsUnknown) {
  for (const char *of :
       {"mymodel Net", "osmium System", "__torch__ Net", "torch.nn.modules x",
        // Names of the right look that their modules only import, or that nobody has read.
        "torch.ao.quantization.fx.convert Graph", "torch.ao.quantization.fx.convert GraphModule",
        "torch.ao.quantization.fx.convert Node", "torch.ao.quantization.observer ABCMeta",
        "torch.nn.modules Linear", "torch.nn.modules.linear Tensor", "torch.optim.adam Optimizer",
        "numpy.dtypes Evil", "torch.nn.modules.linear helper", "torch.nn.modulesx.linear Linear",
        "torch something_new", "numpy.random _pickle", "collections namedtuple", " ", "x ", ". .",
        "torch. x", "builtins ValueError", "evaluate eval"}) {
    EXPECT_EQ(verdict(of), Danger::kUnknown) << of;
  }
}

/// The verdict that a pickle of these opcodes has on its first name.
Danger verdict_of(std::string_view opcodes) {
  const PickleNames names =
      read_pickle_names({reinterpret_cast<const uint8_t *>(opcodes.data()), opcodes.size()});
  EXPECT_NE(names.end, 0U) << opcodes;
  GlobalList list;
  list.add(names.pickle);
  return list.list().at(0).danger;
}

TEST(Globals, SomeClassesAreHarmlessOnlyWhileNothingOfThemRuns) {
  using namespace std::string_literals;
  // ultralytics evaluates text of the configuration that its models are made with.
  const std::string model = "cultralytics.nn.tasks\nDetectionModel\n";
  EXPECT_EQ(verdict_of(model + ")\x81}b."), Danger::kSafe);
  EXPECT_EQ(verdict_of(model + "q\0)\x81h\0)\x81\x86."s), Danger::kSafe);
  for (const std::string &use : {
           ")R."s,                               // called
           "(}tR."s,                             // … with an argument
           "."s,                                 // a value
           "q\0)\x81}U\1ah\0sb."s,               // an attribute
           ")}\x92."s,                           // NEWOBJ_EX
           ")\x81)R."s,                          // what was made is called
           ")\x81}b}b."s,                        // a second state: a chosen __setstate__
           ")\x81}bNa."s,                        // a chosen append
           "0ctypes\nSimpleNamespace\n(}tR}b."s, // attributes by an argument
           "0ctorch._tensor\n_rebuild_from_type_v2\n(tR)R."s // what a call returned is called
       }) {
    EXPECT_EQ(verdict_of(model + use), Danger::kUnknown) << use;
  }
  // The layers of torch.nn may be called.
  EXPECT_EQ(verdict_of("ctorch.nn.modules.linear\nLinear\n)R)R."), Danger::kSafe);
}

TEST(Globals, NothingThatRunsCodeIsReachedBySpelling) {
  for (const char *of : {"random _os.system",
                         "argparse _os.popen",
                         "enum bltns.exec",
                         "numpy _builtins.eval",
                         "pprint _types.FunctionType",
                         "torch.storage io.open",
                         "torch._utils _import_dotted_name",
                         "numpy.core.fromnumeric _wrapfunc",
                         "typing ForwardRef._evaluate",
                         "cStringIO open",
                         "pathlib Path.write_text",
                         "logging FileHandler",
                         "torch._C PyTorchFileWriter",
                         "dataclasses _create_fn",
                         "mailcap findmatch",
                         "_osx_support _read_output",
                         "torch.distributed.distributed_c10d _unpickler.load",
                         "argparse FileType",
                         "numpy.core.memmap memmap",
                         "torch.nn.modules.linear Linear.forward",
                         "functools partial.__call__",
                         "builtins bytes.join"}) {
    EXPECT_NE(verdict(of), Danger::kSafe) << of;
  }
}

TEST(Globals, ListsTheDangerousOnesFirst) {
  const std::string_view text =
      "(cmymodel\nNet\ncposix\nsystem\nctorch\nSize\ncos\npopen\ncposix\nsystem\nt.";
  const auto read =
      read_pickle({reinterpret_cast<const uint8_t *>(text.data()), text.size()}, true, 0);
  ASSERT_TRUE(read);
  GlobalList list;
  list.add(read.value()->pickle);
  const auto globals = list.list();
  ASSERT_EQ(globals.size(), 4U);
  EXPECT_EQ(globals[0].module + globals[0].name, "posixsystem");
  EXPECT_EQ(globals[1].module + globals[1].name, "ospopen");
  EXPECT_EQ(globals[2].module + globals[2].name, "mymodelNet");
  EXPECT_EQ(globals[2].danger, Danger::kUnknown);
  EXPECT_EQ(globals[3].module + globals[3].name, "torchSize");
  EXPECT_EQ(globals[3].danger, Danger::kSafe);
}

} // namespace
} // namespace monoquant::torch
