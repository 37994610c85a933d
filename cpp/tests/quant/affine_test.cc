// Codes with a scale and a bias.
#include "monoquant/quant/affine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/random.h"

namespace monoquant::quant {
namespace {

Scheme affine_scheme(uint32_t bits, Dtype dtype = Dtype::kBF16) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.symmetric = false;
  scheme.has_bias = true;
  scheme.scale_dtype = dtype;
  return scheme;
}

std::vector<float> gaussian(test::Random &random, size_t count, double spread, double mean = 0) {
  std::vector<float> values(count);
  for (float &value : values) {
    double sum = -6; // twelve uniform numbers have a variance of 1
    for (int i = 0; i < 12; ++i) {
      sum += static_cast<double>(random.below(1U << 24U)) / (1U << 24U);
    }
    value = static_cast<float>(sum * spread + mean);
  }
  return values;
}

double noise_of(const std::vector<float> &values, std::span<const float> importance,
                const Affine &chosen, const Scheme &scheme) {
  const Affine stored = chosen.rounded(scheme.scale_dtype);
  const double highest = (1 << scheme.bits) - 1;
  double noise = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<double>(values[i]);
    const double steps =
        (value - static_cast<double>(chosen.bias)) / static_cast<double>(chosen.scale);
    const double code = std::nearbyint(std::min(std::max(steps, 0.0), highest));
    const double error =
        value - (code * static_cast<double>(stored.scale) + static_cast<double>(stored.bias));
    noise += error * error * (importance.empty() ? 1.0 : static_cast<double>(importance[i]));
  }
  return noise;
}

TEST(Affine, range_is_met_at_the_end_that_is_farther_from_zero) {
  const std::vector<float> low = {-2, 0.5F, 1};
  const Affine from_low = affine_by_range(low, affine_scheme(4));
  EXPECT_EQ(from_low.bias, -2);
  EXPECT_EQ(from_low.scale, -2.0F / -10);
  const std::vector<float> high = {-1, 0.5F, 2};
  const Affine from_high = affine_by_range(high, affine_scheme(4));
  EXPECT_EQ(from_high.bias, 2);
  EXPECT_LT(from_high.scale, 0);
}

TEST(Affine, search_is_never_worse_than_the_range) {
  test::Random random(31);
  for (int round = 0; round < 300; ++round) {
    static constexpr uint32_t kBits[] = {2, 3, 4, 5, 6, 8};
    static constexpr Dtype kTypes[] = {Dtype::kF16, Dtype::kBF16, Dtype::kF32};
    const Scheme scheme = affine_scheme(random.pick(kBits), random.pick(kTypes));
    const std::vector<float> values =
        gaussian(random, 32U << random.index(3), 0.02, random.chance(2) ? 0 : 0.1);
    std::vector<float> importance;
    for (size_t i = 0; i < values.size() && round % 2 == 0; ++i) {
      importance.push_back(static_cast<float>(random.below(100)));
    }
    const Affine found = search_affine(values, importance, scheme);
    EXPECT_EQ(found.scale, found.rounded(scheme.scale_dtype).scale);
    EXPECT_EQ(found.bias, found.rounded(scheme.scale_dtype).bias);
    EXPECT_LE(noise_of(values, importance, found, scheme),
              noise_of(values, importance, affine_by_range(values, scheme), scheme) * 1.000001);
  }
}

/// In dB, of Gaussian weights in groups of 64: what the search is for.
TEST(Affine, search_gains_what_it_should) {
  struct Row {
    uint32_t bits;
    double gain;
  };
  for (const Row &row : {Row{2, 1.4}, Row{3, 1}, Row{4, 0.7}, Row{8, 3}}) {
    test::Random random(7);
    double before = 0;
    double after = 0;
    const Scheme scheme = affine_scheme(row.bits);
    for (int i = 0; i < 200; ++i) {
      const std::vector<float> values = gaussian(random, 64, 0.02);
      before += noise_of(values, {}, affine_by_range(values, scheme), scheme);
      after += noise_of(values, {}, search_affine(values, {}, scheme), scheme);
    }
    EXPECT_GT(10 * std::log10(before / after), row.gain) << row.bits;
  }
}

TEST(Affine, odd_groups_have_finite_scales_and_biases) {
  const std::vector<float> extremes[] = {
      std::vector<float>(32, 0.0F), std::vector<float>(32, 5.0F), std::vector<float>(32, -1e-30F),
      {-8e37F, 8e37F, 0, 1},        {1e-45F, -1e-45F, 0, 0},      {65504, 65504, 65472, 65504},
  };
  for (const Dtype dtype : {Dtype::kF16, Dtype::kBF16, Dtype::kF32}) {
    for (const std::vector<float> &values : extremes) {
      const Scheme scheme = affine_scheme(4, dtype);
      for (const Affine &affine :
           {affine_by_range(values, scheme).rounded(dtype), search_affine(values, {}, scheme)}) {
        EXPECT_TRUE(std::isfinite(affine.scale) && std::isfinite(affine.bias)) << values[0];
        EXPECT_NE(affine.scale, 0) << values[0];
      }
    }
  }
}

} // namespace
} // namespace monoquant::quant
