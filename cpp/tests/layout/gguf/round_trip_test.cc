// What is left of rows that are encoded and decoded.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "monoquant/layout/gguf/decode.h"
#include "monoquant/layout/gguf/encode.h"
#include "support/random.h"

namespace monoquant::layout::gguf {
namespace {

using Floats = std::span<const float>;

constexpr size_t kColumns = 1024;
constexpr size_t kRows = 16;

std::vector<float> round_trip(const BlockFacts &facts, Floats row, Floats importance) {
  std::vector<uint8_t> bytes(row.size() / facts.values * facts.bytes);
  EXPECT_TRUE(encode_row(facts.type, row, importance, bytes));
  std::vector<float> values(row.size());
  EXPECT_TRUE(decode_blocks(facts.type, bytes, values));
  return values;
}

/// Weights, a row after the other.
std::vector<float> sample_rows() {
  test::Random random(11);
  std::vector<float> values(kRows * kColumns);
  for (float &value : values) {
    value = 0.02F * random.weight();
  }
  return values;
}

std::vector<float> sample_importance() {
  test::Random random(12);
  std::vector<float> importance(kColumns);
  for (float &number : importance) {
    const float unit = random.signed_unit();
    number = unit * unit * unit * unit + 0.001F;
  }
  return importance;
}

// Half a step of the largest magnitude of a block; a whole one where the range ends a step early on one side. Scales that
// are F16 add their rounding.
TEST(GgufRoundTrip, errors_are_within_a_step) {
  const std::pair<BlockType, float> steps[] = {
      {BlockType::kF16, 0x1p-11F},
      {BlockType::kBF16, 0x1p-8F},
      {BlockType::kQ80, 0.5F / 127},
      {BlockType::kQ40, 1.0F / 8},
      {BlockType::kQ50, 1.0F / 16},
      {BlockType::kQ41, 1.0F / 15},
      {BlockType::kQ51, 1.0F / 31},
      {BlockType::kTq10, 0.5F},
      {BlockType::kTq20, 0.5F},
      {BlockType::kMxfp4, 0.25F}, // 8 becomes 6
      {BlockType::kNvfp4,
       1.0F / 6 + 1.0F / 16}, // half the gap from 4 to 6, and what the scale loses
  };
  const std::vector<float> values = sample_rows();
  for (const auto &[type, step] : steps) {
    const BlockFacts &facts = facts_of(type);
    for (size_t at = 0; at < values.size(); at += kColumns) {
      const Floats row = Floats(values).subspan(at, kColumns);
      const std::vector<float> back = round_trip(facts, row, {});
      for (size_t block = 0; block < kColumns; block += facts.values) {
        float most = 0;
        float error = 0;
        for (size_t i = block; i < block + facts.values; ++i) {
          most = std::max(most, std::fabs(row[i]));
          error = std::max(error, std::fabs(row[i] - back[i]));
        }
        ASSERT_LE(error, most * (step + 0x1p-10F) + 0x1p-25F)
            << facts.name; // F16 has steps of 2^-24
      }
    }
  }
}

struct Noise {
  double signal = 0;
  double error = 0;
  double weighted = 0; // errors by importance

  [[nodiscard]] double sqnr_db() const { return 10 * std::log10(signal / error); }
};

Noise noise_of(const BlockFacts &facts, Floats values, Floats importance, bool is_used) {
  Noise noise;
  for (size_t at = 0; at < values.size(); at += kColumns) {
    const Floats row = values.subspan(at, kColumns);
    const std::vector<float> back = round_trip(facts, row, is_used ? importance : Floats());
    for (size_t i = 0; i < kColumns; ++i) {
      const double value = static_cast<double>(row[i]);
      const double error = value - static_cast<double>(back[i]);
      noise.signal += value * value;
      noise.error += error * error;
      noise.weighted += static_cast<double>(importance[i]) * error * error;
    }
  }
  return noise;
}

// Measured, less a quarter of a decibel.
TEST(GgufRoundTrip, keeps_the_signal_of_weights) {
  const std::pair<BlockType, double> least_db[] = {
      {BlockType::kQ2K, 9.9},    {BlockType::kQ3K, 14.8}, {BlockType::kQ4K, 21.5},
      {BlockType::kQ5K, 27.5},   {BlockType::kQ6K, 32.7}, {BlockType::kIq4Nl, 20.5},
      {BlockType::kIq4Xs, 20.3},
  };
  const std::vector<float> values = sample_rows();
  const std::vector<float> importance = sample_importance();
  for (const auto &[type, least] : least_db) {
    const BlockFacts &facts = facts_of(type);
    const double found = noise_of(facts, values, importance, false).sqnr_db();
    EXPECT_GT(found, least) << facts.name;
    EXPECT_LT(found, least + 1) << facts.name << " cannot be so near";
  }
}

TEST(GgufRoundTrip, an_importance_lessens_the_errors_that_it_counts) {
  const std::vector<float> values = sample_rows();
  const std::vector<float> importance = sample_importance();
  for (const BlockFacts &facts : block_types()) {
    if (facts.is_written) {
      const double plain = noise_of(facts, values, importance, false).weighted;
      const double important = noise_of(facts, values, importance, true).weighted;
      if (facts.uses_importance) {
        EXPECT_LT(important, 0.95 * plain) << facts.name;
      } else {
        EXPECT_EQ(important, plain) << facts.name;
      }
    }
  }
}

TEST(GgufRoundTrip, zeros_stay_zeros) {
  const std::vector<float> zeros(512);
  const std::vector<float> importance(512, 1.0F);
  for (const BlockFacts &facts : block_types()) {
    if (facts.is_written) {
      EXPECT_EQ(round_trip(facts, zeros, {}), zeros) << facts.name;
      EXPECT_EQ(round_trip(facts, zeros, importance), zeros) << facts.name;
    }
  }
}

// Threads write blocks of one tensor beside each other: nothing beyond a row is touched, and rows begin anywhere.
TEST(GgufRoundTrip, a_row_is_written_at_any_address_and_nothing_else) {
  const std::vector<float> values = sample_rows();
  const Floats row = Floats(values).first(kColumns);
  for (const BlockFacts &facts : block_types()) {
    if (!facts.is_written) {
      continue;
    }
    const size_t row_bytes = kColumns / facts.values * facts.bytes;
    std::vector<uint8_t> aligned(row_bytes);
    ASSERT_TRUE(encode_row(facts.type, row, {}, aligned));
    std::vector<uint8_t> odd(row_bytes + 2, 0xEE);
    ASSERT_TRUE(encode_row(facts.type, row, {}, std::span(odd).subspan(1, row_bytes)));
    EXPECT_EQ(std::memcmp(odd.data() + 1, aligned.data(), row_bytes), 0) << facts.name;
    EXPECT_EQ(odd.front(), 0xEE);
    EXPECT_EQ(odd.back(), 0xEE);
  }
}

} // namespace
} // namespace monoquant::layout::gguf
