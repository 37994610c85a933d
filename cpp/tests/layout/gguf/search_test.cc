// Searched blocks beside ggml's: what is lost under the same weights.
#include "monoquant/layout/gguf/search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "monoquant/layout/gguf/decode.h"
#include "monoquant/layout/gguf/encode.h"
#include "support/random.h"

namespace monoquant::layout::gguf {
namespace {

using test::Random;

constexpr size_t kSearchedColumns = 512;

double lost(const BlockFacts &facts, std::span<const float> values,
            std::span<const float> importance, const std::vector<uint8_t> &bytes) {
  std::vector<float> stored(values.size());
  EXPECT_TRUE(decode_blocks(facts.type, bytes, stored));
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double error = double{values[i]} - double{stored[i]};
    sum += (importance.empty() ? 1.0 : double{importance[i]}) * error * error;
  }
  return sum;
}

/// Bell-shaped, with long tails, all positive, few values that are not 0, one value, zeros, subnormal, huge.
std::vector<float> searched_values(size_t kind, Random &random) {
  std::vector<float> values(kSearchedColumns);
  for (float &value : values) {
    const float bell = random.signed_unit() + random.signed_unit() + random.signed_unit();
    switch (kind) {
    case 0:
      value = 0.02F * bell;
      break;
    case 1:
      value = 0.02F * bell * bell * bell;
      break;
    case 2:
      value = 1.0F + std::fabs(bell);
      break;
    case 3:
      value = random.chance(8) ? bell : 0;
      break;
    case 4:
      value = -0.0123F;
      break;
    case 5:
      value = 0;
      break;
    case 6:
      value = std::ldexp(bell, -140);
      break;
    default:
      value = bell * 1e30F;
    }
  }
  return values;
}

constexpr size_t kSearchedKinds = 8;

std::vector<float> searched_importance(size_t kind, Random &random) {
  std::vector<float> importance(kind == 0 ? 0 : kSearchedColumns);
  for (float &value : importance) {
    const float unit = random.signed_unit();
    value = kind == 1 ? unit * unit + 1e-3F : random.chance(2) ? 0 : unit * unit * 1e-20F;
  }
  return importance;
}

TEST(GgufSearch, loses_no_more_than_ggml_in_any_block) {
  Random random(11);
  size_t searched = 0;
  for (const BlockFacts &facts : block_types()) {
    searched += is_searched(facts.type) ? 1U : 0U;
    for (size_t i = 0; is_searched(facts.type) && i < 3 * kSearchedKinds; ++i) {
      const std::vector<float> row = searched_values(i % kSearchedKinds, random);
      const std::vector<float> weights = searched_importance(i / kSearchedKinds, random);
      for (size_t at = 0; at < row.size(); at += facts.values) {
        const std::span values = std::span(row).subspan(at, facts.values);
        const auto importance = weights.empty()
                                    ? std::span<const float>()
                                    : std::span<const float>(weights).subspan(at, facts.values);
        std::vector<uint8_t> ggml(facts.bytes);
        std::vector<uint8_t> own(facts.bytes);
        ASSERT_TRUE(encode_row(facts.type, values, importance, ggml));
        ASSERT_TRUE(search_row(facts.type, values, importance, own));
        const double most = lost(facts, values, importance, ggml);
        if (std::isfinite(most)) {
          EXPECT_LE(lost(facts, values, importance, own), most)
              << facts.name << ", values " << i % kSearchedKinds << ", block at " << at;
        }
      }
    }
  }
  EXPECT_EQ(searched, 12U);
}

// Measured on bell-shaped weights: from 4 % (Q4_K) to 26 % (Q2_K) less noise without importance.
TEST(GgufSearch, loses_less_than_ggml_on_the_whole) {
  for (const BlockFacts &facts : block_types()) {
    for (size_t kind = 0; is_searched(facts.type) && kind < 2; ++kind) {
      Random random(5);
      double ggml_loss = 0;
      double own_loss = 0;
      for (size_t i = 0; i < 16; ++i) {
        const std::vector<float> row = searched_values(0, random);
        const std::vector<float> importance = searched_importance(kind, random);
        std::vector<uint8_t> ggml(row.size() / facts.values * facts.bytes);
        std::vector<uint8_t> own(ggml.size());
        ASSERT_TRUE(encode_row(facts.type, row, importance, ggml));
        ASSERT_TRUE(search_row(facts.type, row, importance, own));
        ggml_loss += lost(facts, row, importance, ggml);
        own_loss += lost(facts, row, importance, own);
      }
      EXPECT_LT(own_loss, 0.98 * ggml_loss) << facts.name << ", importance " << kind;
    }
  }
}

TEST(GgufSearch, leaves_other_types_and_odd_values_to_ggml) {
  std::vector<float> row(256, 0.5F);
  row[7] = std::numeric_limits<float>::infinity();
  row[40] = std::numeric_limits<float>::quiet_NaN();
  for (const BlockFacts &facts : block_types()) {
    if (!facts.is_written) {
      EXPECT_FALSE(is_searched(facts.type)) << facts.name;
      continue;
    }
    std::vector<uint8_t> ggml(row.size() / facts.values * facts.bytes);
    std::vector<uint8_t> own(ggml.size());
    ASSERT_TRUE(encode_row(facts.type, row, {}, ggml));
    ASSERT_TRUE(search_row(facts.type, row, {}, own));
    if (!is_searched(facts.type) || facts.values == 256) {
      EXPECT_EQ(own, ggml) << facts.name;
    }
    EXPECT_FALSE(search_row(facts.type, row, {}, std::span(own).subspan(1))) << facts.name;
  }
}

} // namespace
} // namespace monoquant::layout::gguf
