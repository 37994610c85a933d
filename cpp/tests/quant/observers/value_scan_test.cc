#include "monoquant/quant/observers/value_scan.h"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "support/not_finite.h"
#include "support/random.h"

namespace monoquant::quant {
namespace {

using test::kInfinity;
using test::kNan;

std::vector<float> random_values(test::Random &random, size_t count) {
  std::vector<float> values(count);
  for (float &value : values) {
    value = random.finite_bits();
  }
  return values;
}

/// Value by value.
ValueScan plain_scan(const std::vector<float> &values) {
  ValueScan scan;
  for (const float value : values) {
    ++scan.counts.values;
    scan.counts.nans += std::isnan(value);
    scan.counts.positive_infinities += value == kInfinity;
    scan.counts.negative_infinities += value == -kInfinity;
    if (std::isfinite(value)) {
      scan.finite.min = std::min(scan.finite.min, value);
      scan.finite.max = std::max(scan.finite.max, value);
    }
  }
  return scan;
}

TEST(ValueScan, finds_what_a_plain_loop_finds) {
  test::Random random(1);
  static constexpr float kOdd[] = {kNan, kInfinity, -kInfinity, 0.0F};
  for (const size_t count : {1U, 15U, 16U, 17U, 100U, 1024U, 1030U, 5000U}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<float> values = random_values(random, count);
      for (int odd = 0; odd < round % 4; ++odd) {
        values[random.index(count)] = random.pick(kOdd);
      }
      ValueScan scan;
      scan_values(values, scan);
      const ValueScan expected = plain_scan(values);
      ASSERT_EQ(scan.counts, expected.counts);
      ASSERT_EQ(scan.finite, expected.finite);
      ValueCounts counts;
      count_kinds(values, counts);
      ASSERT_EQ(counts, expected.counts);
    }
  }
}

TEST(ValueScan, every_position_counts) {
  for (size_t i = 0; i < 1100; ++i) {
    std::vector<float> values(1100, 1.0F);
    values[i] = -2.0F;
    ValueScan scan;
    scan_values(values, scan);
    ASSERT_EQ(scan.finite, (ObservedRange{-2, 1})) << i;
    values[i] = kNan;
    scan = {};
    scan_values(values, scan);
    ASSERT_EQ(scan.counts.nans, 1U) << i;
    ASSERT_EQ(scan.finite, (ObservedRange{1, 1})) << i;
  }
}

TEST(ValueScan, ranges_carry_what_is_not_finite) {
  const auto range = [](const std::vector<float> &values) {
    ValueScan scan;
    scan_values(values, scan);
    return scan.range();
  };
  EXPECT_EQ(range({1, kInfinity, 2}), (ObservedRange{1, kInfinity}));
  EXPECT_EQ(range({1, -kInfinity, 2}), (ObservedRange{-kInfinity, 2}));
  EXPECT_EQ(range({kInfinity}), (ObservedRange{kInfinity, kInfinity}));
  EXPECT_TRUE(std::isnan(range({1, kNan, kInfinity}).min));
  EXPECT_TRUE(std::isnan(range({1, kNan, kInfinity}).max));
  EXPECT_FALSE(range({}).is_observed());
}

TEST(ValueScan, zeros_have_no_sign) {
  for (const std::vector<float> &values :
       {std::vector<float>{-0.0F, 0.0F}, std::vector<float>{0.0F, -0.0F},
        std::vector<float>{-0.0F}}) {
    ValueScan scan;
    scan_values(values, scan);
    EXPECT_EQ(std::bit_cast<uint32_t>(scan.finite.min), 0U);
    EXPECT_EQ(std::bit_cast<uint32_t>(scan.finite.max), 0U);
    std::vector<float> lowest(values.size(), kInfinity);
    std::vector<float> highest(values.size(), -kInfinity);
    scan_row(values, lowest, highest);
    EXPECT_EQ(std::bit_cast<uint32_t>(lowest[0]), 0U);
    EXPECT_EQ(std::bit_cast<uint32_t>(highest[0]), 0U);
  }
}

TEST(ValueScan, rows_keep_nan) {
  std::vector<float> lowest(3, kInfinity);
  std::vector<float> highest(3, -kInfinity);
  scan_row(std::vector<float>{1, kNan, kInfinity}, lowest, highest);
  scan_row(std::vector<float>{-1, 2, 3}, lowest, highest);
  EXPECT_EQ(lowest[0], -1);
  EXPECT_EQ(highest[0], 1);
  EXPECT_TRUE(std::isnan(lowest[1]) && std::isnan(highest[1]));
  EXPECT_EQ(lowest[2], 3);
  EXPECT_EQ(highest[2], kInfinity);
}

} // namespace
} // namespace monoquant::quant
