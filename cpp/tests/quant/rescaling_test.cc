// How factors are chosen by which inputs and weights trade magnitudes.
#include "monoquant/quant/rescaling.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quant/rescaling_golden.h"

namespace monoquant::quant {
namespace {

void expect_close(std::span<const double> found, std::span<const double> expected, double within) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], within * std::fabs(expected[i])) << i;
  }
}

TEST(Rescaling, smoothing_factors_are_those_of_llm_compressor) {
  expect_close(smoothing_factors(test::kRanges, test::kWeightRanges, 0.5), test::kSmooth05, 1e-6);
  expect_close(smoothing_factors(test::kRanges, test::kWeightRanges, 0.8), test::kSmooth08, 1e-6);
}

TEST(Rescaling, awq_factors_are_those_of_llm_compressor) {
  expect_close(awq_factors(test::kAwqInputs, test::kAwqWeights, 8.0 / 18), test::kAwqFactors, 1e-6);
}

TEST(Rescaling, columns_without_inputs_or_weights_have_finite_factors) {
  const double inputs[] = {0, 0, 2, 1e300};
  const double weights[] = {0, 3, 0, 1e-300};
  for (const double strength : {0.0, 0.5, 1.0}) {
    const auto smooth = smoothing_factors(inputs, weights, strength);
    EXPECT_EQ(smooth[0], 1);
    EXPECT_EQ(smooth[1], 1);
    EXPECT_EQ(smooth[2], 2);
    for (const auto &factors : {smooth, awq_factors(inputs, weights, strength)}) {
      for (const double factor : factors) {
        EXPECT_TRUE(std::isfinite(factor) && factor > 0) << strength << " " << factor;
      }
    }
  }
}

TEST(Rescaling, columns_count_beside_the_largest_of_their_group) {
  ColumnShares shares(4, 2);
  const float rows[] = {1, -2, 3, 0, 8, 4, -1, 1};
  shares.add(std::span(rows).first(4));
  shares.add(std::span(rows).last(4));
  expect_close(shares.means(), std::vector<double>{0.75, 0.75, 1, 0.5}, 1e-5);
}

TEST(Rescaling, powers_of_two_are_the_nearest_by_ratio) {
  std::vector<double> factors = {1, 1.41, 1.42, 3, 0.7, 0.71, 1e-3, 96};
  round_to_powers_of_two(factors);
  EXPECT_EQ(factors, (std::vector<double>{1, 1, 2, 4, 0.5, 1, 0x1p-10, 128}));
}

/// Of one that outweighs all others, and of alike ones, whose largest square grows slowly.
TEST(Rescaling, the_largest_square_is_between_the_largest_mean_and_all_of_them) {
  std::vector<double> squares(512, 1e-6);
  squares[7] = 3;
  EXPECT_NEAR(largest_square(squares), 3, 3.1);
  EXPECT_GE(largest_square(squares), 3);
  const std::vector<double> alike(512, 1.0);
  EXPECT_GT(largest_square(alike), 6);
  EXPECT_LT(largest_square(alike), 20);
  EXPECT_EQ(largest_square({}), 0);
}

TEST(Rescaling, moments_are_those_of_divided_inputs) {
  const double factors[] = {2, 0.5, 4};
  SecondMoments moments{{3, 2}, {4, 2, 2, 1, 16}}; // blocks of 2 columns and of 1
  divide_moments(moments, factors);
  EXPECT_EQ(moments.values, (std::vector<float>{1, 2, 2, 4, 1}));
}

TEST(Rescaling, the_cost_of_rounding_is_that_of_the_nearest_codes) {
  Scheme scheme;
  scheme.bits = 4;
  scheme.strategy = Strategy::kGroup;
  scheme.group_size = 2;
  // Scales: 7.5 steps from 0 to the largest. 15 and 1 have the codes 7 (14) and 0 or 1 (2).
  const float rows[] = {15, 0.9F, 7.5F, 2.25F};
  const float importance[] = {0.25F, 2};
  Scheme pairs = scheme;
  const double cost = rounding_cost(rows, pairs, importance);
  // Codes reach 7: 15 -> 14, 0.9 -> 0; 7.5 -> 7, 2.25 -> 2.
  EXPECT_NEAR(cost, 0.25 * 1 + 2 * 0.81 + 0.25 * 0.25 + 2 * 0.0625, 1e-5);
}

} // namespace
} // namespace monoquant::quant
