// Rows to blocks, beside the bytes that ggml writes.
#include "monoquant/layout/gguf/encode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "layout/gguf/blocks_fixture.h"
#include "monoquant/layout/gguf/decode.h"
#include "support/random.h"

namespace monoquant::layout::gguf {
namespace {

using Bytes = std::vector<uint8_t>;
using Floats = std::span<const float>;
using test::Random;

Bytes encoded(const BlockFacts &facts, Floats row, Floats importance) {
  Bytes bytes(row.size() / facts.values * facts.bytes, 0xEE);
  EXPECT_TRUE(encode_row(facts.type, row, importance, bytes)) << facts.name;
  return bytes;
}

/// The name in the fixtures; what does not depend on the importance is there once.
std::string golden_name(const BlockFacts &facts, bool is_important) {
  const bool is_other = is_important && facts.uses_importance;
  return std::string(facts.name) + (is_other ? ".important" : ".plain");
}

// Rows: normal, with long tails, zeros, one value, the smallest and largest of F16, a ramp.
TEST(GgufEncode, writes_the_bytes_that_ggml_writes) {
  const std::vector<float> values = golden_values("input");
  const std::vector<float> importance = golden_values("importance");
  for (const BlockFacts &facts : block_types()) {
    if (!facts.is_written || facts.type == BlockType::kF32) {
      continue;
    }
    for (const bool is_important : {false, true}) {
      const Bytes &golden = golden_blocks().tensors.at(golden_name(facts, is_important)).bytes;
      const size_t row_bytes = golden.size() / kGoldenRows;
      for (size_t row = 0; row < kGoldenRows; ++row) {
        const Bytes bytes =
            encoded(facts, Floats(values).subspan(row * kGoldenColumns, kGoldenColumns),
                    is_important ? Floats(importance) : Floats());
        const auto begin = golden.begin() + static_cast<std::ptrdiff_t>(row * row_bytes);
        const Bytes expected(begin, begin + static_cast<std::ptrdiff_t>(row_bytes));
        EXPECT_EQ(bytes, expected) << golden_name(facts, is_important) << ", row " << row;
      }
    }
  }
}

constexpr size_t kRandomRows = 32;

float sample_value(Random &random, size_t kind, float scale) {
  const float unit = random.signed_unit();
  switch (kind) {
  case 0:
    return unit * unit * unit * scale;
  case 1:
    return unit * scale;
  case 2:
    return std::fabs(unit) * scale;
  case 3:
    return static_cast<float>(static_cast<int32_t>(random.below(17)) - 8) * scale;
  case 4:
    return random.chance(8) ? unit * scale : 0;
  case 5:
    return std::ldexp(unit, -static_cast<int>(random.below(40)));
  case 6:
    return scale;
  default:
    return unit * scale + 4 * scale;
  }
}

std::vector<float> random_rows() {
  Random random(42);
  std::vector<float> values;
  for (size_t row = 0; row < kRandomRows; ++row) {
    const float scale = std::ldexp(1.0F, -static_cast<int>(random.below(24)));
    for (size_t i = 0; i < kGoldenColumns; ++i) {
      values.push_back(sample_value(random, row % 8, scale));
    }
  }
  return values;
}

/// Of rows: all 1, of different sizes, with zeros, with whole blocks of zeros.
std::vector<float> random_importances() {
  Random random(43);
  std::vector<float> importances;
  for (size_t row = 0; row < kRandomRows; ++row) {
    bool is_block = true;
    for (size_t i = 0; i < kGoldenColumns; ++i) {
      const float unit = random.signed_unit();
      const float square = unit * unit;
      is_block = i % 32 == 0 ? random.chance(2) : is_block;
      switch (row / 8 % 4) {
      case 0:
        importances.push_back(1);
        break;
      case 1:
        importances.push_back(square * square + 0x1p-10F);
        break;
      case 2:
        importances.push_back(random.chance(2) ? 0 : square);
        break;
      default:
        importances.push_back(is_block ? square : 0);
      }
    }
  }
  return importances;
}

TEST(GgufEncode, writes_the_bytes_that_ggml_writes_of_random_rows) {
  const std::vector<float> values = random_rows();
  const std::vector<float> importances = random_importances();
  const Json &digests = golden_digests()["random_rows"];
  for (const BlockFacts &facts : block_types()) {
    if (!facts.is_written || facts.type == BlockType::kF32) {
      continue;
    }
    for (const bool is_important : {false, true}) {
      Bytes all;
      for (size_t at = 0; at < values.size(); at += kGoldenColumns) {
        const Bytes bytes =
            encoded(facts, Floats(values).subspan(at, kGoldenColumns),
                    is_important ? Floats(importances).subspan(at, kGoldenColumns) : Floats());
        all.insert(all.end(), bytes.begin(), bytes.end());
      }
      const std::string name = golden_name(facts, is_important);
      EXPECT_EQ(test::sha256(all), digests.at(name)) << name;
    }
  }
}

// Found by breaking the code: the last sweep of a descent, a tie of codes, scales that are negative by rounding.
TEST(GgufEncode, writes_the_bytes_that_ggml_writes_of_rare_rows) {
  const auto &tensors = golden_blocks().tensors;
  size_t compared = 0;
  for (const auto &[name, tensor] : tensors) {
    const size_t dot = name.rfind('.');
    const BlockFacts *facts = find_block_type(std::string_view(name).substr(dot + 1));
    if (!name.starts_with("rare.") || facts == nullptr) {
      continue;
    }
    const std::string stem = name.substr(0, dot);
    const std::vector<float> values = golden_values(stem + ".values");
    const bool is_important = tensors.contains(stem + ".importance");
    const std::vector<float> importance =
        is_important ? golden_values(stem + ".importance") : std::vector<float>();
    EXPECT_EQ(encoded(*facts, values, importance), tensor.bytes) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 12U);
}

TEST(GgufEncode, rounds_half_away_from_zero_where_ggml_does) {
  std::vector<float> row(256);
  row[0] = 127; // a step of 1
  row[1] = 0.5F;
  row[2] = -0.5F;
  row[3] = 2.5F;
  row[4] = -2.4999998F;
  const Bytes q8 = encoded(facts_of(BlockType::kQ80), row, {});
  EXPECT_EQ(Bytes(q8.begin() + 2, q8.begin() + 7), (Bytes{127, 1, 0xFF, 3, 0xFE}));
  row = std::vector<float>(256);
  row[0] = 1;
  row[1] = 0.5F;
  row[2] = -0.5F;
  row[3] = 0.49999997F;
  const Bytes tq2 = encoded(facts_of(BlockType::kTq20), row, {});
  EXPECT_EQ(tq2[0] & 3, 2);
  EXPECT_EQ(tq2[1] & 3, 2);
  EXPECT_EQ(tq2[2] & 3, 0);
  EXPECT_EQ(tq2[3] & 3, 1);
}

TEST(GgufEncode, finds_the_scales_of_nvfp4_that_ggml_finds) {
  const BlockFacts &facts = facts_of(BlockType::kNvfp4);
  const std::pair<float, uint8_t> scales[] = {
      {1, 0x38},       {1.0624F, 0x38}, {1.0625F, 0x39}, // half up
      {1.9999F, 0x40}, {247.9F, 0x77},  {248, 0x7E},
      {256, 0x7E},     {300, 0x7E},     {448, 0x7E}, // from 256 on all are the largest
      {1e9F, 0x7E},    {0x1p-6F, 8},    {0.0156F, 7},
      {0x1p-9F, 1},    {0x1p-10F, 1},   {0x1p-11F, 0},
  };
  for (const auto &[scale, code] : scales) {
    std::vector<float> row(64);
    row[3] = -6 * scale;
    EXPECT_EQ(encoded(facts, row, {})[0], code) << scale;
  }
}

// An exponent that is found by a logarithm of F32, which is rounded up just below powers of two.
TEST(GgufEncode, finds_the_exponents_of_mxfp4_that_ggml_finds) {
  const BlockFacts &facts = facts_of(BlockType::kMxfp4);
  std::vector<float> row(32);
  size_t rounded_up = 0;
  for (int exponent = -120; exponent <= 127; ++exponent) {
    float value = std::ldexp(1.0F, exponent);
    for (int i = 0; i < 60; ++i) {
      row[5] = -value;
      const auto logarithm = static_cast<float>(std::log2(static_cast<double>(value)));
      const int expected = static_cast<int>(std::floor(logarithm)) - 2 + 127;
      EXPECT_EQ(encoded(facts, row, {})[0], expected) << value;
      rounded_up += i > 0 && logarithm == static_cast<float>(exponent) ? 1 : 0;
      value = std::nextafter(value, 0.0F);
    }
  }
  EXPECT_GT(rounded_up, 2000U);
}

TEST(GgufEncode, refuses_other_sizes_and_types_that_are_only_read) {
  for (const BlockFacts &facts : block_types()) {
    const std::vector<float> row(size_t{3} * facts.values, 1.0F);
    Bytes bytes(size_t{3} * facts.bytes);
    if (!facts.is_written) {
      EXPECT_FALSE(encode_row(facts.type, row, {}, bytes)) << facts.name;
      EXPECT_FALSE(encode_row(facts.type, {}, {}, {})) << facts.name;
      continue;
    }
    EXPECT_TRUE(encode_row(facts.type, row, row, bytes)) << facts.name;
    EXPECT_TRUE(encode_row(facts.type, {}, {}, {})) << facts.name;
    EXPECT_FALSE(encode_row(facts.type, Floats(row).subspan(1), {}, bytes)) << facts.name;
    EXPECT_FALSE(encode_row(facts.type, row, {}, std::span(bytes).subspan(1))) << facts.name;
    EXPECT_FALSE(encode_row(facts.type, row, {}, {})) << facts.name;
    EXPECT_FALSE(encode_row(facts.type, {}, {}, bytes)) << facts.name;
    const auto refused = encode_row(facts.type, row, Floats(row).subspan(1), bytes);
    ASSERT_FALSE(refused) << facts.name;
    EXPECT_EQ(refused.error().code, ErrorCode::kInternal);
  }
}

// Nothing is promised of such rows but that they do no harm, whatever the importance.
TEST(GgufEncode, survives_values_that_are_not_finite) {
  Random random(7);
  const float infinity = std::numeric_limits<float>::infinity();
  const float odd[] = {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(),
                       0.0F,     -0.0F,     std::numeric_limits<float>::max(),
                       0x1p-149F};
  for (int round = 0; round < 30; ++round) {
    std::vector<float> row(512);
    std::vector<float> importance(512);
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] =
          random.chance(1 + static_cast<uint64_t>(round)) ? random.pick(odd) : random.finite_bits();
      importance[i] = random.chance(30) ? random.pick(odd) : std::fabs(random.finite_bits());
    }
    for (const BlockFacts &facts : block_types()) {
      if (facts.is_written) {
        EXPECT_EQ(encoded(facts, row, {}), encoded(facts, row, {}));
        EXPECT_EQ(encoded(facts, row, importance).size(), encoded(facts, row, {}).size());
      }
    }
  }
}

} // namespace
} // namespace monoquant::layout::gguf
