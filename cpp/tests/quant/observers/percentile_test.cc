#include "monoquant/quant/observers/percentile.h"

#include <gtest/gtest.h>

namespace monoquant::quant {
namespace {

Histogram uniform() { return {{-1, 1}, std::vector<float>(kHistogramBins, 8.0F)}; }

ObservedRange percentile_of(const Histogram &histogram, double percentile) {
  return percentile_range(histogram, percentile).value();
}

TEST(Percentile, of_a_uniform_distribution_is_linear) {
  for (const double percentile : {51.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999}) {
    const ObservedRange range = percentile_of(uniform(), percentile);
    const double expected = 1.0 - 2.0 * (100.0 - percentile) / 100.0;
    EXPECT_NEAR(range.max, expected, 1e-6) << percentile;
    EXPECT_NEAR(range.min, -expected, 1e-6) << percentile;
  }
}

TEST(Percentile, of_100_cuts_nothing) {
  EXPECT_EQ(percentile_of(uniform(), 100), (ObservedRange{-1, 1}));
  Histogram odd = uniform();
  odd.range = {-0.1F, 1234.567F};
  EXPECT_EQ(percentile_of(odd, 100), odd.range);
}

TEST(Percentile, leaves_out_outliers_on_the_side_where_they_are) {
  // A million values below 1, and 50 at 2048: fewer than one in 10,000.
  Histogram histogram{{0, 2048}, std::vector<float>(kHistogramBins)};
  histogram.counts[0] = 1e6F;
  histogram.counts[2047] = 50;
  const ObservedRange range = percentile_of(histogram, 99.99);
  EXPECT_LT(range.max, 1.0F);
  EXPECT_GT(range.max, 0.9999F);
  EXPECT_GE(range.min, 0.0F);
  EXPECT_LT(range.min, 0.0002F);
  EXPECT_GT(percentile_of(histogram, 99.999).max, 2047.0F); // ten of them are cut
}

TEST(Percentile, widens_with_the_percentile_and_stays_inside) {
  Histogram histogram = uniform();
  for (size_t bin = 0; bin < kHistogramBins; ++bin) {
    histogram.counts[bin] = static_cast<float>((bin * 7919) % 23);
  }
  ObservedRange last = percentile_of(histogram, 50.001);
  for (double percentile = 51; percentile <= 100; percentile += 0.5) {
    const ObservedRange range = percentile_of(histogram, percentile);
    EXPECT_LE(range.min, last.min);
    EXPECT_GE(range.max, last.max);
    EXPECT_GE(range.min, histogram.range.min);
    EXPECT_LE(range.max, histogram.range.max);
    last = range;
  }
}

TEST(Percentile, of_equal_values_or_none) {
  Histogram equal{{3, 3}, std::vector<float>(kHistogramBins)};
  equal.counts[1024] = 5;
  EXPECT_EQ(percentile_of(equal, 99), (ObservedRange{3, 3}));
  EXPECT_FALSE(percentile_of({}, 99).is_observed());
  // All counts lost by overflow: nothing is cut.
  EXPECT_EQ(percentile_of({{-3e38F, 3e38F}, std::vector<float>(kHistogramBins)}, 99),
            (ObservedRange{-3e38F, 3e38F}));
}

TEST(Percentile, must_be_above_50_and_at_most_100) {
  for (const double wrong : {50.0, 0.0, -1.0, 100.1, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_FALSE(percentile_range(uniform(), wrong).has_value()) << wrong;
  }
}

} // namespace
} // namespace monoquant::quant
