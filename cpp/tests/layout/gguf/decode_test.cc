// Blocks to values, beside what ggml makes of them.
#include "monoquant/layout/gguf/decode.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "layout/gguf/blocks_fixture.h"
#include "monoquant/layout/gguf/grids.h"
#include "support/random.h"

namespace monoquant::layout::gguf {
namespace {

using Bytes = std::vector<uint8_t>;

std::vector<float> decoded(const BlockFacts &facts, std::span<const uint8_t> bytes) {
  std::vector<float> values(bytes.size() / facts.bytes * facts.values, 123.0F);
  EXPECT_TRUE(decode_blocks(facts.type, bytes, values)) << facts.name;
  return values;
}

/// Any bytes, the same for each type.
Bytes random_blocks(const BlockFacts &facts) {
  const size_t count = facts.values == 1 ? 16384 : 1024;
  Bytes bytes((count * facts.bytes + 7) / 8 * 8);
  test::Random random(static_cast<uint64_t>(facts.type));
  for (size_t at = 0; at < bytes.size(); at += 8) {
    const uint64_t bits = random.bits();
    std::memcpy(bytes.data() + at, &bits, 8);
  }
  bytes.resize(count * facts.bytes);
  return bytes;
}

TEST(GgufDecode, gives_the_values_that_ggml_gives) {
  size_t compared = 0;
  for (const auto &[name, digest] : golden_digests()["values"].items()) {
    const BlockFacts *facts = find_block_type(std::string_view(name).substr(0, name.find('.')));
    ASSERT_NE(facts, nullptr) << name;
    const Bytes &bytes = golden_blocks().tensors.at(name).bytes;
    ASSERT_EQ(bytes.size(), block_bytes(*facts, kGoldenRows * kGoldenColumns)) << name;
    EXPECT_EQ(digest_of(decoded(*facts, bytes)), digest) << name;
    ++compared;
  }
  EXPECT_GT(compared, 40U);
}

// Every code of every grid is among them, scales that are infinite, and NaN.
TEST(GgufDecode, gives_the_values_that_ggml_gives_of_any_bytes) {
  const Json &digests = golden_digests()["random_blocks"];
  EXPECT_EQ(digests.size(), block_types().size());
  for (const BlockFacts &facts : block_types()) {
    const std::string name(facts.name);
    EXPECT_EQ(digest_of(decoded(facts, random_blocks(facts))), digests[name]) << name;
  }
}

TEST(GgufDecode, gives_the_same_in_parts_and_at_any_address) {
  for (const BlockFacts &facts : block_types()) {
    const size_t count = 7;
    Bytes bytes = random_blocks(facts);
    bytes.resize(count * facts.bytes);
    const std::vector<float> whole = decoded(facts, bytes);
    bytes.insert(bytes.begin(), 0xEE);
    for (size_t i = 0; i < count; ++i) {
      // Of its own size, so that a step beyond it is seen.
      const Bytes odd(bytes.begin(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(1 + (i + 1) * facts.bytes));
      const std::vector<float> part =
          decoded(facts, std::span(odd).subspan(1 + i * facts.bytes, facts.bytes));
      EXPECT_EQ(
          std::memcmp(part.data(), whole.data() + i * facts.values, facts.values * sizeof(float)),
          0)
          << facts.name << " " << i;
    }
  }
}

TEST(GgufDecode, refuses_what_is_not_whole_blocks) {
  for (const BlockFacts &facts : block_types()) {
    const Bytes bytes(size_t{3} * facts.bytes);
    std::vector<float> values(size_t{3} * facts.values);
    const std::span all(bytes);
    EXPECT_TRUE(decode_blocks(facts.type, {}, {})) << facts.name;
    EXPECT_FALSE(decode_blocks(facts.type, all.first(bytes.size() - 1), values)) << facts.name;
    EXPECT_FALSE(decode_blocks(facts.type, all.first(size_t{2} * facts.bytes), values))
        << facts.name;
    EXPECT_FALSE(decode_blocks(facts.type, all, std::span(values).first(size_t{2} * facts.values)))
        << facts.name;
    EXPECT_FALSE(decode_blocks(facts.type, all, {})) << facts.name;
    EXPECT_FALSE(decode_blocks(facts.type, {}, values)) << facts.name;
    const auto refused = decode_blocks(facts.type, all, std::span(values).subspan(1));
    ASSERT_FALSE(refused) << facts.name;
    EXPECT_EQ(refused.error().code, ErrorCode::kInternal);
    EXPECT_NE(refused.error().message.find(facts.name), std::string::npos);
  }
}

TEST(GgufDecode, keeps_numbers_exactly) {
  const int64_t integers[] = {0, -1, 1 << 24, (1 << 24) + 1, INT64_MAX, INT64_MIN};
  const float expected[] = {0, -1, 0x1p24F, 0x1p24F, 0x1p63F, -0x1p63F};
  Bytes bytes(sizeof(integers));
  std::memcpy(bytes.data(), integers, sizeof(integers));
  const std::vector<float> values = decoded(facts_of(BlockType::kI64), bytes);
  EXPECT_TRUE(std::equal(values.begin(), values.end(), expected));
  const double doubles[] = {0.1, -1e300, 0x1p-150};
  bytes.resize(sizeof(doubles));
  std::memcpy(bytes.data(), doubles, sizeof(doubles));
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(decoded(facts_of(BlockType::kF64), bytes), (std::vector<float>{0.1F, -infinity, 0}));
}

// What the IQ formats are built on: points of one lattice, in ascending order.
TEST(GgufGrids, ascend_and_have_digits_of_their_base) {
  for (const Grid grid :
       {Grid::kIq2Xxs, Grid::kIq2Xs, Grid::kIq2S, Grid::kIq1, Grid::kIq3Xxs, Grid::kIq3S}) {
    const bool is_ternary = grid < Grid::kIq3Xxs;
    std::vector<uint16_t> points(grid_points(grid));
    unpack_grid(grid, points);
    EXPECT_EQ(points[0], 0);
    for (size_t i = 0; i < points.size(); ++i) {
      EXPECT_TRUE(i == 0 || points[i - 1] < points[i]);
      // No digit of two bits is 3.
      EXPECT_EQ(is_ternary ? points[i] & points[i] >> 1 & 0x5555 : points[i] >> 12, 0);
      if (grid < Grid::kIq1) { // sums of digits are even
        EXPECT_EQ(std::popcount(static_cast<uint32_t>(points[i] & 0x5555)) % 2, 0);
      }
    }
  }
}

} // namespace
} // namespace monoquant::layout::gguf
