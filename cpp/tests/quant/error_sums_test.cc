#include "monoquant/quant/error_sums.h"

#include <gtest/gtest.h>

namespace monoquant::quant {
namespace {

TEST(ErrorSums, add_up_and_keep_the_peak) {
  ErrorSums sums{4.0, 1.0, 0.5F};
  sums.add({6.0, 0.5, 0.25F});
  EXPECT_EQ(sums.signal, 10.0);
  EXPECT_EQ(sums.noise, 1.5);
  EXPECT_EQ(sums.peak, 0.5F);
  sums.add({0.0, 0.0, 2.0F});
  EXPECT_EQ(sums.peak, 2.0F);
}

TEST(ErrorSums, sqnr_is_ten_decibels_a_power_of_ten) {
  EXPECT_DOUBLE_EQ(sqnr_db({1000.0, 1.0, 0}), 30.0);
  EXPECT_DOUBLE_EQ(sqnr_db({1.0, 1.0, 0}), 0.0); // all zeros score badly
  EXPECT_EQ(sqnr_db({1.0, 0.0, 0}), std::numeric_limits<double>::infinity());
  EXPECT_EQ(sqnr_db({0.0, 0.0, 0}), std::numeric_limits<double>::infinity());
}

TEST(ErrorSums, sqnr_of_any_noise_is_a_number_and_never_below_that_of_no_signal) {
  constexpr double kLeast = std::numeric_limits<double>::denorm_min();
  constexpr double kMost = std::numeric_limits<double>::max();
  for (const double signal : {0.0, kLeast, 1.0, kMost}) {
    for (const double noise : {kLeast, 1.0, kMost}) {
      const double sqnr = sqnr_db({signal, noise, 0});
      EXPECT_TRUE(std::isfinite(sqnr)) << signal << " " << noise;
      EXPECT_GE(sqnr, sqnr_db({0.0, noise, 0}));
    }
  }
}

} // namespace
} // namespace monoquant::quant
