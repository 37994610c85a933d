#include "monoquant/layout/compressed_tensors/zero_points.h"

#include <gtest/gtest.h>

#include "monoquant/base/bytes.h"
#include "monoquant/layout/packed_codes.h"
#include "support/random.h"

namespace monoquant::layout::compressed_tensors {
namespace {

Stored stored_of(uint32_t bits, uint64_t matrices, uint64_t rows, uint64_t groups) {
  Stored stored;
  stored.scheme.bits = bits;
  stored.scheme.symmetric = false;
  stored.scheme.strategy = quant::Strategy::kGroup;
  stored.scheme.group_size = 8;
  stored.weights_only = true;
  stored.matrices = matrices;
  stored.rows = rows;
  stored.columns = 8 * groups;
  return stored;
}

TEST(ZeroPoints, example_of_the_format) {
  // Eight rows of one group: 0 2 0 -2 0 1 -2 0, each plus 8, the first in the lowest bits.
  const std::vector<int32_t> zero_points = {0, 2, 0, -2, 0, 1, -2, 0};
  uint8_t bytes[4];
  EXPECT_EQ(pack_zero_points(stored_of(4, 1, 8, 1), 0, zero_points, bytes), 4U);
  EXPECT_EQ(load_le<uint32_t>(bytes), 0x869868A8U);
}

TEST(ZeroPoints, every_row_group_and_matrix_has_its_place) {
  test::Random random(12);
  for (int round = 0; round < 400; ++round) {
    const auto bits = static_cast<uint32_t>(2 + random.below(7));
    const uint64_t matrices = 1 + random.below(3);
    const uint64_t rows = 1 + random.below(40);
    const uint64_t groups = 1 + random.below(4);
    const Stored stored = stored_of(bits, matrices, rows, groups);
    std::vector<int32_t> zero_points(static_cast<size_t>(matrices * rows * groups));
    for (int32_t &zero_point : zero_points) {
      zero_point = static_cast<int32_t>(random.below(1U << bits)) - (1 << (bits - 1));
    }
    const uint64_t words = (rows * bits + 31) / 32;
    ASSERT_EQ(packed_zero_point_bytes(stored, 0, matrices * rows), matrices * words * groups * 4);
    std::vector<uint8_t> bytes(static_cast<size_t>(matrices * words * groups * 4), 0xEE);
    ASSERT_EQ(pack_zero_points(stored, 0, zero_points, bytes.data()), bytes.size());
    for (uint64_t matrix = 0; matrix < matrices; ++matrix) {
      for (uint64_t row = 0; row < words * 32 / bits; ++row) {
        for (uint64_t group = 0; group < groups; ++group) {
          int64_t stored = 0;
          for (uint64_t bit = row * bits; bit < (row + 1) * bits; ++bit) {
            const uint64_t word = (matrix * words + bit / 32) * groups + group;
            const uint32_t set = load_le<uint32_t>(bytes.data() + 4 * word) >> (bit % 32) & 1U;
            stored |= static_cast<int64_t>(set) << (bit - row * bits);
          }
          const uint64_t at = (matrix * rows + row) * groups + group;
          const int64_t expected = // rows that do not exist are zero bits
              row < rows ? zero_points[static_cast<size_t>(at)] + (1 << (bits - 1)) : 0;
          ASSERT_EQ(stored, expected);
        }
      }
    }
    // In two parts, cut where a word begins, it is the same.
    const uint64_t cut = random.below(words) * codes_in_words(bits);
    if (cut < rows) {
      const auto head = static_cast<size_t>(cut * groups);
      std::vector<uint8_t> parts(bytes.size(), 0xEE);
      const size_t first =
          pack_zero_points(stored, 0, std::span(zero_points).first(head), parts.data());
      ASSERT_EQ(first, packed_zero_point_bytes(stored, 0, cut));
      pack_zero_points(stored, cut, std::span(zero_points).subspan(head), parts.data() + first);
      ASSERT_EQ(parts, bytes);
    }
  }
}

} // namespace
} // namespace monoquant::layout::compressed_tensors
