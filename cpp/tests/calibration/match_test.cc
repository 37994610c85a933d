#include "monoquant/calibration/match.h"

#include <gtest/gtest.h>

#include "support/catalog_builder.h"

namespace monoquant::calibration {
namespace {

using test::Entry;

catalog::Catalog small_model() {
  return test::make_catalog({{"conv1.weight", {16, 3, 3, 3}, Dtype::kF32},
                             {"conv1.bias", {16}, Dtype::kF32},
                             {"bn1.weight", {16}, Dtype::kF32},
                             {"blocks.0.weight", {32, 16}, Dtype::kF32},
                             {"blocks.1.weight", {32, 32}, Dtype::kF32},
                             {"depth.weight", {12, 1, 5}, Dtype::kF32},
                             {"lstm.weight_ih_l0", {64, 24}, Dtype::kF32},
                             {"lstm.weight_hh_l0", {64, 16}, Dtype::kF32},
                             {"lstm.weight_ih_l1", {64, 16}, Dtype::kF32},
                             {"lstm.weight_hh_l1", {64, 16}, Dtype::kF32},
                             {"embed_tokens.weight", {100, 16}, Dtype::kF32},
                             {"lm_head.weight", {100, 16}, Dtype::kF32}});
}

Result<Match> match_of(const std::vector<Entry> &data, const Calibration &so_far = {}) {
  static const catalog::Catalog kModel = small_model();
  static std::vector<catalog::Catalog> catalogs; // names live in them
  catalogs.push_back(test::make_catalog(data));
  return match(kModel, catalogs.back(), so_far);
}

Entry data(std::string name, std::vector<uint64_t> shape, Dtype dtype = Dtype::kF32) {
  return {std::move(name), std::move(shape), dtype};
}

/// The tensors of a module's batches, in order.
std::vector<size_t> order_of(const Match &match, std::string_view module) {
  std::vector<size_t> order;
  for (const ModuleBatches &entry : match.modules) {
    for (const Batch &batch : entry.batches) {
      if (entry.module == module) {
        order.push_back(batch.tensor);
      }
    }
  }
  return order;
}

TEST(Match, batches_come_in_the_order_of_their_numbers) {
  const auto result = match_of({data("conv1#10", {1, 3, 8, 8}), data("conv1#9", {1, 3, 8, 8}),
                                data("lstm", {5, 24}), data("conv1#0", {2, 3, 4, 4})});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(order_of(result.value(), "conv1"), (std::vector<size_t>{3, 1, 0}));
  EXPECT_EQ(order_of(result.value(), "lstm"), std::vector<size_t>{2});
  EXPECT_TRUE(result.value().problems.unmatched.empty());
}

TEST(Match, a_head_without_a_tensor_of_its_own_is_no_stranger) {
  catalog::Catalog model = small_model();
  model.tensors.pop_back(); // the head shares the embedding's weight
  const catalog::Catalog inputs =
      test::make_catalog({data("conv1", {1, 3, 8, 8}), data("lm_head#0", {5, 16})});
  EXPECT_EQ(match(model, inputs, {}).value().problems.unmatched,
            std::vector<std::string>{"lm_head"});
  model.model = catalog::ModelClass{{"LlamaForCausalLM"}, {}, {}};
  EXPECT_TRUE(match(model, inputs, {}).value().problems.unmatched.empty());
}

TEST(Match, a_number_behind_a_dot_is_a_batch_only_where_it_is_no_layer) {
  const auto result = match_of({data("blocks.0.1", {4, 16}), data("blocks.0.0", {4, 16}),
                                data("blocks.1", {4, 32}), data("lstm.2", {4, 24})});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(order_of(result.value(), "blocks.0"), (std::vector<size_t>{1, 0}));
  EXPECT_EQ(order_of(result.value(), "blocks.1"), std::vector<size_t>{2});
  EXPECT_EQ(order_of(result.value(), "lstm"), std::vector<size_t>{3});
}

TEST(Match, names_of_no_layer_are_told_once) {
  const auto result =
      match_of({data("conv1", {1, 3, 8, 8}), data("conv2#0", {1, 3, 8, 8}),
                data("conv2#1", {1, 3, 8, 8}), data("typo.7", {1}), data("bn1#0", {1, 16}),
                data("embed_tokens", {1, 16}), data("blocks", {1, 16})});
  ASSERT_TRUE(result) << result.error().message;
  // Modules that are no layers with inputs to calibrate are known all the same.
  EXPECT_EQ(result.value().problems.unmatched, (std::vector<std::string>{"conv2", "typo.7"}));
}

TEST(Match, widths_are_those_of_the_weights) {
  struct Row {
    Entry data;
    std::optional<BatchShape> shape;
  };
  const std::vector<Row> rows = {
      {data("conv1", {5, 3, 8, 9}), BatchShape{5, 3, 72}},
      {data("conv1", {3, 8, 9}), BatchShape{1, 3, 72}},
      {data("conv1", {5, 4, 8, 9}), std::nullopt},
      {data("conv1", {3, 8}), std::nullopt},
      {data("conv1", {1, 5, 3, 8, 9}), std::nullopt},
      {data("conv1", {5, 6, 8, 9}), BatchShape{5, 6, 72}}, // two groups
      {data("conv1", {5, 9, 8, 9}), std::nullopt},         // three do not divide 16 outputs
      {data("depth", {2, 4, 7}), BatchShape{2, 4, 7}},
      {data("depth", {2, 5, 7}), std::nullopt},
      {data("blocks.0", {16}), BatchShape{1, 16, 1}},
      {data("blocks.0", {7, 16}), BatchShape{7, 16, 1}},
      {data("blocks.0", {2, 3, 4, 16}), BatchShape{2, 16, 1}},
      {data("blocks.0", {16, 7}), std::nullopt},
      {data("blocks.0", {}), std::nullopt},
      {data("blocks.0", {7, 32}), std::nullopt},
      {data("lstm", {11, 2, 24}), BatchShape{11, 24, 1}},
      {data("lstm", {11, 2, 16}), std::nullopt},
      {data("lm_head", {3, 16}), BatchShape{3, 16, 1}},
      {data("blocks.0", {7, 16}, Dtype::kI64), std::nullopt},
  };
  for (const Row &row : rows) {
    const auto result = match_of({data("blocks.1", {1, 32}), row.data});
    ASSERT_TRUE(result) << result.error().message;
    const Match &found = result.value();
    const std::string title = row.data.name + " " + std::to_string(row.data.shape.size());
    if (!row.shape) {
      ASSERT_EQ(found.problems.misfits.size(), 1U) << title;
      EXPECT_EQ(found.problems.misfits[0].name, row.data.name);
      EXPECT_NE(found.problems.misfits[0].expected, found.problems.misfits[0].found);
      continue;
    }
    EXPECT_TRUE(found.problems.misfits.empty()) << title;
    const BatchShape &shape = found.modules.at(1).batches.at(0).shape;
    EXPECT_EQ(shape.samples, row.shape->samples) << title;
    EXPECT_EQ(shape.channels, row.shape->channels) << title;
    EXPECT_EQ(shape.inner, row.shape->inner) << title;
  }
}

TEST(Match, all_batches_have_the_same_groups) {
  const auto result = match_of({data("depth#0", {1, 4, 7}), data("depth#1", {1, 6, 7})});
  ASSERT_TRUE(result);
  ASSERT_EQ(result.value().problems.misfits.size(), 1U);
  EXPECT_EQ(result.value().problems.misfits[0].name, "depth#1");
  Calibration before;
  before.modules["depth"].squares.resize(6);
  const auto second = match_of({data("depth#0", {1, 4, 7}), data("depth#1", {1, 6, 7})}, before);
  ASSERT_TRUE(second);
  EXPECT_EQ(order_of(second.value(), "depth"), std::vector<size_t>{1});
}

TEST(Match, a_file_in_which_nothing_fits_is_an_error_that_says_what_would) {
  struct Row {
    std::vector<Entry> data;
    std::string says;
  };
  const std::vector<Row> rows = {
      {{}, "conv1"},
      {{data("features.0", {1, 3, 8, 8})}, "features.0"},
      {{data("bn1", {1, 16})}, "blocks.0"},
      {{data("blocks.0", {2, 17})}, "[…, 16]"},
      {{data("blocks.0", {2, 16}, Dtype::kU8)}, "U8"},
  };
  for (const Row &row : rows) {
    const auto result = match_of(row.data);
    ASSERT_FALSE(result) << row.says;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidOptions);
    EXPECT_NE(result.error().message.find(row.says), std::string::npos) << result.error().message;
    EXPECT_FALSE(result.error().suggestion.empty());
  }
}

TEST(Match, layers_without_data_and_with_little_are_named) {
  Calibration calibration;
  calibration.modules["conv1"].samples = kFewSamples;
  calibration.modules["blocks.0"].samples = kFewSamples - 1;
  calibration.left_out.insert("lstm");
  Problems problems;
  complete(problems, small_model(), calibration);
  // The head is left alone by default: nobody misses its data.
  EXPECT_EQ(problems.missing, (std::vector<std::string>{"blocks.1", "depth"}));
  EXPECT_EQ(problems.few, std::vector<std::string>{"blocks.0"});
}

} // namespace
} // namespace monoquant::calibration
