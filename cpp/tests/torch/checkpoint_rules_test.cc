// Which tensors a checkpoint has, under which names: rules that no single file of PyTorch shows.
#include <gtest/gtest.h>

#include "support/checkpoint_builder.h"
#include "support/checkpoint_file.h"
#include "support/fixture.h"

namespace monoquant::torch {
namespace {

using namespace monoquant::test;

const Records kRecords = {
    {"data/0", floats_from(0, 4)}, {"data/1", floats_from(10, 4)}, {"data/2", floats_from(20, 8)}};

Result<Checkpoint> open(const Py &root, const Choice &choice = {}) {
  return open_checkpoint(zip_checkpoint(root, kRecords), choice).checkpoint;
}

std::vector<std::string> names(const Checkpoint &checkpoint) {
  std::vector<std::string> list;
  for (const Tensor &tensor : checkpoint.tensors) {
    list.push_back(tensor.name);
  }
  return list;
}

std::vector<std::string> names(const Result<Checkpoint> &checkpoint) {
  return checkpoint ? names(checkpoint.value())
                    : std::vector<std::string>{checkpoint.error().message};
}

using Names = std::vector<std::string>;

const Py kFour = py_tensor("0", {4});
const Py kOther = py_tensor("1", {4});
const Py kEight = py_tensor("2", {2, 4});

Py module_of(std::string_view type, const std::vector<std::pair<std::string, Py>> &parameters,
             const std::vector<std::pair<std::string, Py>> &modules) {
  return py_object(
      py_global("nets", type),
      py_text_dict({{"training", py_bool(true)},
                    {"_parameters", py_text_dict(parameters)},
                    {"_buffers", py_text_dict({{"kept", kOther}, {"hidden", kFour}})},
                    {"_non_persistent_buffers_set",
                     py_call(py_global("builtins", "set"), {py_list({py_text("hidden")})})},
                    {"cache", kFour},
                    {"_modules", py_text_dict(modules)}}));
}

TEST(CheckpointNames, ModulesShowWhatTheirStateDictWould) {
  const Py inner = module_of("Inner", {{"weight", kEight}, {"bias", py_none()}}, {});
  const auto checkpoint = open(module_of("Outer", {}, {{"inner", inner}, {"gone", py_none()}}));
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_EQ(names(checkpoint), (Names{"kept", "inner.weight", "inner.kept"}));
  EXPECT_EQ(checkpoint.value().tensors[0].module_type, "nets.Outer");
  EXPECT_EQ(checkpoint.value().tensors[1].module_type, "nets.Inner");
}

TEST(CheckpointNames, ObjectsThatNobodyKnowsAreLookedInto) {
  const Py data = py_object(py_global("argparse", "Namespace"), py_text_dict({{"a", kFour}}));
  const Py pairs = py_call(py_global("collections", "OrderedDict"),
                           {py_list({py_list({py_text("b"), kOther})})});
  const Py defaults = py_with_items(
      py_call(py_global("collections", "defaultdict"), {py_global("builtins", "list")}),
      {{py_text("c"), py_list({kEight})}});
  const Py mine = py_call(py_global("my.code", "Pair"), {py_int(1), kFour});
  EXPECT_EQ(names(open(py_text_dict({{"n", data}, {"o", pairs}, {"d", defaults}, {"m", mine}}))),
            (Names{"n.a", "o.b", "d.c.0", "m.1"}));
}

TEST(CheckpointNames, WhatDangerousFunctionsWouldMakeIsNotLookedInto) {
  const Py evil = py_call(py_global("os", "system"), {py_list({kFour})});
  const auto checkpoint = open(py_text_dict({{"w", kOther}, {"evil", evil}}));
  ASSERT_TRUE(checkpoint.has_value());
  EXPECT_EQ(names(checkpoint), Names{"w"});
  ASSERT_FALSE(checkpoint.value().globals.empty());
  EXPECT_EQ(checkpoint.value().globals[0].name, "system");
  EXPECT_EQ(checkpoint.value().globals[0].danger, Danger::kDangerous);

  const auto nothing = open(py_text_dict({{"evil", evil}}));
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().code, ErrorCode::kUnsupportedFormat);
  EXPECT_NE(nothing.error().message.find("os.system"), std::string::npos);
}

TEST(CheckpointNames, OneNameForTwoTensorsIsAnError) {
  const auto checkpoint =
      open(py_text_dict({{"a", py_text_dict({{"b", kFour}})}, {"a.b", kOther}}));
  ASSERT_FALSE(checkpoint.has_value());
  EXPECT_EQ(checkpoint.error().code, ErrorCode::kMalformedFile);
  EXPECT_EQ(checkpoint.error().tensor, "a.b");
}

TEST(CheckpointNames, TorchScriptClassesLoseTheirMangling) {
  const Py conv =
      py_object(py_global("__torch__.torch.nn.modules.conv.___torch_mangle_11", "Conv2d"),
                py_text_dict({{"training", py_bool(false)}, {"weight", kEight}}));
  const Py root = py_object(py_global("__torch__.___torch_mangle_2", "Net"),
                            py_text_dict({{"scale", kFour}, {"conv1", conv}}));
  auto records = kRecords;
  records.emplace_back("constants.pkl", finish_pickle(py_tuple({})));
  const auto opened = open_checkpoint(zip_checkpoint(root, records), {});
  ASSERT_TRUE(opened.checkpoint.has_value()) << opened.checkpoint.error().message;
  const Checkpoint &checkpoint = opened.checkpoint.value();
  EXPECT_EQ(checkpoint.format, "torchscript");
  EXPECT_EQ(names(checkpoint), (Names{"scale", "conv1.weight"}));
  EXPECT_EQ(checkpoint.tensors[0].module_type, "Net");
  EXPECT_EQ(checkpoint.tensors[1].module_type, "torch.nn.modules.conv.Conv2d");
}

TEST(CheckpointNames, FrozenProgramsHaveTheirWeightsAmongTheConstants) {
  const Py root =
      py_object(py_global("__torch__", "Net"), py_text_dict({{"training", py_bool(false)}}));
  const Py constants = py_tuple({kFour, kEight});
  const auto opened =
      open_checkpoint(zip_checkpoint(root, {{"constants.pkl", finish_pickle(constants)},
                                            {"constants/0", floats_from(0, 4)},
                                            {"constants/2", floats_from(0, 8)}}),
                      {});
  ASSERT_TRUE(opened.checkpoint.has_value()) << opened.checkpoint.error().message;
  EXPECT_EQ(names(opened.checkpoint), (Names{"constants.0", "constants.1"}));
}

const Py kOptimizer =
    py_text_dict({{"state", py_dict({{py_int(0), kEight}})}, {"param_groups", py_list({})}});

TEST(CheckpointChoice, TakesTheLargestOfTheWellKnownKeys) {
  const Py root = py_text_dict({{"epoch", py_int(3)},
                                {"ema", py_text_dict({{"w", kFour}})},
                                {"model", py_text_dict({{"w", kEight}})},
                                {"trainer", py_text_dict({{"opt", kOptimizer}})},
                                {"rng", kOther}});
  const auto checkpoint = open(root);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const Checkpoint &taken = checkpoint.value();
  EXPECT_EQ(taken.key, "model");
  EXPECT_EQ(names(taken), Names{"w"});
  ASSERT_EQ(taken.candidates.size(), 2U);
  EXPECT_EQ(taken.candidates[0].key, "model");
  EXPECT_EQ(taken.candidates[1].bytes, 16U);
  ASSERT_EQ(taken.left_out.size(), 3U);
  EXPECT_EQ(taken.left_out[0].name, "ema");
  EXPECT_EQ(taken.left_out[0].reason, "outside of model");
  EXPECT_EQ(taken.left_out[1].name, "trainer.opt");
  EXPECT_EQ(taken.left_out[1].reason, "optimizer state");
  EXPECT_EQ(taken.left_out[1].bytes, 32U);
  EXPECT_EQ(taken.left_out[2].name, "rng");
}

TEST(CheckpointChoice, PrefersTheModelWhereItsAverageIsAsLarge) {
  const Py root = py_text_dict(
      {{"ema", py_text_dict({{"w", kFour}})}, {"model", py_text_dict({{"w", kOther}})}});
  EXPECT_EQ(open(root).value().key, "model");
}

TEST(CheckpointChoice, FollowsWellKnownKeysTwoLevelsDown) {
  const Py root = py_text_dict(
      {{"model", py_text_dict({{"state_dict", py_text_dict({{"w", kFour}})}, {"b", kOther}})}});
  const auto checkpoint = open(root);
  ASSERT_TRUE(checkpoint.has_value());
  EXPECT_EQ(checkpoint.value().key, "model.state_dict");
  EXPECT_EQ(names(checkpoint), Names{"w"});
  ASSERT_EQ(checkpoint.value().left_out.size(), 1U);
  EXPECT_EQ(checkpoint.value().left_out[0].name, "model.b");
}

TEST(CheckpointChoice, ATensorUnderAWellKnownKeyIsNoStateDict) {
  EXPECT_EQ(names(open(py_text_dict({{"weights", kFour}, {"b", kOther}}))),
            (Names{"weights", "b"}));
}

TEST(CheckpointChoice, WithoutWellKnownKeysAllButTheOptimizerIsTaken) {
  const auto checkpoint = open(py_text_dict({{"w", kFour}, {"optimizer", kOptimizer}}));
  EXPECT_EQ(names(checkpoint), Names{"w"});
  EXPECT_EQ(checkpoint.value().left_out[0].name, "optimizer");

  const auto alone = open(kOptimizer);
  ASSERT_FALSE(alone.has_value());
  EXPECT_EQ(alone.error().code, ErrorCode::kUnsupportedFormat);
  EXPECT_NE(alone.error().message.find("optimizer state"), std::string::npos);
}

TEST(CheckpointChoice, AKeyOfTheUserWins) {
  const Py root = py_text_dict({{"model", py_text_dict({{"w", kEight}})},
                                {"other", py_text_dict({{"deep", py_list({kFour, kOther})}})},
                                {"optimizer", kOptimizer}});
  EXPECT_EQ(names(open(root, {"other.deep"})), (Names{"0", "1"}));
  EXPECT_EQ(names(open(root, {"optimizer"})), Names{"state.0"});
  const auto all = open(root, {""});
  EXPECT_EQ(names(all), (Names{"model.w", "other.deep.0", "other.deep.1", "optimizer.state.0"}));
  EXPECT_TRUE(all.value().left_out.empty());

  const auto unknown = open(root, {"modle"});
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalidOptions);
  EXPECT_NE(unknown.error().suggestion.find("\"model\""), std::string::npos);
}

TEST(CheckpointChoice, RealCheckpointsOfTraining) {
  const auto open_fixture = [](const char *path) {
    return open_checkpoint(read_fixture(path), {}).checkpoint;
  };
  const auto nested = open_fixture("torch/zip/checkpoint_nested.pt");
  EXPECT_EQ(nested.value().key, "model");
  EXPECT_EQ(nested.value().left_out[0].reason, "optimizer state");
  EXPECT_EQ(nested.value().left_out[0].tensors, 18U);
  EXPECT_EQ(open_fixture("torch/zip/lightning_like.ckpt").value().tensors[0].name,
            "model.net.0.weight");
  EXPECT_EQ(open_fixture("torch/legacy/checkpoint.pth.tar").value().key, "model");
}

// A graph in which every list holds the next one twice has 2^40 paths to its end.
TEST(CheckpointLimits, PathsWithoutEndAreAnError) {
  Py text = "](" + kFour + "e";
  for (int i = 0; i < 40; ++i) {
    text = "](" + text + "q" + std::string(1, static_cast<char>(i)) + "h" +
           std::string(1, static_cast<char>(i)) + "e";
  }
  const auto checkpoint = open(text);
  ASSERT_FALSE(checkpoint.has_value());
  EXPECT_EQ(checkpoint.error().code, ErrorCode::kLimitExceeded);
}

TEST(CheckpointLimits, DepthIsLimitedOnlyOnTheWayToTensors) {
  Py deep = "]";
  Py holding = kFour;
  for (int i = 0; i < 2000; ++i) {
    deep = "]" + deep + "a";
    holding = "]" + holding + "a";
  }
  EXPECT_EQ(names(open(py_text_dict({{"w", kFour}, {"deep", deep}}))), Names{"w"});
  const auto refused = open(holding);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimitExceeded);
}

} // namespace
} // namespace monoquant::torch
