// Programs of TorchScript: what they reach for is listed, and their own classes are nobody else's.
#include "monoquant/torch/script_code.h"

#include <gtest/gtest.h>

#include "support/checkpoint_builder.h"
#include "support/checkpoint_file.h"

namespace monoquant::torch {
namespace {

using namespace monoquant::test;

Py whole_tensor() { return py_text_dict({{"w", py_tensor("0", {4})}}); }

TEST(ScriptCode, ProgramsOfTorchScriptAreNoModulesOfPython) {
  const Py root =
      py_object(py_global("__torch__", "Net"), py_text_dict({{"w", py_tensor("0", {4})}}));
  Records records = {{"data/0", floats_from(0, 4)}};
  EXPECT_EQ(danger_in(open_checkpoint(zip_checkpoint(root, records), {}).checkpoint.value(),
                      "__torch__", "Net"),
            Danger::kUnknown);
  records.emplace_back("constants.pkl", finish_pickle(py_tuple({})));
  EXPECT_EQ(danger_in(open_checkpoint(zip_checkpoint(root, records), {}).checkpoint.value(),
                      "__torch__", "Net"),
            Danger::kSafe);
}

Checkpoint script(const std::string &code, const Py &root = whole_tensor()) {
  auto opened = open_checkpoint(
      zip_checkpoint(
          root, {{"data/0", floats_from(0, 4)},
                 {"constants.pkl", finish_pickle(py_tuple({}))},
                 {"code/__torch__.py", "class Net(Module):\n  def forward(self, x):\n" + code}}),
      {});
  EXPECT_TRUE(opened.checkpoint.has_value()) << opened.checkpoint.error().message;
  return std::move(opened.checkpoint.value());
}

TEST(ScriptCode, OperatorsOfTorchScriptThatReachFilesAreListed) {
  for (const char *code :
       {"torch.save(x, \"f\")", "ops.aten.save(x, \"f\")", "ops . aten\\\n.save (x, \"f\")",
        "f = ops.aten.save", "(torch # no\n .save(x, \"f\"))"}) {
    EXPECT_EQ(danger_in(script(code), "torch.ops.aten", "save"), Danger::kDangerous) << code;
  }
  EXPECT_EQ(
      danger_in(script("torch.from_file(\"/etc/passwd\", True, 4)"), "torch.ops.aten", "from_file"),
      Danger::kDangerous);
  EXPECT_EQ(danger_in(script("x.save(\"f\")"), "torch.Tensor", "save"), Danger::kUnknown);
  EXPECT_EQ(danger_in(script("(self).save(\"f\")"), "torch.Tensor", "save"), Danger::kUnknown);
  EXPECT_EQ(danger_in(script("'' 'a'.save(\"f\")"), "torch.Tensor", "save"), Danger::kUnknown);
  EXPECT_EQ(danger_in(script("ops.image.write_file(\"f\", x)"), "torch.ops.image", "write_file"),
            Danger::kUnknown);
  EXPECT_EQ(danger_in(script("o = ops\n"), "torch.ops", "?"), Danger::kUnknown);
  EXPECT_EQ(danger_in(script("t = torch\n"), "torch.ops.aten", "?"), Danger::kUnknown);
  EXPECT_EQ(danger_in(script("y : __torch__.torch.classes.mine.Thing = z"),
                      "__torch__.torch.classes.mine", "Thing"),
            Danger::kUnknown);
}

TEST(ScriptCode, OrdinaryTorchScriptIsQuietAndItsModulesAreNamed) {
  const Checkpoint checkpoint =
      script("    _0 = torch.linear(x, self.weight)\n    _1 = ops.quantized.linear(x, 1., 0)\n"
             "    _2 = __torch__.torch.nn.functional.relu(_0, ).forward(x)\n    # torch\n"
             "    ops.prim.RaiseException(\"torch and ops.my.thing, it's \\\" torch.save\")\n"
             "    y : __torch__.torch.classes.quantized.LinearPackedParamsBase = self.packed\n"
             "    return torch.add(_1, ops.torchvision.nms(_2, 0.5))\n");
  EXPECT_EQ(checkpoint.code, std::vector<std::string>{"archive/code/__torch__.py"});
  EXPECT_TRUE(checkpoint.opaque.empty());
  for (const Global &global : checkpoint.globals) {
    EXPECT_EQ(global.danger, Danger::kSafe) << global.module << " " << global.name;
  }
}

TEST(ScriptCode, ClassesInNativeCodeAreThoseOfPyTorch) {
  const auto of = [](const char *module, const char *name) {
    return script("", py_text_dict({{"w", py_tensor("0", {4})},
                                    {"x", py_call(py_global(module, name), {})}}));
  };
  EXPECT_EQ(danger_in(of("__torch__.torch.classes.quantized", "Conv2dPackedParamsBase"),
                      "__torch__.torch.classes.quantized", "Conv2dPackedParamsBase"),
            Danger::kSafe);
  EXPECT_EQ(danger_in(of("__torch__.torch.classes.mine", "X"), "__torch__.torch.classes.mine", "X"),
            Danger::kUnknown);
  EXPECT_EQ(danger_in(of("__torch__", "torch.classes.mine.X"), "__torch__", "torch.classes.mine.X"),
            Danger::kUnknown);
}

TEST(ScriptCode, PythonBesideACheckpointIsNamed) {
  const auto checkpoint =
      open_checkpoint(
          zip_checkpoint(whole_tensor(),
                         {{"data/0", floats_from(0, 4)},
                          {"code/__torch__.py", "x = 1\n"}, // of no program: there are no constants
                          {"extra/hook.py", "import os\n"}}),
          {})
          .checkpoint;
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  ASSERT_EQ(checkpoint.value().opaque.size(), 2U);
  EXPECT_EQ(checkpoint.value().opaque[1].member, "archive/extra/hook.py");
  EXPECT_EQ(checkpoint.value().opaque[1].reason, "Python source");
  EXPECT_TRUE(checkpoint.value().code.empty());
}

} // namespace
} // namespace monoquant::torch
