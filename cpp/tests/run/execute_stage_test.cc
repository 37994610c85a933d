// Layers of a file are executed as the plainest computation from the same pieces does it.
#include "monoquant/run/execute_stage.h"

#include <gtest/gtest.h>

#include <limits>

#include "monoquant/execute/recurrent_run.h"
#include "support/deep.h"
#include "support/sample_tensors.h"
#include "support/trial.h"

namespace monoquant::run {
namespace {

using execute::ActivationMode;
using execute::Inputs;
using test::Bytes;
using test::coded_tensors;
using test::float_tensor;
using test::NaiveMatrix;
using test::NaiveOptions;
using test::Random;
using test::together;
using test::trial;

constexpr execute::ActivationRule kDynamic{};
constexpr execute::ActivationRule kWeightsOnly{ActivationMode::kWeightsOnly};

NaiveMatrix matrix(uint64_t seed, NaiveOptions options) {
  Random random(seed);
  return test::random_matrix(random, options);
}

void expect_measured(const Json &layer, const test::PlainMeasure &expected) {
  ASSERT_TRUE(layer.contains("sqnrDb")) << layer.dump();
  EXPECT_NEAR(layer["sqnrDb"].get<double>(), expected.sqnr_db(), 1e-6) << layer.dump();
  EXPECT_NEAR(layer["cosine"].get<double>(), expected.cosine(), 1e-9);
}

Inputs seeded(const std::string &name, uint64_t width, size_t samples = 64) {
  auto inputs = Inputs::seeded(name, width, samples);
  EXPECT_TRUE(inputs);
  return std::move(inputs.value());
}

TEST(ExecuteStage, ExecutesLinearLayersInIntegers) {
  for (const bool has_zero_points : {false, true}) {
    for (const bool is_shared : {false, true}) {
      NaiveOptions options{33, 96};
      options.has_zero_points = has_zero_points;
      options.is_shared = is_shared;
      options.has_bias = true;
      const NaiveMatrix weights = matrix(1, options);
      const Bytes file = test::make_file(together(
          {coded_tensors("up.weight", weights), {float_tensor("up.bias", weights.bias, {33})}}));
      const Bytes reference =
          test::make_file({float_tensor("up.weight", weights.reference, {33, 96})});
      const Json layers = trial(file, {&reference});
      ASSERT_EQ(layers.size(), 1U);
      EXPECT_EQ(layers[0]["mode"], "dynamic");
      EXPECT_EQ(layers[0]["form"], "linear");
      EXPECT_EQ(layers[0]["inputs"], "seeded");
      EXPECT_EQ(layers[0]["samples"], 64);
      EXPECT_EQ(layers[0]["reference"], true);
      expect_measured(layers[0],
                      test::naive_measure(weights, seeded("up.weight", 96).values(), kDynamic));
    }
  }
}

TEST(ExecuteStage, ExecutesPackedWeightsAsFloats) {
  NaiveOptions options{17, 64};
  options.group_size = 32;
  options.lowest = -8;
  options.highest = 7;
  const NaiveMatrix weights = matrix(2, options);
  const Bytes file = test::make_file(test::packed_tensors("up.weight", weights));
  const Bytes reference = test::make_file({float_tensor("up.weight", weights.reference, {17, 64})});
  const Json layers = trial(file, {&reference});
  ASSERT_EQ(layers.size(), 1U);
  EXPECT_EQ(layers[0]["mode"], "weights-only");
  expect_measured(layers[0],
                  test::naive_measure(weights, seeded("up.weight", 64).values(), kWeightsOnly));
}

TEST(ExecuteStage, ShowsOnlyWhatActivationsLoseWithoutAReference) {
  const NaiveMatrix weights = matrix(3, {33, 96});
  const Json dynamic = trial(test::make_file(coded_tensors("up.weight", weights)))[0];
  EXPECT_EQ(dynamic["reference"], false);
  NaiveMatrix same = weights;
  for (size_t i = 0; i < same.reference.size(); ++i) {
    same.reference[i] = static_cast<float>(same.codes[i]) * same.scales[i / 96];
  }
  expect_measured(dynamic, test::naive_measure(same, seeded("up.weight", 96).values(), kDynamic));

  NaiveOptions four{17, 64};
  four.lowest = -8;
  four.highest = 7;
  const Json packed = trial(test::make_file(test::packed_tensors("up.weight", matrix(4, four))))[0];
  EXPECT_TRUE(packed["sqnrDb"].is_null()); // nothing is lost
  EXPECT_EQ(packed["cosine"], 1);
  EXPECT_EQ(packed["peak"], 0);
}

TEST(ExecuteStage, ExecutesConvolutionsAndStacksAsMatrices) {
  const NaiveMatrix weights = matrix(5, {12, 36});
  for (const auto &[name, shape, form] :
       {std::tuple{"conv.weight", std::vector<uint64_t>{12, 4, 3, 3}, "convolution"},
        std::tuple{"moe.experts.w", std::vector<uint64_t>{3, 4, 36}, "linear"}}) {
    NaiveMatrix stored = weights;
    if (shape.size() == 3) { // a scale for each of [3, 4]
      stored.rows = 3;
      stored.columns = 144;
      stored.group_size = 36;
    }
    const Bytes file = test::make_file(coded_tensors(name, stored, shape));
    const Bytes reference = test::make_file({float_tensor(name, weights.reference, shape)});
    const Json layers = trial(file, {&reference});
    ASSERT_EQ(layers.size(), 1U);
    EXPECT_EQ(layers[0]["form"], form);
    expect_measured(layers[0], test::naive_measure(weights, seeded(name, 36).values(), kDynamic));
  }
}

/// weight_ih, weight_hh and biases of one layer.
struct Recurrent {
  NaiveMatrix input;
  NaiveMatrix state;

  Recurrent(size_t gates, bool has_bias) {
    NaiveOptions options{gates * 16, 24};
    options.has_bias = has_bias;
    options.damage = 0.05F;
    input = matrix(6, options);
    options.columns = 16;
    state = matrix(7, options);
  }

  [[nodiscard]] std::vector<test::FileTensor> coded() const {
    auto tensors = together(
        {coded_tensors("rnn.weight_ih_l0", input), coded_tensors("rnn.weight_hh_l0", state)});
    if (!input.bias.empty()) {
      tensors.push_back(float_tensor("rnn.bias_ih_l0", input.bias, {input.rows}));
      tensors.push_back(float_tensor("rnn.bias_hh_l0", state.bias, {state.rows}));
    }
    return tensors;
  }
  [[nodiscard]] Bytes reference() const {
    return test::make_file({float_tensor("rnn.weight_ih_l0", input.reference, {input.rows, 24}),
                            float_tensor("rnn.weight_hh_l0", state.reference, {state.rows, 16})});
  }
  [[nodiscard]] execute::RunResult run(const Inputs &inputs, execute::CellKind kind,
                                       size_t sequences, bool state_is_coded = true) const {
    execute::RecurrentLayer layer{kind, 24, 16, {}, {}};
    layer.input = {input.reference, input.coded(0, input.rows), 0, input.bias};
    layer.state = {state.reference, {}, 0, state.bias};
    if (state_is_coded) {
      layer.state.coded = state.coded(0, state.rows);
    }
    return execute::run_recurrent(layer, inputs, sequences, kDynamic).value();
  }
};

TEST(ExecuteStage, ExecutesBothMatricesOfARecurrentLayerTogether) {
  for (const bool is_lstm : {true, false}) {
    const Recurrent layer(is_lstm ? 4 : 3, is_lstm);
    const Bytes reference = layer.reference();
    const Json layers = trial(test::make_file(layer.coded()), {&reference});
    ASSERT_EQ(layers.size(), 1U);
    EXPECT_EQ(layers[0]["tensors"], Json({"rnn.weight_ih_l0", "rnn.weight_hh_l0"}));
    EXPECT_EQ(layers[0]["form"], is_lstm ? "lstm" : "gru");
    EXPECT_EQ(layers[0]["samples"], 64);
    const auto expected =
        layer.run(seeded("rnn.weight_ih_l0", 24),
                  is_lstm ? execute::CellKind::kLstm : execute::CellKind::kGru, 4);
    EXPECT_DOUBLE_EQ(layers[0]["sqnrDb"].get<double>(), expected.sqnr_db);
    EXPECT_DOUBLE_EQ(layers[0]["cosine"].get<double>(), expected.cosine);
    EXPECT_DOUBLE_EQ(layers[0]["peak"].get<double>(), expected.peak);
  }
}

TEST(ExecuteStage, LeavesTheMatrixThatIsNotQuantizedInFloat) {
  const Recurrent layer(4, false);
  const Bytes reference = layer.reference();
  const Bytes file = test::make_file(
      together({coded_tensors("rnn.weight_ih_l0", layer.input),
                {float_tensor("rnn.weight_hh_l0", layer.state.reference, {64, 16})}}));
  const auto expected =
      layer.run(seeded("rnn.weight_ih_l0", 24), execute::CellKind::kLstm, 4, false);
  for (const test::TrialFiles files : {test::TrialFiles{&reference}, test::TrialFiles{}}) {
    const Json layers = trial(file, files);
    ASSERT_EQ(layers.size(), 1U);
    EXPECT_EQ(layers[0]["tensors"], Json({"rnn.weight_ih_l0"}));
    if (files.reference != nullptr) {
      EXPECT_DOUBLE_EQ(layers[0]["sqnrDb"].get<double>(), expected.sqnr_db);
    } else {
      EXPECT_GT(layers[0]["sqnrDb"].get<double>(), expected.sqnr_db);
    }
  }
}

TEST(ExecuteStage, ExecutesWhatIsNoWholeRecurrentLayerAsLinearOnes) {
  const Recurrent layer(4, true);
  auto tensors = layer.coded();
  Random random(8);
  tensors.push_back(test::random_weights(random, "rnn.weight_hr_l0", Dtype::kF32, {8, 16}));
  tensors[2] = coded_tensors("rnn.weight_hh_l0", matrix(9, {64, 8}))[0]; // as a projection makes it
  tensors[3] = coded_tensors("rnn.weight_hh_l0", matrix(9, {64, 8}))[1];
  const Json layers = trial(test::make_file(tensors));
  ASSERT_EQ(layers.size(), 2U);
  for (const Json &each : layers) {
    EXPECT_EQ(each["form"], "linear");
    EXPECT_TRUE(each.contains("note")) << each.dump();
    EXPECT_GT(each["sqnrDb"].get<double>(), 30);
  }
}

TEST(ExecuteStage, SaysWhyALayerIsNotExecuted) {
  const NaiveMatrix square = matrix(10, {24, 24});
  const Bytes file = test::make_file(
      together({coded_tensors("embed_tokens.weight", square), coded_tensors("table", square),
                coded_tensors("lm_head.weight", square)}));
  const Json layers = trial(file);
  EXPECT_TRUE(test::layer_of(layers, "embed_tokens.weight").contains("leftOut"));
  EXPECT_TRUE(test::layer_of(layers, "table").contains("leftOut"));
  EXPECT_FALSE(test::layer_of(layers, "embed_tokens.weight").contains("sqnrDb"));
  EXPECT_GT(test::layer_of(layers, "lm_head.weight")["sqnrDb"].get<double>(), 30);
}

TEST(ExecuteStage, FailsWhereOutputsAreNotFinite) {
  NaiveMatrix weights = matrix(11, {24, 32});
  const Bytes reference = test::make_file({float_tensor("up.weight", weights.reference, {24, 32})});
  const double good =
      trial(test::make_file(coded_tensors("up.weight", weights)), {&reference})[0]["sqnrDb"]
          .get<double>();
  NaiveMatrix worse = weights;
  worse.scales[3] *= 1.5F;
  EXPECT_LT(trial(test::make_file(coded_tensors("up.weight", worse)), {&reference})[0]["sqnrDb"]
                .get<double>(),
            good - 3);
  weights.scales[3] = std::numeric_limits<float>::quiet_NaN();
  const Bytes broken = test::make_file(coded_tensors("up.weight", weights));
  for (const test::TrialFiles files : {test::TrialFiles{&reference}, test::TrialFiles{}}) {
    const Json layer = trial(broken, files)[0];
    EXPECT_TRUE(layer.contains("failure")) << layer.dump();
    EXPECT_FALSE(layer.contains("sqnrDb"));
  }
}

TEST(ExecuteStage, DoesNotDependOnBlocks) {
  Random random(12);
  const Bytes source =
      test::make_file({test::random_weights(random, "a.weight", Dtype::kF32, {37, 96}),
                       test::random_weights(random, "tall.weight", Dtype::kBF16, {9'000, 130}),
                       test::random_weights(random, "long.weight", Dtype::kF32, {2, 1'100'001}),
                       test::random_weights(random, "c.weight", Dtype::kF16, {16, 8, 3, 3}),
                       test::random_weights(random, "r.weight_ih_l0", Dtype::kF32, {128, 24}),
                       test::random_weights(random, "r.weight_hh_l0", Dtype::kF32, {128, 32})});
  Json asymmetric = test::int4_options(-1);
  asymmetric["scheme"] = "asymmetric";
  std::vector<Json> all = {test::default_options()};
  if (test::is_deep()) {
    all.push_back(asymmetric);
  }
  for (const Json &options : all) {
    const test::MemoryRun run(test::plan_for(source, options), source);
    const Json expected = trial(run.output(), {&source});
    EXPECT_EQ(expected.size(), 5U);
    EXPECT_EQ(trial(run.output(), {&source}, size_t{1} << 19U), expected);
    EXPECT_EQ(trial(run.output(), {&source}, size_t{5} << 20U), expected);
  }
}

TEST(ExecuteStage, LeavesOutLayersThatAreTooWide) {
  Random random(13);
  const Bytes file =
      test::make_file({test::random_bytes(random, "wide.weight", Dtype::kI8, {1, 4'200'000}),
                       test::make_tensor("wide.weight_scale", Dtype::kF32, {1, 1}, {0.5})});
  EXPECT_TRUE(trial(file)[0].contains("leftOut"));
}

} // namespace
} // namespace monoquant::run
