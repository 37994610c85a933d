// Layers are executed on captured inputs where there are any, and with static scales where these are stored.
#include "monoquant/run/layer_inputs.h"

#include <gtest/gtest.h>

#include <limits>

#include "monoquant/execute/patches.h"
#include "monoquant/execute/recurrent_run.h"
#include "support/sample_tensors.h"
#include "support/trial.h"

namespace monoquant::run {
namespace {

using execute::ActivationMode;
using execute::Inputs;
using test::Bytes;
using test::coded_tensors;
using test::FileTensor;
using test::float_tensor;
using test::NaiveMatrix;
using test::Random;
using test::together;
using test::trial;

NaiveMatrix matrix(size_t rows, size_t columns) {
  Random random(21);
  return test::random_matrix(random, {rows, columns});
}

std::vector<float> captured(size_t count, uint64_t seed = 22) {
  Random random(seed);
  std::vector<float> values = test::random_values(random, count);
  for (float &value : values) {
    value = value * 3 + 1; // unlike seeded ones
  }
  return values;
}

/// A linear layer "up" with its reference.
struct Linear {
  NaiveMatrix weights = matrix(20, 48);
  Bytes reference = test::make_file({float_tensor("up.weight", weights.reference, {20, 48})});

  [[nodiscard]] Bytes file(const std::vector<FileTensor> &more = {}) const {
    return test::make_file(together({coded_tensors("up.weight", weights), more}));
  }
  void expect(const Json &layer, std::span<const float> samples,
              const execute::ActivationRule &rule) const {
    const test::PlainMeasure expected = test::naive_measure(weights, samples, rule);
    ASSERT_TRUE(layer.contains("sqnrDb")) << layer.dump();
    EXPECT_NEAR(layer["sqnrDb"].get<double>(), expected.sqnr_db(), 1e-6);
    EXPECT_NEAR(layer["cosine"].get<double>(), expected.cosine(), 1e-9);
    EXPECT_EQ(layer["samples"], samples.size() / 48);
  }
};

FileTensor byte_tensor(std::string name, int value) {
  return {std::move(name), Dtype::kI8, {1}, {static_cast<uint8_t>(value)}};
}

TEST(LayerInputs, TakesTheFirstSamplesInTheOrderOfBatches) {
  const Linear layer;
  const std::vector<float> first = captured(5 * 48, 1);
  const std::vector<float> second = captured(2 * 50 * 48, 2);
  const Bytes data = test::make_file(
      {float_tensor("up#10", second, {2, 50, 48}), float_tensor("up#9", first, {5, 48})});
  const Json result = trial(layer.file(), {&layer.reference, &data})[0];
  EXPECT_EQ(result["inputs"], "captured");
  std::vector<float> samples = first;
  samples.insert(samples.end(), second.begin(), second.begin() + 59 * 48);
  layer.expect(result, samples, {});
  EXPECT_EQ(trial(layer.file(), {&layer.reference, &data}, size_t{1} << 19U)[0], result);
}

TEST(LayerInputs, LeavesOutSamplesThatAreNotFinite) {
  const Linear layer;
  std::vector<float> values = captured(10 * 48);
  values[3 * 48 + 7] = std::numeric_limits<float>::infinity();
  const Bytes some = test::make_file({float_tensor("up", values, {10, 48})});
  values.erase(values.begin() + 3 * 48, values.begin() + 4 * 48);
  layer.expect(trial(layer.file(), {&layer.reference, &some})[0], values, {});
  values.assign(4 * 48, std::numeric_limits<float>::quiet_NaN());
  const Bytes none = test::make_file({float_tensor("up", values, {4, 48})});
  EXPECT_EQ(trial(layer.file(), {&layer.reference, &none})[0]["inputs"], "seeded");
}

TEST(LayerInputs, UsesTheStoredScaleOfTheInput) {
  const Linear layer;
  const std::vector<float> values = captured(32 * 48);
  const Bytes data = test::make_file({float_tensor("up", values, {32, 48})});
  const FileTensor scale = test::make_tensor("up.input_scale", Dtype::kF32, {1}, {0.0625});
  for (const int zero_point : {0, -20}) {
    std::vector<FileTensor> more = {scale};
    if (zero_point != 0) {
      more.push_back(byte_tensor("up.input_zero_point", zero_point));
    }
    const Json result = trial(layer.file(more), {&layer.reference, &data})[0];
    EXPECT_EQ(result["mode"], "static");
    layer.expect(result, values, {ActivationMode::kStatic, 0.0625F, zero_point});
  }
}

TEST(LayerInputs, AreAsLargeAsStatisticsSay) {
  const Linear layer;
  const auto seeded = Inputs::seeded("up.weight", 48, 64);
  ASSERT_TRUE(seeded);
  std::vector<double> squares;
  std::vector<float> samples(seeded.value().values().begin(), seeded.value().values().end());
  for (size_t i = 0; i < 48; ++i) {
    squares.push_back(static_cast<double>(4 * i * i)); // of 4 inputs: a mean of i^2
  }
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] *= static_cast<float>(i % 48);
  }
  const FileTensor sums = test::make_tensor("up.in_sum2", Dtype::kF32, {48}, squares);
  const FileTensor counts = test::make_tensor("up.counts", Dtype::kF32, {1}, {4});
  const Bytes both = test::make_file({sums, counts});
  const Json result = trial(layer.file(), {&layer.reference, &both})[0];
  EXPECT_EQ(result["inputs"], "statistics");
  layer.expect(result, samples, {});
  // A stored scale is of use only for inputs of a known size.
  const FileTensor scale = test::make_tensor("up.input_scale", Dtype::kF32, {1}, {0.5});
  const Json fixed = trial(layer.file({scale}), {&layer.reference, &both})[0];
  layer.expect(fixed, samples, {ActivationMode::kStatic, 0.5F, 0});
  const Bytes alone = test::make_file({sums});
  EXPECT_EQ(trial(layer.file(), {&layer.reference, &alone})[0]["inputs"], "statistics");
  EXPECT_EQ(trial(layer.file({scale}), {&layer.reference, &alone})[0]["inputs"], "seeded");
}

TEST(LayerInputs, FailsWhereTheStoredScaleIsNone) {
  const Linear layer;
  for (const double scale : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    const Json result =
        trial(layer.file({test::make_tensor("up.input_scale", Dtype::kF32, {1}, {scale})}))[0];
    EXPECT_TRUE(result.contains("failure")) << result.dump();
  }
  const FileTensor good = test::make_tensor("up.input_scale", Dtype::kF32, {1}, {0.5});
  const FileTensor wrong{"up.input_zero_point", Dtype::kI8, {2}, {0, 0}};
  EXPECT_TRUE(trial(layer.file({good, wrong}))[0].contains("failure"));
}

TEST(LayerInputs, CutsPatchesForConvolutions) {
  const NaiveMatrix weights = matrix(12, 18);
  const std::vector<uint64_t> shape{12, 2, 3, 3};
  const Bytes file = test::make_file(coded_tensors("conv.weight", weights, shape));
  const Bytes reference = test::make_file({float_tensor("conv.weight", weights.reference, shape)});
  for (const uint64_t channels : {2U, 4U}) { // one group, and two
    const std::vector<uint64_t> images{80, channels, 6, 5};
    const std::vector<float> values = captured(static_cast<size_t>(80 * channels * 30));
    const Bytes data = test::make_file({float_tensor("conv", values, images)});
    const Json result = trial(file, {&reference, &data})[0];
    EXPECT_EQ(result["inputs"], "captured");
    EXPECT_EQ(result["samples"], 64);

    auto inputs = Inputs::of_width(channels * 9);
    const execute::Convolution convolution{shape, channels};
    const std::vector<uint64_t> taken{64, channels, 6, 5}; // more images than patches are of no use
    ASSERT_TRUE(
        execute::add_patches(std::span(values).first(static_cast<size_t>(64 * channels * 30)),
                             taken, convolution, "conv", 64, inputs.value()));
    auto run = execute::LinearRun::begin(inputs.value(),
                                         execute::linear_shape(convolution, 0).value(), {});
    ASSERT_TRUE(run);
    ASSERT_TRUE(run.value().add_rows(weights.slice(0, 12)));
    EXPECT_DOUBLE_EQ(result["sqnrDb"].get<double>(), run.value().finish().value().sqnr_db);
  }
}

TEST(LayerInputs, TakesWholeSequencesForRecurrentLayers) {
  const NaiveMatrix input = matrix(64, 10);
  const NaiveMatrix state = matrix(64, 16);
  const Bytes file = test::make_file(together(
      {coded_tensors("rnn.weight_ih_l0", input), coded_tensors("rnn.weight_hh_l0", state)}));
  std::vector<float> values = captured(7 * 20 * 10);
  values[20 * 10 + 33] =
      std::numeric_limits<float>::quiet_NaN(); // in the second of seven sequences
  const Bytes data = test::make_file({float_tensor("rnn", values, {7, 20, 10})});
  const Bytes reference =
      test::make_file({float_tensor("rnn.weight_ih_l0", input.reference, {64, 10}),
                       float_tensor("rnn.weight_hh_l0", state.reference, {64, 16})});
  const Json result = trial(file, {&reference, &data})[0];
  EXPECT_EQ(result["inputs"], "captured");
  auto inputs = Inputs::of_width(10);
  for (const size_t sequence : {0U, 2U, 3U, 4U}) {
    ASSERT_TRUE(inputs.value().add(std::span(values).subspan(sequence * 200, 160)));
  }
  const execute::RecurrentLayer layer{execute::CellKind::kLstm,
                                      10,
                                      16,
                                      {input.reference, input.coded(0, 64), 0, {}},
                                      {state.reference, state.coded(0, 64), 0, {}}};
  EXPECT_DOUBLE_EQ(result["sqnrDb"].get<double>(),
                   execute::run_recurrent(layer, inputs.value(), 4, {}).value().sqnr_db);
}

TEST(LayerInputs, RefusesDataThatFitsNothing) {
  const Linear layer;
  const Bytes data = test::make_file({float_tensor("down", captured(48), {1, 48})});
  const auto result = test::try_trial(layer.file(), {&layer.reference, &data});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidOptions);
}

TEST(LayerInputs, NamesDataThatFitsNoLayer) {
  const Linear layer;
  const Bytes data = test::make_file({float_tensor("down", captured(48), {1, 48}),
                                      float_tensor("up#0", captured(47), {1, 47}),
                                      float_tensor("up#1", captured(48), {1, 48})});
  const Json result = test::try_trial(layer.file(), {&layer.reference, &data}).value();
  EXPECT_EQ(result["problems"]["unmatched"], Json({"down"}));
  EXPECT_EQ(result["problems"]["misfits"][0]["name"], "up#0");
  EXPECT_EQ(result["layers"][0]["inputs"], "captured");
  EXPECT_EQ(result["layers"][0]["samples"], 1);
}

} // namespace
} // namespace monoquant::run
