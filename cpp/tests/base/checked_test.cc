#include "monoquant/base/checked.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "support/random.h"

namespace monoquant {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(Checked, sums_that_do_not_fit_are_nothing) {
  EXPECT_EQ(checked_add(kMax - 1, 1), kMax);
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_add(kMax, kMax), std::nullopt);
  EXPECT_EQ(checked_add(0, 0), 0U);
}

TEST(Checked, products_that_do_not_fit_are_nothing) {
  test::Random random(1);
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t a = random.bits() >> random.below(64);
    const uint64_t b = random.bits() >> random.below(64);
    const bool fits = b == 0 || a <= kMax / b;
    ASSERT_EQ(checked_mul(a, b), fits ? std::optional(a * b) : std::nullopt) << a << " * " << b;
  }
  EXPECT_EQ(checked_mul(uint64_t{1} << 32U, uint64_t{1} << 32U), std::nullopt);
}

TEST(Checked, a_shape_with_a_zero_is_empty_however_large_the_rest) {
  EXPECT_EQ(checked_product(std::vector<uint64_t>{}), 1U);
  EXPECT_EQ(checked_product(std::vector<uint64_t>{2, 3, 4}), 24U);
  EXPECT_EQ(checked_product(std::vector<uint64_t>{kMax, kMax, 0}), 0U);
  EXPECT_EQ(checked_product(std::vector<uint64_t>{kMax, 2}), std::nullopt);
  EXPECT_EQ(checked_product(std::vector<uint64_t>{kMax, 1, 1}), kMax);
}

TEST(Checked, dividing_up_never_overflows) {
  EXPECT_EQ(divide_up(0, 8), 0U);
  EXPECT_EQ(divide_up(1, 8), 1U);
  EXPECT_EQ(divide_up(8, 8), 1U);
  EXPECT_EQ(divide_up(9, 8), 2U);
  EXPECT_EQ(divide_up(kMax, 2), uint64_t{1} << 63U);
}

} // namespace
} // namespace monoquant
