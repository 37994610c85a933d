#include "monoquant/quant/pruning.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace monoquant::quant {
namespace {

struct PruningRow {
  const char *what;
  std::vector<float> row;
  uint64_t zeros;
  std::vector<float> squares;
  std::vector<uint8_t> mask;
};

TEST(Pruning, marks_the_weights_that_count_least) {
  const PruningRow rows[] = {
      {"none", {1, 2, 3}, 0, {}, {0, 0, 0}},
      {"all", {1, 2}, 2, {}, {1, 1}},
      {"by magnitude", {-4, 1, 3, -2, 5}, 2, {}, {0, 1, 0, 1, 0}},
      {"of equals those of lower columns", {1, -1, 1, 1, 2}, 2, {}, {1, 1, 0, 0, 0}},
      {"what is zero first", {0.5F, 0, -0.0F, 3}, 2, {}, {0, 1, 1, 0}},
      {"by inputs", {1, 2, 3, 4}, 2, {100, 1, 1, 1}, {0, 1, 1, 0}},
      // 3 * sqrt(2) = 4.24 > 4 * sqrt(1) > 1 * sqrt(15) = 3.87: magnitude times the root, not times the square.
      {"by the roots of mean squares", {3, 4, 1}, 1, {2, 1, 15}, {0, 0, 1}},
      {"unused columns first", {9, 1, 8, 1}, 2, {0, 1, 0, 1}, {1, 0, 1, 0}},
      {"smallest numbers", {1e-44F, 1e-45F, 1e-43F}, 1, {1e-38F, 1e-38F, 1e-38F}, {0, 1, 0}},
      {"largest numbers", {3e38F, -2e38F, 3.1e38F}, 1, {3e38F, 3e38F, 3e38F}, {0, 1, 0}},
  };
  for (const PruningRow &row : rows) {
    std::vector<uint8_t> mask(row.row.size(), 7);
    choose_pruned(row.row, row.zeros, row.squares, mask);
    EXPECT_EQ(mask, row.mask) << row.what;
  }
}

TEST(Pruning, rounds_shares_down) {
  EXPECT_EQ(pruned_of(10, 30), 3U);
  EXPECT_EQ(pruned_of(64, 20), 12U);
  EXPECT_EQ(pruned_of(4, 24.9), 0U);
  EXPECT_EQ(pruned_of(65'536, 99.999), 65'535U);
  EXPECT_EQ(pruned_of(1000, 0.1), 1U);
}

TEST(Pruning, counts_what_is_lost) {
  const std::vector<float> original = {3, -4, 1, 2};
  const std::vector<uint8_t> mask = {1, 1, 0, 0};
  ErrorSums sums{5, 0.25, 0.5F, {50, 1}};
  add_pruned({original, mask}, std::vector<float>{2, 1}, sums);
  EXPECT_EQ(sums.signal, 5 + 25.0);
  EXPECT_EQ(sums.noise, 0.25 + 25.0);
  EXPECT_EQ(sums.peak, 4.0F);
  EXPECT_EQ(sums.output.signal, 50 + 2 * 9.0 + 16.0);
  EXPECT_EQ(sums.output.noise, 1 + 2 * 9.0 + 16.0);
}

} // namespace
} // namespace monoquant::quant
