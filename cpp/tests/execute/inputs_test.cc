#include "monoquant/execute/inputs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "monoquant/execute/seeded_numbers.h"

namespace monoquant::execute {
namespace {

/// Both follow from the published algorithms: FNV-1a of "a" and a zero byte, and SplitMix64 from there, worked out
/// with integers of any size in Python.
TEST(SeededNumbers, are_splitmix64_from_fnv_1a) {
  SeededNumbers numbers("a", Purpose::kValues);
  EXPECT_EQ(numbers.bits(), 0x0433F4A064BA89A3ULL);
  EXPECT_EQ(numbers.bits(), 0x14EF3F9775954CABULL);
  SeededNumbers normal("a", Purpose::kValues);
  EXPECT_EQ(normal.normal(), -106887 * 0x1p-16F);
}

TEST(Inputs, seeded_ones_are_nearly_standard_normal) {
  const Inputs inputs = Inputs::seeded("layers.0.fc", 4096, 64).value();
  ASSERT_EQ(inputs.samples(), 64U);
  double sum = 0;
  double squares = 0;
  double fourths = 0;
  for (const float x : inputs.values()) {
    const double v = x;
    sum += v;
    squares += v * v;
    fourths += v * v * v * v;
    EXPECT_LT(std::abs(v), 6);
  }
  const auto n = static_cast<double>(inputs.values().size());
  EXPECT_NEAR(sum / n, 0, 4 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 4 * std::sqrt(2 / n));
  EXPECT_NEAR(fourths / n, 2.9, 0.1); // 3 - 1.2 / 12
}

TEST(Inputs, seeded_ones_follow_from_the_name_alone) {
  const Inputs few = Inputs::seeded("fc", 10, 3).value();
  const Inputs many = Inputs::seeded("fc", 10, 64).value();
  const Inputs other = Inputs::seeded("fc1", 10, 3).value();
  EXPECT_TRUE(std::equal(few.values().begin(), few.values().end(), many.values().begin()));
  EXPECT_FALSE(std::equal(few.values().begin(), few.values().end(), other.values().begin()));
  EXPECT_FALSE(std::equal(few.sample(0).begin(), few.sample(0).end(), few.sample(1).begin()));
}

TEST(Inputs, are_bounded) {
  EXPECT_EQ(Inputs::seeded("fc", 16, 1000).value().samples(), kMostSamples);
  EXPECT_EQ(most_samples(65536), 64U);
  EXPECT_EQ(most_samples(65537), 63U);
  EXPECT_EQ(most_samples(kMostInputValues), 1U);
  EXPECT_FALSE(Inputs::of_width(kMostInputValues + 1).has_value());
  EXPECT_FALSE(Inputs::of_width(0).has_value());
  EXPECT_FALSE(Inputs::of_width(~uint64_t{0}).has_value());
}

TEST(Inputs, take_captured_samples_until_they_are_full) {
  Inputs inputs = Inputs::of_width(2).value();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const float values[] = {1, 2, nan, 4, 5, 6, 7, -infinity};
  ASSERT_TRUE(inputs.add(values).has_value());
  EXPECT_EQ(inputs.samples(), 2U);
  EXPECT_EQ(inputs.left_out(), 2U);
  EXPECT_EQ(inputs.sample(1)[0], 5.0F);
  EXPECT_FALSE(inputs.add(std::span(values).first(3)).has_value());
  const std::vector<float> many(1000, 0.5F);
  ASSERT_TRUE(inputs.add(many).has_value());
  EXPECT_TRUE(inputs.is_full());
  EXPECT_EQ(inputs.samples(), kMostSamples);
  EXPECT_EQ(inputs.sample(1)[0], 5.0F);
  EXPECT_EQ(inputs.sample(63)[1], 0.5F);
}

TEST(SpreadPositions, are_one_of_each_stretch) {
  for (const uint64_t total : {64ULL, 65ULL, 1000ULL, 1ULL << 40U}) {
    const std::vector<uint64_t> positions = spread_positions("conv", total, 64);
    ASSERT_EQ(positions.size(), 64U);
    for (uint64_t i = 0; i < 64; ++i) {
      const uint64_t begin = total / 64 * i + std::min(i, total % 64);
      const uint64_t end = total / 64 * (i + 1) + std::min(i + 1, total % 64);
      EXPECT_GE(positions[i], begin);
      EXPECT_LT(positions[i], end);
    }
  }
  EXPECT_EQ(spread_positions("conv", 3, 64), (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_TRUE(spread_positions("conv", 0, 64).empty());
  // Not always in the same column of a picture 8 wide.
  bool columns[8] = {};
  for (const uint64_t position : spread_positions("conv", 512, 64)) {
    columns[position % 8] = true;
  }
  EXPECT_TRUE(std::all_of(std::begin(columns), std::end(columns), [](bool met) { return met; }));
}

} // namespace
} // namespace monoquant::execute
