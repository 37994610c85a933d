// Whole runs that fold BatchNorm layers: what the model computes stays the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "monoquant/base/text.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::HostChoice;
using test::MemoryRun;
using test::Random;
using Doubles = std::vector<double>;

constexpr double kEpsilon = 1e-3;

struct FoldCase {
  const char *title;
  std::vector<uint64_t> shape; // of the weight
  uint64_t groups;
  bool is_transposed;
  bool has_bias;

  [[nodiscard]] uint64_t outputs() const { return is_transposed ? shape[1] * groups : shape[0]; }
  [[nodiscard]] uint64_t inputs() const { return is_transposed ? shape[0] : shape[1] * groups; }
};

const FoldCase kFoldCases[] = {
    {"convolution", {12, 8, 3, 3}, 1, false, false},
    {"convolution_with_bias", {12, 8, 3, 3}, 1, false, true},
    {"depthwise", {16, 1, 3, 3}, 16, false, false},
    {"grouped", {12, 4, 3}, 3, false, true},
    {"linear", {20, 40}, 1, false, true},
    {"transposed", {8, 12, 4, 4}, 1, true, false},
    {"transposed_groups", {12, 5, 2, 2}, 3, true, true},
};

/// What is executed: one position of a layer, whose sums are all that kernels and strides make of it.
Doubles computed_by(const FoldCase &of, const Doubles &weight, const Doubles &bias,
                    const Doubles &x) {
  const uint64_t outputs = of.outputs();
  const uint64_t inputs = of.inputs();
  const uint64_t kernel = weight.size() / (of.shape[0] * of.shape[1]);
  Doubles y(outputs);
  for (uint64_t o = 0; o < outputs; ++o) {
    y[o] = bias.empty() ? 0 : bias[o];
    const uint64_t group = o / (outputs / of.groups);
    for (uint64_t i = 0; i < inputs / of.groups; ++i) {
      const uint64_t input = group * (inputs / of.groups) + i;
      const uint64_t plane =
          of.is_transposed ? input * of.shape[1] + o % of.shape[1] : o * of.shape[1] + i;
      for (uint64_t k = 0; k < kernel; ++k) {
        y[o] += weight[plane * kernel + k] * x[(input * kernel + k) % x.size()];
      }
    }
  }
  return y;
}

/// F.batch_norm of a trained layer.
Doubles normalized(Doubles y, const Doubles &gamma, const Doubles &beta, const Doubles &mean,
                   const Doubles &variance) {
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] = (y[i] - mean[i]) / std::sqrt(variance[i] + kEpsilon) * gamma[i] + beta[i];
  }
  return y;
}

Doubles doubles_of(const test::FileTensor &tensor) {
  const std::vector<float> values = test::values_of(tensor);
  return {values.begin(), values.end()};
}

struct FoldModel {
  Bytes file;
  test::TensorFile tensors;
  Json options;
};

/// The order of tensors: as they are folded.
FoldModel fold_model(const FoldCase &of, Json options) {
  Random random(131);
  const uint64_t channels = of.outputs();
  Doubles variance;
  for (uint64_t i = 0; i < channels; ++i) {
    variance.push_back(0.01 + std::fabs(static_cast<double>(random.weight())));
  }
  std::vector<test::FileTensor> tensors = {
      test::random_weights(random, "conv.weight", Dtype::kF32, of.shape),
      test::random_weights(random, "bn.weight", Dtype::kF32, {channels}),
      test::random_weights(random, "bn.bias", Dtype::kF32, {channels}),
      test::random_weights(random, "bn.running_mean", Dtype::kF32, {channels}),
      test::make_tensor("bn.running_var", Dtype::kF32, {channels}, variance),
      test::random_bytes(random, "bn.num_batches_tracked", Dtype::kI64, {}),
  };
  if (of.has_bias) {
    tensors.push_back(test::random_weights(random, "conv.bias", Dtype::kF32, {channels}));
  }
  FoldModel model{test::make_file(tensors), {}, std::move(options)};
  model.tensors = test::parse_file(model.file);
  const auto values = [&](const char *name) { return doubles_of(model.tensors.tensors.at(name)); };
  Json fold = {{"layer", 0},
               {"gamma", 1},
               {"beta", 2},
               {"mean", 3},
               {"variance", 4},
               {"count", 5},
               {"epsilon", kEpsilon},
               {"isTransposed", of.is_transposed},
               {"gammaValues", values("bn.weight")},
               {"betaValues", values("bn.bias")},
               {"meanValues", values("bn.running_mean")},
               {"varianceValues", values("bn.running_var")},
               {"biasValues", Json::array()}};
  if (of.has_bias) {
    fold["bias"] = 6;
    fold["biasValues"] = values("conv.bias");
  }
  model.options["folds"] = Json::array({fold});
  return model;
}

/// Floats stay floats: nothing but the folding changes values.
Json float_weights() {
  Json options = test::default_options();
  options["ignore"] = Json::array({0});
  return options;
}

Doubles random_inputs(const FoldCase &of) {
  Random random(132);
  Doubles x(of.inputs() * 16);
  for (double &value : x) {
    value = static_cast<double>(random.weight());
  }
  return x;
}

/// What the layer and its BatchNorm compute of random inputs.
Doubles computed(const FoldCase &of, const test::TensorFile &file) {
  const auto values = [&](const char *name) {
    const auto found = file.tensors.find(name);
    return found == file.tensors.end() ? Doubles() : doubles_of(found->second);
  };
  const Doubles y = computed_by(of, values("conv.weight"), values("conv.bias"), random_inputs(of));
  if (values("bn.weight").empty()) {
    return y;
  }
  return normalized(y, values("bn.weight"), values("bn.bias"), values("bn.running_mean"),
                    values("bn.running_var"));
}

double largest_difference(const Doubles &a, const Doubles &b) {
  double most = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    most = std::max(most, std::fabs(a[i] - b[i]) / (1 + std::fabs(a[i])));
  }
  return most;
}

TEST(Folding, keeps_what_the_model_computes) {
  for (const FoldCase &of : kFoldCases) {
    for (const bool drops : {false, true}) {
      Json options = float_weights();
      options["dropBn"] = drops;
      const FoldModel model = fold_model(of, options);
      const MemoryRun run(test::plan_for(model.file, model.options), model.file);
      ASSERT_TRUE(run.unfit().empty()) << of.title;
      const test::TensorFile made = test::parse_file(run.output());
      const Doubles before = computed(of, model.tensors);
      const Doubles after = computed(of, made);
      EXPECT_LT(largest_difference(before, after), 1e-5) << of.title << drops;
      // The BatchNorm has something to fold.
      test::TensorFile without = model.tensors;
      without.tensors.erase("bn.weight");
      EXPECT_GT(largest_difference(before, computed(of, without)), 0.1) << of.title;
      EXPECT_EQ(made.tensors.contains("bn.weight"), !drops) << of.title;
      EXPECT_EQ(made.tensors.contains("bn.num_batches_tracked"), !drops) << of.title;
      EXPECT_EQ(made.tensors.contains("conv.bias"), drops || of.has_bias) << of.title;
      if (drops) {
        EXPECT_EQ(made.tensors.at("conv.bias").shape, (std::vector<uint64_t>{of.outputs()}));
      }
    }
  }
}

/// F.batch_norm in f32, as PyTorch computes it: x * (weight / sqrt(var + eps)) + (bias - mean * that).
TEST(Folding, leaves_identities_to_the_bit) {
  const FoldModel model = fold_model(kFoldCases[0], float_weights());
  const MemoryRun run(test::plan_for(model.file, model.options), model.file);
  const test::TensorFile made = test::parse_file(run.output());
  const auto values = [&](const char *name) { return test::values_of(made.tensors.at(name)); };
  const auto epsilon = static_cast<float>(kEpsilon);
  for (size_t i = 0; i < values("bn.weight").size(); ++i) {
    EXPECT_EQ(values("bn.running_mean")[i], 0.0F);
    EXPECT_EQ(values("bn.running_var")[i], 1.0F);
    const float scale = values("bn.weight")[i] / std::sqrt(values("bn.running_var")[i] + epsilon);
    EXPECT_EQ(scale, 1.0F);
  }
  EXPECT_EQ(made.tensors.at("bn.num_batches_tracked"),
            model.tensors.tensors.at("bn.num_batches_tracked"));
}

TEST(Folding, is_what_is_quantized_and_pruned) {
  Json options = test::default_options_with("minElements", 0);
  options["strategy"] = "tensor";
  options["prune"] = 20;
  const FoldCase &of = kFoldCases[0];
  const FoldModel model = fold_model(of, options);
  const plan::Plan plan = test::plan_for(model.file, model.options);
  EXPECT_NE(plan.tensors[0].explanation.find("bn folded in"), std::string::npos);
  const MemoryRun run(plan, model.file);
  const test::TensorFile made = test::parse_file(run.output());
  const MemoryRun floats(test::plan_for(model.file, fold_model(of, float_weights()).options),
                         model.file);
  const Doubles folded = doubles_of(test::parse_file(floats.output()).tensors.at("conv.weight"));
  const float scale = test::values_of(made.tensors.at("conv.weight_scale")).front();
  const std::vector<uint8_t> &codes = made.tensors.at("conv.weight").bytes;
  double signal = 0;
  double noise = 0;
  size_t zeros = 0;
  for (size_t i = 0; i < folded.size(); ++i) {
    const double value =
        static_cast<double>(static_cast<int8_t>(codes[i])) * static_cast<double>(scale);
    zeros += value == 0 ? 1 : 0;
    signal += folded[i] * folded[i];
    noise += (folded[i] - value) * (folded[i] - value);
  }
  EXPECT_GE(zeros, 12U * 14U); // a fifth of 72
  const quant::ErrorSums errors = run.tensor_errors(0);
  EXPECT_NEAR(errors.signal, signal, 1e-5 * signal);
  EXPECT_NEAR(errors.noise, noise, 1e-4 * noise);
  for (const HostChoice &choice :
       {HostChoice{test::kSmallestBlock, 3, 4, 1}, HostChoice{size_t{1} << 20U, 2, 2, 3}}) {
    const MemoryRun other(test::plan_for(model.file, model.options), model.file, choice);
    EXPECT_TRUE(other.output() == run.output());
  }
  // Nobody may expect the codes nearest to the source's values.
  EXPECT_FALSE(made.header["__metadata__"].contains("quantized_by"));
}

TEST(Folding, rounds_once_from_double_precision) {
  const FoldCase &of = kFoldCases[0];
  const FoldModel model = fold_model(of, float_weights());
  const MemoryRun run(test::plan_for(model.file, model.options), model.file);
  const auto before = [&](const char *name) { return doubles_of(model.tensors.tensors.at(name)); };
  const std::vector<float> after =
      test::values_of(test::parse_file(run.output()).tensors.at("conv.weight"));
  for (size_t i = 0; i < after.size(); ++i) {
    const size_t c = i / 72;
    const double a = before("bn.weight")[c] / std::sqrt(before("bn.running_var")[c] + kEpsilon);
    ASSERT_EQ(after[i], static_cast<float>(a * before("conv.weight")[i])) << i;
  }
}

TEST(Folding, refuses_what_does_not_go_together) {
  FoldModel model = fold_model(kFoldCases[0], float_weights());
  const auto refused = [&](const char *key, Json value) {
    Json options = model.options;
    options["folds"][0][key] = std::move(value);
    auto catalog = test::inspect(model.file);
    auto parsed = plan::parse_options(options.dump(), catalog.value().tensors.size());
    return !parsed || !plan::make_plan(std::move(catalog.value()), parsed.value());
  };
  EXPECT_FALSE(refused("epsilon", kEpsilon));
  EXPECT_TRUE(refused("gammaValues", Json::array({1, 2})));
  EXPECT_TRUE(refused("biasValues", Json::array({1, 2})));
  EXPECT_TRUE(refused("varianceValues", Json(std::vector<double>(12, -1.0))));
  EXPECT_TRUE(refused("isTransposed", true)); // [12, 8] has 8 outputs then
  EXPECT_TRUE(refused("layer", 1));
  EXPECT_TRUE(refused("layer", 99));
}

} // namespace
} // namespace monoquant::run
