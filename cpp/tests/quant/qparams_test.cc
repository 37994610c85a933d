#include "monoquant/quant/qparams.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/observer_fixture.h"
#include "support/random.h"
#include "support/reference_kernels.h"

namespace monoquant::quant {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();

Scheme scheme_of(uint32_t bits, bool symmetric, Dtype scale_dtype = Dtype::kF32) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.symmetric = symmetric;
  scheme.scale_dtype = scale_dtype;
  return scheme;
}

Range range_of(std::span<const float> values) {
  Range range;
  for (const float value : values) {
    range.min = std::min(range.min, value);
    range.max = std::max(range.max, value);
  }
  return range;
}

TEST(Qparams, are_those_of_pytorch_to_the_bit) {
  for (const test::Observed &observed : test::observed_schemes()) {
    const std::span<const float> weight = test::observed_weight();
    ASSERT_EQ(observed.scales.size() * observed.scope_size, weight.size()) << observed.name;
    for (size_t i = 0; i < observed.scales.size(); ++i) {
      const Range range = range_of(weight.subspan(i * observed.scope_size, observed.scope_size));
      const Qparams params = choose_qparams(range, observed.scheme);
      ASSERT_EQ(std::bit_cast<uint32_t>(params.scale), std::bit_cast<uint32_t>(observed.scales[i]))
          << observed.name << " " << i;
      ASSERT_EQ(params.zero_point, observed.zero_points[i]) << observed.name << " " << i;
    }
  }
}

TEST(Qparams, symmetric_scales_are_half_the_codes_width_apart) {
  // Not 127 and not 7: PyTorch divides by (highest - lowest) / 2.
  EXPECT_EQ(choose_qparams({-1.0F, 0.5F}, scheme_of(8, true)).scale, 1.0F / 127.5F);
  EXPECT_EQ(choose_qparams({-0.5F, 1.0F}, scheme_of(8, true)).scale, 1.0F / 127.5F);
  EXPECT_EQ(choose_qparams({-1.0F, 0.0F}, scheme_of(4, true)).scale, 1.0F / 7.5F);
  EXPECT_EQ(symmetric_scale(1.0F, scheme_of(8, true)), 1.0F / 127.5F);
}

TEST(Qparams, asymmetric_examples) {
  const Qparams even = choose_qparams({-1.0F, 0.875F}, scheme_of(4, false));
  EXPECT_EQ(even.scale, 0.125F);
  EXPECT_EQ(even.zero_point, 0);
  const Qparams positive = choose_qparams({0.0F, 25.5F}, scheme_of(8, false));
  EXPECT_EQ(positive.scale, 25.5F / 255.0F);
  EXPECT_EQ(positive.zero_point, -128);
  const Qparams negative = choose_qparams({-25.5F, 0.0F}, scheme_of(8, false));
  EXPECT_EQ(negative.zero_point, 127);
  // Half-way zero points go to even: -0.5 / 1 rounds to 0, -1.5 / 1 to -2.
  EXPECT_EQ(choose_qparams({-0.5F, 254.5F}, scheme_of(8, false)).zero_point, -128);
  EXPECT_EQ(choose_qparams({-1.5F, 253.5F}, scheme_of(8, false)).zero_point, -126);
}

TEST(Qparams, nothing_but_zeros_still_has_a_usable_scale) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
    for (const uint32_t bits : {4U, 8U}) {
      const Qparams symmetric = choose_qparams({}, scheme_of(bits, true, dtype));
      EXPECT_EQ(symmetric.scale, 0x1p-23F);
      EXPECT_EQ(symmetric.zero_point, 0);
      const Qparams asymmetric = choose_qparams({}, scheme_of(bits, false, dtype));
      EXPECT_EQ(asymmetric.scale, 0x1p-23F);
      EXPECT_EQ(asymmetric.zero_point, scheme_of(bits, false).lowest());
    }
  }
}

TEST(Qparams, eps_is_the_floor_and_only_the_floor) {
  const Scheme scheme = scheme_of(8, true);
  const float at = 0x1p-23F * 127.5F;
  EXPECT_EQ(choose_qparams({0.0F, at}, scheme).scale, 0x1p-23F);
  EXPECT_EQ(choose_qparams({0.0F, at / 1000}, scheme).scale, 0x1p-23F);
  EXPECT_GT(choose_qparams({0.0F, std::nextafter(at, 1.0F) * 1.001F}, scheme).scale, 0x1p-23F);
}

TEST(Qparams, the_widest_range_of_all_has_a_finite_scale) {
  for (const uint32_t bits : {4U, 8U}) {
    const Scheme scheme = scheme_of(bits, false);
    const Qparams params = choose_qparams({-kLargest, kLargest}, scheme);
    ASSERT_TRUE(std::isfinite(params.scale));
    const double codes = scheme.highest() - scheme.lowest();
    EXPECT_NEAR(static_cast<double>(params.scale) * codes / (2.0 * static_cast<double>(kLargest)),
                1.0, 1e-6);
    EXPECT_TRUE(std::isfinite(choose_qparams({-kLargest, 0.0F}, scheme_of(bits, true)).scale));
  }
}

TEST(Qparams, scales_are_rounded_to_the_dtype_that_stores_them) {
  test::Random random(8);
  for (int round = 0; round < 20'000; ++round) {
    const Range range{-std::fabs(random.weight()), std::fabs(random.weight())};
    for (const uint32_t bits : {4U, 8U}) {
      for (const bool symmetric : {true, false}) {
        const auto exact =
            static_cast<double>(choose_qparams(range, scheme_of(bits, symmetric)).scale);
        const float f16 = choose_qparams(range, scheme_of(bits, symmetric, Dtype::kF16)).scale;
        const float bf16 = choose_qparams(range, scheme_of(bits, symmetric, Dtype::kBF16)).scale;
        ASSERT_EQ(static_cast<double>(f16),
                  test::value_of_format(test::round_to_format(exact, 10, -14), 5, 10));
        ASSERT_EQ(static_cast<double>(bf16),
                  test::value_of_format(test::round_to_format(exact, 7, -126), 8, 7));
      }
    }
  }
}

TEST(Qparams, zero_points_follow_from_the_rounded_scale_and_stay_among_the_codes) {
  test::Random random(9);
  for (int round = 0; round < 50'000; ++round) {
    // All magnitudes, from subnormal to huge.
    const Range range{-std::fabs(random.finite_bits()), std::fabs(random.finite_bits())};
    static constexpr Dtype kDtypes[] = {Dtype::kF32, Dtype::kBF16};
    const Scheme scheme = scheme_of(random.chance(2) ? 4 : 8, false, random.pick(kDtypes));
    const Qparams params = choose_qparams(range, scheme);
    ASSERT_TRUE(std::isfinite(params.scale) && params.scale > 0);
    ASSERT_GE(params.zero_point, scheme.lowest());
    ASSERT_LE(params.zero_point, scheme.highest());
    const auto below = static_cast<int32_t>(std::nearbyint(range.min / params.scale));
    ASSERT_EQ(params.zero_point,
              std::clamp(scheme.lowest() - below, scheme.lowest(), scheme.highest()));
  }
}

TEST(Qparams, arrays_hold_one_a_scope) {
  std::vector<float> scales(3);
  std::vector<int32_t> zero_points(3);
  const QparamsArrays arrays{scales, zero_points};
  arrays.from(1).set(1, {0.5F, -7});
  EXPECT_EQ(scales, (std::vector<float>{0, 0, 0.5F}));
  EXPECT_EQ(zero_points, (std::vector<int32_t>{0, 0, -7}));
}

} // namespace
} // namespace monoquant::quant
