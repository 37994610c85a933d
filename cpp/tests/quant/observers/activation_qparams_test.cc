#include "monoquant/quant/observers/activation_qparams.h"

#include <gtest/gtest.h>

#include "monoquant/quant/qparams.h"
#include "support/not_finite.h"
#include "support/random.h"

namespace monoquant::quant {
namespace {

using test::kInfinity;
using test::kNan;

TEST(ActivationQparams, of_nothing_observed_are_one_and_zero) {
  for (const bool symmetric : {true, false}) {
    EXPECT_EQ(choose_activation_qparams({}, unsigned_8_bit(symmetric)), (ActivationQparams{1, 0}));
  }
}

TEST(ActivationQparams, symmetric_ones_divide_by_half_the_width_and_sit_in_the_middle) {
  EXPECT_EQ(choose_activation_qparams({-1.0F, 0.5F}, signed_8_bit(true)),
            (ActivationQparams{1.0F / 127.5F, 0}));
  EXPECT_EQ(choose_activation_qparams({0.25F, 1.0F}, unsigned_8_bit(true)),
            (ActivationQparams{1.0F / 127.5F, 128}));
  const ActivationScheme custom = custom_codes(0, 255, true, true).value();
  EXPECT_EQ(choose_activation_qparams({0.25F, 1.0F}, custom).zero_point, 127);
}

TEST(ActivationQparams, affine_ones_contain_zero) {
  EXPECT_EQ(choose_activation_qparams({0.75F, 0.75F}, signed_8_bit(false)),
            (ActivationQparams{0.75F / 255.0F, -128}));
  EXPECT_EQ(choose_activation_qparams({-0.75F, -0.75F}, unsigned_8_bit(false)),
            (ActivationQparams{0.75F / 255.0F, 255}));
  // Half-way zero points go to even.
  EXPECT_EQ(choose_activation_qparams({-0.5F, 254.5F}, unsigned_8_bit(false)).zero_point, 0);
  EXPECT_EQ(choose_activation_qparams({-1.5F, 253.5F}, unsigned_8_bit(false)).zero_point, 2);
  // -45.5 / 7 is exactly half-way; times the rounded 1 / 7 it is not.
  EXPECT_EQ(choose_activation_qparams({-45.5F, 1739.5F}, unsigned_8_bit(false)),
            (ActivationQparams{7, 6}));
}

TEST(ActivationQparams, of_zeros_have_the_smallest_scale) {
  EXPECT_EQ(choose_activation_qparams({0, 0}, signed_8_bit(true)).scale, 0x1p-23F);
  EXPECT_EQ(choose_activation_qparams({0, 0}, unsigned_8_bit(false)),
            (ActivationQparams{0x1p-23F, 0}));
}

TEST(ActivationQparams, carry_nan_and_infinity_as_pytorch_does) {
  const ActivationQparams nan = choose_activation_qparams({kNan, kNan}, signed_8_bit(false));
  EXPECT_TRUE(std::isnan(nan.scale));
  EXPECT_EQ(nan.zero_point, 127);
  EXPECT_EQ(choose_activation_qparams({kNan, kNan}, unsigned_8_bit(false)).zero_point, 0);
  EXPECT_TRUE(std::isnan(choose_activation_qparams({-1, kNan}, signed_8_bit(true)).scale));
  EXPECT_EQ(choose_activation_qparams({-1, kInfinity}, signed_8_bit(false)),
            (ActivationQparams{kInfinity, -128}));
}

TEST(ActivationQparams, of_finite_ranges_are_those_of_weights) {
  test::Random random(4);
  for (int round = 0; round < 20'000; ++round) {
    const float a = random.weight();
    const float b = random.weight();
    const ObservedRange range{std::min(a, b), std::max(a, b)};
    Scheme scheme;
    scheme.bits = random.chance(2) ? 4 : 8;
    scheme.symmetric = random.chance(2);
    const Qparams expected =
        choose_qparams({std::min(range.min, 0.0F), std::max(range.max, 0.0F)}, scheme);
    EXPECT_EQ(choose_activation_qparams(range, activation_scheme(scheme)),
              (ActivationQparams{expected.scale, expected.zero_point}));
  }
}

TEST(ActivationScheme, custom_codes_contain_zero_and_fit_into_a_byte) {
  EXPECT_TRUE(custom_codes(-8, 7, true, false).has_value());
  EXPECT_TRUE(custom_codes(0, 255, false, true).has_value());
  EXPECT_EQ(custom_codes(0, 15, true, true).value().middle, 7);
  EXPECT_EQ(custom_codes(0, 15, true, false).value().middle, 0);
  const int32_t most = std::numeric_limits<int32_t>::max();
  const int32_t least = std::numeric_limits<int32_t>::min();
  const int32_t wrong[][2] = {{1, 7},   {-7, -1},      {0, 0}, {-128, 128},
                              {0, 256}, {least, most}, {7, -8}};
  for (const auto &[lowest, highest] : wrong) {
    EXPECT_FALSE(custom_codes(lowest, highest, true, false).has_value()) << lowest;
  }
  EXPECT_FALSE(custom_codes(-1, 7, false, true).has_value());
}

TEST(ActivationScheme, a_reduced_range_is_half_as_wide) {
  const ActivationScheme narrow = reduced_range(signed_8_bit(true)).value();
  EXPECT_EQ(narrow.lowest, -64);
  EXPECT_EQ(narrow.highest, 63);
  EXPECT_EQ(reduced_range(unsigned_8_bit(false)).value().highest, 127);
  const ActivationScheme odd = custom_codes(-127, 127, false, false).value();
  EXPECT_EQ(reduced_range(odd).value().lowest, -64);
  EXPECT_EQ(reduced_range(odd).value().highest, 63);
  EXPECT_FALSE(reduced_range(unsigned_8_bit(true)).has_value());
}

} // namespace
} // namespace monoquant::quant
