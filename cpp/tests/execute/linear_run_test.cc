#include "monoquant/execute/linear_run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

#include "support/naive_layer.h"
#include "support/random.h"

namespace monoquant::execute {
namespace {

using test::kDynamic;
using test::kStatic;
using test::kWeightsOnly;
using test::NaiveMatrix;
using test::NaiveOptions;
using test::Random;

Inputs inputs_of(std::span<const float> values, size_t width) {
  Result<Inputs> inputs = Inputs::of_width(width);
  EXPECT_TRUE(inputs.value().add(values).has_value());
  return std::move(inputs.value());
}

/// The result where the rows come in runs of `cut`.
RunResult run(const NaiveMatrix &matrix, const Inputs &inputs, const ActivationRule &rule,
              size_t cut) {
  Result<LinearRun> linear = LinearRun::begin(inputs, matrix.shape(), rule);
  EXPECT_TRUE(linear.has_value());
  for (size_t row = 0; row < matrix.rows; row += cut) {
    const size_t count = std::min(cut, matrix.rows - row);
    EXPECT_TRUE(linear.value().add_rows(matrix.slice(row, count)).has_value());
  }
  return linear.value().finish().value();
}

void expect_same(const RunResult &a, const RunResult &b) {
  EXPECT_EQ(a.sqnr_db, b.sqnr_db);
  EXPECT_EQ(a.cosine, b.cosine);
  EXPECT_EQ(a.peak, b.peak);
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.outputs, b.outputs);
}

/// Every output, to the bit, and the measure from the outputs.
void expect_naive(const NaiveMatrix &matrix, const Inputs &inputs, const ActivationRule &rule) {
  LinearRun linear = LinearRun::begin(inputs, matrix.shape(), rule).value();
  double signal = 0;
  double noise = 0;
  double dot = 0;
  double power = 0;
  for (size_t row = 0; row < matrix.rows; ++row) {
    ASSERT_TRUE(linear.add_rows(matrix.slice(row, 1)).has_value());
    for (size_t s = 0; s < inputs.samples(); ++s) {
      const std::span<const float> sample = inputs.sample(s);
      const double y = test::naive_reference(matrix, row, sample);
      const double z =
          test::naive_executed(matrix, row, sample, rule, test::naive_magnitude(sample));
      ASSERT_EQ(linear.reference_outputs()[s], y) << row << ' ' << s;
      ASSERT_EQ(linear.executed_outputs()[s], z) << row << ' ' << s;
      signal += y * y;
      noise += (y - z) * (y - z);
      dot += y * z;
      power += z * z;
    }
  }
  const RunResult result = linear.finish().value();
  EXPECT_DOUBLE_EQ(result.sqnr_db, 10 * std::log10(signal / noise));
  EXPECT_NEAR(result.cosine, dot / std::sqrt(signal * power), 1e-14);
  EXPECT_EQ(result.samples, inputs.samples());
  EXPECT_EQ(result.outputs, matrix.rows);
}

TEST(LinearRun, is_the_naive_layer_to_the_bit) {
  Random random(11);
  const NaiveOptions kinds[] = {
      {.rows = 5, .columns = 96},
      {.rows = 3, .columns = 257, .is_shared = true, .has_zero_points = true, .has_bias = true},
      {.rows = 4, .columns = 130, .group_size = 32, .has_zero_points = true},
      {.rows = 4, .columns = 128, .group_size = 64, .lowest = -8, .highest = 7, .has_bias = true},
      {.rows = 7, .columns = 1, .has_zero_points = true},
  };
  for (const NaiveOptions &options : kinds) {
    for (const size_t samples : std::initializer_list<size_t>{1, 7, 8, 9, 64}) {
      const NaiveMatrix matrix = test::random_matrix(random, options);
      const Inputs inputs =
          inputs_of(test::random_values(random, samples * options.columns), options.columns);
      for (const ActivationRule &rule : {kDynamic, kStatic, kWeightsOnly}) {
        expect_naive(matrix, inputs, rule);
      }
    }
  }
}

TEST(LinearRun, does_not_depend_on_how_rows_are_cut) {
  Random random(12);
  const NaiveMatrix matrix = test::random_matrix(
      random,
      {.rows = 23, .columns = 96, .group_size = 32, .has_zero_points = true, .has_bias = true});
  const Inputs inputs = inputs_of(test::random_values(random, size_t{11} * 96), 96);
  for (const ActivationRule &rule : {kDynamic, kStatic, kWeightsOnly}) {
    const RunResult whole = run(matrix, inputs, rule, 23);
    for (const size_t cut : std::initializer_list<size_t>{1, 2, 5, 22}) {
      expect_same(run(matrix, inputs, rule, cut), whole);
    }
  }
}

TEST(LinearRun, of_a_tiny_layer_by_hand) {
  // 0.5 * 2 + 1 * -1 = 0 and 2 * 1 - 3 * 1 = -1 in float.
  const float reference[] = {0.5F, 1.0F, 2.0F, -3.0F};
  const int8_t codes[] = {3, 4, 5, -4};
  const float scales[] = {0.25F, 0.5F};
  const int32_t zero_points[] = {1, 1};
  const float bias[] = {10.0F, 20.0F};
  const float x[] = {2.0F, -1.0F};
  const LinearRows rows{reference, {codes, scales, zero_points}, bias};
  const Inputs inputs = inputs_of(x, 2);
  const auto executed = [&](const ActivationRule &rule) {
    LinearRun run = LinearRun::begin(inputs, {2, 2, 0, 1}, rule).value();
    EXPECT_TRUE(run.add_rows(rows).has_value());
    EXPECT_EQ(run.reference_outputs()[0], 20.0 + 4.0 + 3.0);
    return run.executed_outputs()[0];
  };
  // Steps of the second row: 4 and -5, times 0.5: weights 2 and -2.5.
  EXPECT_EQ(executed(kWeightsOnly), 20.0 + 4.0 + 2.5);
  // Codes of x: 127 and round(-63.5) = -64, times 2 / 127.
  EXPECT_EQ(executed(kDynamic), 20.0 + static_cast<double>(2.0F / 127.0F) * 0.5 * (508.0 + 320.0));
  // 2 / 0.75 = 2.67 and -1.33: 3 + 126 is beyond 127, so that 1 step is left; -1.
  EXPECT_EQ(executed({ActivationMode::kStatic, 0.75F, 126}), 20.0 + 0.75 * 0.5 * (4.0 + 5.0));
}

/// torch 1.13: nn.functional.linear(x.view(3, 4), w.view(2, 4), tensor([.5, -.25])), x[i] = ((7i) % 11 - 5) / 4,
/// w[i] = ((5i) % 13 - 6) / 8. All of it exact in f32.
TEST(LinearRun, has_the_float_layer_of_pytorch) {
  std::vector<float> x(12);
  std::vector<float> w(8);
  for (size_t i = 0; i < 12; ++i) {
    x[i] = (static_cast<float>(7 * i % 11) - 5.0F) / 4.0F;
  }
  for (size_t i = 0; i < 8; ++i) {
    w[i] = (static_cast<float>(5 * i % 13) - 6.0F) / 8.0F;
  }
  const float expected[2][3] = {{0.5F, 0.90625F, 1.65625F}, {0.5625F, -1.03125F, -0.21875F}};
  const float bias[] = {0.5F, -0.25F};
  const int8_t codes[4] = {};
  const float scale[] = {1.0F};
  LinearRun run = LinearRun::begin(inputs_of(x, 4), {2, 4, 0, 1}, kDynamic).value();
  for (size_t row = 0; row < 2; ++row) {
    const LinearRows rows{
        std::span(w).subspan(row * 4, 4), {codes, scale, {}}, std::span(bias).subspan(row, 1)};
    ASSERT_TRUE(run.add_rows(rows).has_value());
    for (size_t s = 0; s < 3; ++s) {
      EXPECT_EQ(run.reference_outputs()[s], static_cast<double>(expected[row][s]));
      EXPECT_EQ(run.executed_outputs()[s], static_cast<double>(bias[row]));
    }
  }
}

/// A weight of Gaussian values in INT8, one scale a row, has 42 dB; activations as good add as much noise again.
TEST(LinearRun, of_eight_bits_loses_about_what_theory_says) {
  Random random(13);
  NaiveMatrix matrix = test::random_matrix(random, {.rows = 64, .columns = 512});
  matrix.reference = test::random_values(random, matrix.reference.size());
  for (size_t row = 0; row < matrix.rows; ++row) {
    float *w = matrix.reference.data() + row * 512;
    matrix.scales[row] = test::naive_magnitude({w, 512}) / 127.0F;
    for (size_t i = 0; i < 512; ++i) {
      matrix.codes[row * 512 + i] = static_cast<int8_t>(std::lrint(w[i] / matrix.scales[row]));
    }
  }
  const Inputs inputs = Inputs::seeded("fc", 512, 32).value();
  double expected_noise = 0; // of the weights: step^2 / 12 a product
  double expected_signal = 0;
  for (size_t i = 0; i < matrix.reference.size(); ++i) {
    const double w = matrix.reference[i];
    const double step = matrix.scales[i / 512];
    expected_signal += w * w;
    expected_noise += step * step / 12;
  }
  const double weights_db = 10 * std::log10(expected_signal / expected_noise);
  EXPECT_NEAR(run(matrix, inputs, kWeightsOnly, 64).sqnr_db, weights_db, 0.5);
  double activations_noise = 0;
  for (size_t s = 0; s < inputs.samples(); ++s) {
    const double step = test::naive_magnitude(inputs.sample(s)) / 127;
    activations_noise += step * step / 12 / static_cast<double>(inputs.samples());
  }
  const double both_db = -10 * std::log10(expected_noise / expected_signal + activations_noise);
  EXPECT_NEAR(run(matrix, inputs, kDynamic, 64).sqnr_db, both_db, 0.5);
}

TEST(LinearRun, sums_the_widest_rows_of_extreme_codes_exactly) {
  constexpr size_t kColumns = 140'001; // -128 * -128 so often is more than int32 holds
  const std::vector<float> x(kColumns, -1.0F);
  const std::vector<int8_t> codes(kColumns, -128);
  const std::vector<float> reference(kColumns, -128.0F);
  const float scale[] = {1.0F};
  const auto executed = [&](const ActivationRule &rule, int32_t zero_point) {
    const int32_t zero_points[] = {zero_point};
    LinearRun run = LinearRun::begin(inputs_of(x, kColumns), {1, kColumns, 0, 1}, rule).value();
    EXPECT_TRUE(run.add_rows({reference, {codes, scale, zero_points}, {}}).has_value());
    EXPECT_EQ(run.reference_outputs()[0], 128.0 * kColumns);
    return run.executed_outputs()[0];
  };
  // -1 becomes -128 - 127 with a static zero point of 127, and codes of -128 less 127 as much.
  EXPECT_EQ(executed({ActivationMode::kStatic, 0x1p-10F, 127}, 127),
            0x1p-10 * 255.0 * 255.0 * kColumns);
  EXPECT_EQ(executed({ActivationMode::kStatic, 0x1p-7F, 0}, 0), 128.0 * kColumns);
  EXPECT_EQ(executed({ActivationMode::kStatic, 0x1p-7F, 0}, -128), 0.0);
}

TEST(LinearRun, of_a_grouped_convolution_gives_rows_their_channels) {
  Random random(14);
  const NaiveMatrix matrix =
      test::random_matrix(random, {.rows = 6, .columns = 9, .has_zero_points = true});
  const Inputs inputs = inputs_of(test::random_values(random, size_t{10} * 27), 27);
  for (const ActivationRule &rule : {kDynamic, kStatic, kWeightsOnly}) {
    LinearRun run = LinearRun::begin(inputs, {6, 9, 0, 3}, rule).value();
    for (size_t row = 0; row < 6; ++row) {
      ASSERT_TRUE(run.add_rows(matrix.slice(row, 1)).has_value());
      for (size_t s = 0; s < 10; ++s) {
        const std::span<const float> part = inputs.sample(s).subspan(row / 2 * 9, 9);
        const float magnitude = test::naive_magnitude(inputs.sample(s));
        ASSERT_EQ(run.reference_outputs()[s], test::naive_reference(matrix, row, part));
        ASSERT_EQ(run.executed_outputs()[s],
                  test::naive_executed(matrix, row, part, rule, magnitude));
      }
    }
  }
}

TEST(LinearRun, of_damaged_scales_scores_badly) {
  Random random(15);
  NaiveMatrix matrix = test::random_matrix(random, {.rows = 4, .columns = 64});
  const Inputs inputs = Inputs::seeded("fc", 64, 8).value();
  const double healthy = run(matrix, inputs, kDynamic, 4).sqnr_db;
  EXPECT_GT(healthy, 20);
  std::swap(matrix.scales[0], matrix.scales[1]);
  EXPECT_LT(run(matrix, inputs, kDynamic, 4).sqnr_db, healthy - 3);
  matrix.scales[2] = std::numeric_limits<float>::quiet_NaN();
  const RunResult broken = run(matrix, inputs, kWeightsOnly, 4);
  EXPECT_EQ(broken.sqnr_db, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(broken.cosine, 0);
  EXPECT_EQ(broken.not_finite, 8U);
}

TEST(LinearRun, refuses_what_does_not_fit) {
  Random random(16);
  const NaiveMatrix matrix = test::random_matrix(
      random, {.rows = 4, .columns = 64, .group_size = 32, .has_zero_points = true});
  const Inputs inputs = Inputs::seeded("fc", 64, 8).value();
  const auto begins = [&](const Inputs &with, const LinearShape &shape,
                          const ActivationRule &rule) {
    return LinearRun::begin(with, shape, rule).has_value();
  };
  EXPECT_FALSE(begins(Inputs::of_width(64).value(), matrix.shape(), kDynamic));
  EXPECT_FALSE(begins(inputs, {4, 63, 0, 1}, kDynamic));
  EXPECT_FALSE(begins(inputs, {4, 32, 0, 1}, kDynamic));
  EXPECT_FALSE(begins(inputs, {4, 0, 0, 1}, kDynamic));
  EXPECT_TRUE(begins(inputs, {4, 32, 0, 2}, kDynamic));
  EXPECT_FALSE(begins(inputs, {5, 32, 0, 2}, kDynamic));
  EXPECT_FALSE(begins(inputs, {4, 64, 0, 0}, kDynamic));
  for (const float scale : {0.0F, -1.0F, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_FALSE(begins(inputs, matrix.shape(), {ActivationMode::kStatic, scale, 0}));
  }
  EXPECT_FALSE(begins(inputs, matrix.shape(), {ActivationMode::kStatic, 1, 128}));

  LinearRun run = LinearRun::begin(inputs, matrix.shape(), kDynamic).value();
  const LinearRows good = matrix.slice(0, 2);
  const auto refuses = [&](auto change) {
    LinearRows rows = good;
    change(rows);
    return !run.add_rows(rows).has_value();
  };
  EXPECT_TRUE(refuses([](LinearRows &rows) { rows.reference = rows.reference.first(100); }));
  EXPECT_TRUE(refuses([](LinearRows &rows) { rows.reference = rows.reference.first(64); }));
  EXPECT_TRUE(refuses([](LinearRows &rows) { rows.coded.scales = rows.coded.scales.first(3); }));
  EXPECT_TRUE(refuses([](LinearRows &rows) { rows.coded.scales = {}; }));
  EXPECT_TRUE(
      refuses([](LinearRows &rows) { rows.coded.zero_points = rows.coded.zero_points.first(2); }));
  const int32_t wild[] = {0, 0, 0, 128};
  EXPECT_TRUE(refuses([&](LinearRows &rows) { rows.coded.zero_points = wild; }));
  const float bias[] = {1};
  EXPECT_TRUE(refuses([&](LinearRows &rows) { rows.bias = bias; }));
  EXPECT_FALSE(run.finish().has_value());
  EXPECT_TRUE(run.add_rows(good).has_value());
  EXPECT_FALSE(run.add_rows(matrix.slice(0, 3)).has_value()); // one too many
  EXPECT_FALSE(run.finish().has_value());
  EXPECT_TRUE(run.add_rows(matrix.slice(2, 2)).has_value());
  EXPECT_TRUE(run.finish().has_value());
  EXPECT_FALSE(run.add_rows(good).has_value());
}

} // namespace
} // namespace monoquant::execute
