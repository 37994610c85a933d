#include "monoquant/quant/observers/histogram.h"

#include <gtest/gtest.h>

#include <numeric>

#include "monoquant/quant/observers/histogram_search.h"
#include "support/not_finite.h"

namespace monoquant::quant {
namespace {

using test::kInfinity;

std::vector<float> counted(ObservedRange range, const std::vector<float> &values) {
  BatchHistogram batch;
  batch.start(range);
  batch.count(values);
  return batch.counts();
}

Histogram histogram_of(ObservedRange range, const std::vector<float> &values) {
  return {range, counted(range, values)};
}

double total(const std::vector<float> &counts) {
  return std::accumulate(counts.begin(), counts.end(), 0.0);
}

TEST(Histogram, values_fall_into_bins_of_equal_width) {
  const std::vector<float> counts = counted({0, 2048}, {0, 0.5F, 1, 2047, 2048, 1000.25F});
  EXPECT_EQ(counts[0], 2);
  EXPECT_EQ(counts[1], 1);
  EXPECT_EQ(counts[1000], 1);
  EXPECT_EQ(counts[2047], 2); // the largest value is in the last bin
  EXPECT_EQ(total(counts), 6);
}

TEST(Histogram, leaves_out_what_is_outside) {
  EXPECT_EQ(total(counted({-1, 1}, {kInfinity, -kInfinity, 1.5F, -1.5F, 0})), 1);
}

TEST(Histogram, equal_values_are_in_the_middle) { EXPECT_EQ(counted({3, 3}, {3, 3, 3})[1024], 3); }

TEST(Histogram, overflow_is_pytorchs) {
  // (x - min) * 2048 is infinite, and what that is converted to addresses bin 0.
  EXPECT_EQ(counted({-1e38F, 1e38F}, {-1e38F, 0.5e38F, 1e38F})[0], 3);
  EXPECT_EQ(total(counted({-3e38F, 3e38F}, {-3e38F, 0, 3e38F})), 0);
}

TEST(Histogram, counts_beyond_the_integers_of_f32) {
  BatchHistogram batch;
  batch.start({0, 1});
  const std::vector<float> zeros(1U << 16U);
  for (int i = 0; i < (1 << 8) + 1; ++i) {
    batch.count(zeros);
  }
  EXPECT_EQ(batch.counts()[0], 0x1p24F + 0x1p16F);
}

TEST(Histogram, merging_keeps_the_number_of_values) {
  Histogram histogram;
  ObservedRange range;
  double values = 0;
  for (const float end : {1.0F, 1.5F, 1.25F, 7.0F, 100.0F}) {
    const std::vector<float> batch_values{-end, 0, end / 3, end};
    range = united(range, {-end, end});
    BatchHistogram batch;
    batch.start(range);
    batch.count(batch_values);
    add_batch(histogram, batch);
    values += 4;
    EXPECT_EQ(histogram.range, range);
    EXPECT_NEAR(total(histogram.counts), values, 1e-3);
  }
}

TEST(Histogram, moves_values_by_less_than_two_of_the_new_bins) {
  Histogram histogram = histogram_of({0, 1}, {0, 0.25F, 0.5F, 1});
  BatchHistogram batch;
  batch.start({-3, 5});
  add_batch(histogram, batch);
  for (const double value : {0.0, 0.25, 0.5, 1.0}) {
    const auto bin = static_cast<size_t>((value + 3) / 8 * 2048);
    const size_t first = std::max<size_t>(bin, 1) - 1;
    EXPECT_NEAR(total({histogram.counts.begin() + static_cast<long>(first),
                       histogram.counts.begin() + static_cast<long>(first) + 3}),
                1.0, 1e-6)
        << value;
  }
}

TEST(Histogram, a_single_value_moves_to_its_bin) {
  Histogram histogram = histogram_of({3, 3}, {3, 3, 3, 3, 3});
  BatchHistogram batch;
  batch.start({0, 2048});
  batch.count(std::vector<float>{0, 2048});
  add_batch(histogram, batch);
  EXPECT_EQ(histogram.counts[3], 5);
  EXPECT_EQ(histogram.counts[0], 1);
  EXPECT_EQ(histogram.counts[2047], 1);
}

TEST(Histogram, sums_have_one_order) {
  std::vector<float> values(kHistogramBins, 1.0F);
  EXPECT_EQ(cascade_sum(values), 2048);
  std::iota(values.begin(), values.end(), 0.0F);
  EXPECT_EQ(cascade_sum(values), 2047.0F * 1024.0F);
  // 1 is lost in the running sum that begins with 2^24; in every other one it is not.
  values.assign(kHistogramBins, 0.0F);
  values[0] = 0x1p24F;
  values[32] = 1;
  EXPECT_EQ(cascade_sum(values), 0x1p24F);
  values[32] = 0;
  values[1] = 1;
  values[9] = 1;
  EXPECT_EQ(cascade_sum(values), 0x1p24F + 2);
}

/// A million values in front, `far` of them in the last bin and 10 half-way.
Histogram with_outliers(float far) {
  Histogram histogram{{0, 2048}, std::vector<float>(kHistogramBins)};
  for (size_t bin = 0; bin < 40; ++bin) {
    histogram.counts[bin] = 25'000;
  }
  histogram.counts[39] -= far + 10;
  histogram.counts[1047] = 10;
  histogram.counts[2047] = far;
  return histogram;
}

TEST(HistogramSearch, cuts_a_hundred_thousandth_at_once) {
  // Its first cut is always taken, the next one is too dear. 10 values are one cut; 9 are not, so that it goes on
  // to those half-way.
  EXPECT_EQ(search_range(with_outliers(10)), (ObservedRange{0, 2047}));
  EXPECT_EQ(search_range(with_outliers(9)), (ObservedRange{0, 1047}));
}

TEST(HistogramSearch, goes_on_where_the_error_stays_the_same) {
  // Bins of 1e-24: the cubes of all distances are 0 in f32, and so are all errors.
  Histogram tiny = with_outliers(10);
  tiny.range.max = 2048e-24F;
  EXPECT_LT(search_range(tiny).max, 1000e-24F);
}

TEST(HistogramSearch, of_nothing_finds_nothing) { EXPECT_FALSE(search_range({}).is_observed()); }

TEST(HistogramSearch, of_equal_values_finds_them) {
  EXPECT_EQ(search_range(histogram_of({3, 3}, {3, 3})), (ObservedRange{3, 3}));
}

TEST(HistogramSearch, ends_for_all_sorts_of_widths) {
  for (const float end : {1e-45F, 1e-38F, 1e-20F, 1e10F, 1e36F, 3e38F}) {
    const Histogram histogram = histogram_of({-end, end}, {-end, 0, end});
    const ObservedRange range = search_range(histogram);
    EXPECT_TRUE(std::isnan(range.min) || (range.min >= -end && range.min <= range.max)) << end;
    EXPECT_EQ(std::isnan(range.min), end == 3e38F) << end;
  }
}

} // namespace
} // namespace monoquant::quant
