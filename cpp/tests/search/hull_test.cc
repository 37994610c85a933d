#include "monoquant/search/hull.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "support/random.h"

namespace monoquant::search {
namespace {

using Sets = std::vector<std::vector<Option>>;

Table table_of(const Sets &sets, uint64_t fixed_bytes = 0) {
  auto table = Table::make(sets, fixed_bytes);
  EXPECT_TRUE(table) << table.error().message;
  return std::move(table.value());
}

/// Any points, convex or not, some of them equal.
Sets random_sets(test::Random &random, size_t sets, size_t options) {
  Sets made(sets);
  for (auto &set : made) {
    const size_t count = 1 + random.index(options);
    for (size_t i = 0; i < count; ++i) {
      const auto error = static_cast<double>(random.below(50)) / 16;
      set.push_back({random.below(40), error, error, 0});
    }
  }
  return made;
}

/// Calls `take` with every choice there is.
template <typename Take> void for_choices(const Table &table, Take take) {
  Choice choice(table.sets());
  for (bool is_over = false; !is_over;) {
    take(choice);
    is_over = true;
    for (uint32_t set = 0; set < table.sets() && is_over; ++set) {
      choice[set] = static_cast<uint16_t>((choice[set] + 1U) % table.options(set).size());
      is_over = choice[set] == 0;
    }
  }
}

/// The least error by bytes, by trying everything.
std::vector<double> least_errors(const Table &table, uint64_t most) {
  std::vector<double> least(most + 1, std::numeric_limits<double>::infinity());
  for_choices(table, [&](const Choice &choice) {
    const Score score = table.score(choice);
    least[score.bytes] = std::min(least[score.bytes], score.error);
  });
  for (size_t i = 1; i < least.size(); ++i) {
    least[i] = std::min(least[i], least[i - 1]);
  }
  return least;
}

double largest_step(const Hull &hull) {
  double largest = 0;
  for (size_t i = 1; i < hull.curve().size(); ++i) {
    largest = std::max(largest, hull.curve()[i - 1].error - hull.curve()[i].error);
  }
  return largest;
}

constexpr double kRounding = 1e-12;

TEST(Hull, allocations_against_every_choice_there_is) {
  test::Random random(1);
  size_t best = 0;
  size_t all = 0;
  for (int round = 0; round < 150; ++round) {
    const Table table = table_of(random_sets(random, 1 + random.index(5), 6), random.below(9));
    const Hull hull(table);
    const uint64_t smallest = hull.curve()[0].bytes;
    const uint64_t largest = hull.curve().back().bytes + 1;
    const auto least = least_errors(table, 9 + 40 * 5);
    double before = std::numeric_limits<double>::infinity();
    for (uint64_t budget = smallest; budget <= largest; ++budget) {
      const auto found = hull.allocate(budget);
      ASSERT_TRUE(found);
      const Allocation &allocation = found.value();
      ASSERT_TRUE(table.holds(allocation.choice));
      EXPECT_LE(allocation.bytes, budget);
      EXPECT_EQ(allocation.bytes, table.score(allocation.choice).bytes);
      EXPECT_EQ(allocation.error, table.score(allocation.choice).error);
      EXPECT_LE(allocation.bound, least[budget] + kRounding);
      EXPECT_GE(allocation.error, least[budget] - kRounding);
      EXPECT_LE(allocation.error, allocation.bound + largest_step(hull) + kRounding);
      EXPECT_LE(allocation.error, before + kRounding) << "a larger budget, a larger error";
      if (allocation.is_optimal) {
        EXPECT_NEAR(allocation.error, least[budget], kRounding);
      }
      before = allocation.error;
      best += allocation.error <= least[budget] + kRounding ? 1U : 0U;
      ++all;
    }
  }
  // Measured: 99.7 %; without the repair 77 %.
  EXPECT_GT(best * 100, all * 99) << best << " of " << all;
}

TEST(Hull, a_larger_budget_never_gives_a_larger_error) {
  test::Random random(3);
  for (int round = 0; round < 20; ++round) {
    Sets sets(6);
    for (auto &set : sets) {
      for (int i = 0; i < 6; ++i) {
        set.push_back({random.below(300), static_cast<double>(random.below(1000)), 0, 0});
      }
    }
    const Table table = table_of(sets);
    const Hull hull(table);
    double before = std::numeric_limits<double>::infinity();
    for (uint64_t budget = hull.curve()[0].bytes; budget <= hull.curve().back().bytes; ++budget) {
      const double error = hull.allocate(budget).value().error;
      ASSERT_LE(error, before) << budget;
      before = error;
    }
  }
}

TEST(Hull, corners_are_optimal) {
  test::Random random(2);
  for (int round = 0; round < 200; ++round) {
    const Table table = table_of(random_sets(random, 1 + random.index(5), 6));
    const Hull hull(table);
    const auto least = least_errors(table, 40 * 5);
    for (size_t i = 0; i < hull.curve().size(); ++i) {
      const Corner &corner = hull.curve()[i];
      EXPECT_NEAR(corner.error, least[corner.bytes], kRounding);
      const Score score = table.score(hull.choice_at(i));
      EXPECT_EQ(score.bytes, corner.bytes);
      EXPECT_NEAR(score.error, corner.error, kRounding);
      const auto found = hull.allocate(corner.bytes);
      ASSERT_TRUE(found);
      EXPECT_TRUE(found.value().is_optimal);
      EXPECT_EQ(found.value().choice, hull.choice_at(i));
    }
  }
}

TEST(Hull, the_curve_is_convex_and_leaves_out_what_lies_above) {
  // The second option lies above the line from the first to the third, the last one is larger and worse.
  const Table table = table_of({{{10, 8, 0, 0}, {20, 7, 0, 0}, {30, 1, 0, 0}, {40, 2, 0, 0}}});
  const Hull hull(table);
  ASSERT_EQ(hull.curve().size(), 2U);
  EXPECT_EQ(hull.curve()[1].bytes, 30U);
  // It is used nevertheless, where the next corner does not fit.
  EXPECT_EQ(hull.allocate(19).value().choice[0], 0);
  EXPECT_EQ(hull.allocate(29).value().choice[0], 1);
  EXPECT_FALSE(hull.allocate(29).value().is_optimal);
  EXPECT_EQ(hull.allocate(30).value().choice[0], 2);
  EXPECT_EQ(hull.allocate(1000).value().choice[0], 2);
  EXPECT_TRUE(hull.allocate(1000).value().is_optimal);
}

TEST(Hull, of_equal_slopes_the_first_set_comes_first) {
  const std::vector<Option> step = {{4, 2, 0, 0}, {6, 1, 0, 0}};
  const Table table = table_of({step, step, step});
  const Hull hull(table);
  EXPECT_EQ(hull.choice_at(1), (Choice{1, 0, 0}));
  EXPECT_EQ(hull.choice_at(2), (Choice{1, 1, 0}));
  EXPECT_EQ(hull.allocate(15).value().choice, (Choice{1, 0, 0}));
}

TEST(Hull, what_still_fits_in_front_of_a_large_step_is_bought) {
  const Table table =
      table_of({{{100, 10, 0, 0}, {200, 0, 0, 0}}, {{10, 1, 0, 0}, {20, 0.5, 0, 0}}});
  const auto found = Hull(table).allocate(125);
  ASSERT_TRUE(found);
  EXPECT_EQ(found.value().choice, (Choice{0, 1}));
  EXPECT_EQ(found.value().bytes, 120U);
  EXPECT_EQ(found.value().error, 10.5);
  EXPECT_NEAR(found.value().bound, 11 - 1.5, kRounding);
}

TEST(Hull, small_errors_at_the_end_are_not_rounded_away) {
  const Table table =
      table_of({{{1, 1e9, 0, 0}, {2, 1e-9, 0, 0}}, {{1, 3, 0, 0}, {2, 1e-12, 0, 0}}});
  EXPECT_EQ(Hull(table).curve().back().error, 1e-9 + 1e-12);
}

TEST(Hull, no_sets_are_a_file_of_what_is_fixed) {
  const Table table = table_of({}, 12);
  const Hull hull(table);
  ASSERT_EQ(hull.curve().size(), 1U);
  EXPECT_EQ(hull.allocate(12).value().bytes, 12U);
  EXPECT_TRUE(hull.allocate(12).value().is_optimal);
}

TEST(Hull, a_budget_below_the_smallest_file_is_refused_with_its_size) {
  const Table table = table_of({{{10, 8, 0, 0}, {7, 9, 0, 0}}}, 5);
  const auto found = Hull(table).allocate(11);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalidOptions);
  EXPECT_NE(found.error().message.find("at least 12 bytes"), std::string::npos);
}

TEST(Table, refuses_what_cannot_be_summed) {
  EXPECT_FALSE(Table::make({{}}, 0));
  EXPECT_FALSE(Table::make({{{1, std::numeric_limits<double>::quiet_NaN(), 0, 0}}}, 0));
  EXPECT_FALSE(Table::make({{{1, -1, 0, 0}}}, 0));
  EXPECT_FALSE(Table::make({{{1, 1, std::numeric_limits<double>::infinity(), 0}}}, 0));
  EXPECT_FALSE(Table::make({{{1, 1, 1, -1}}}, 0));
  EXPECT_FALSE(Table::make({std::vector<Option>(kMostOptions + 1)}, 0));
  EXPECT_TRUE(Table::make({std::vector<Option>(kMostOptions)}, 0));
}

TEST(Table, files_are_no_larger_than_javascript_counts) {
  EXPECT_TRUE(Table::make({{{kMostBytes - 7, 0, 0, 0}}, {{4, 0, 0, 0}}}, 3));
  EXPECT_FALSE(Table::make({{{kMostBytes - 7, 0, 0, 0}}, {{5, 0, 0, 0}}}, 3));
  EXPECT_FALSE(Table::make({{{UINT64_MAX, 0, 0, 0}}, {{UINT64_MAX, 0, 0, 0}}}, 0));
  EXPECT_FALSE(Table::make({{{UINT64_MAX, 0, 0, 0}}}, 1)) << "the sum would wrap around";
  EXPECT_FALSE(Table::make({}, UINT64_MAX));
  const Table table = table_of({{{0, 1, 0, 0}, {kMostBytes, 0, 0, 0}}});
  EXPECT_EQ(Hull(table).allocate(UINT64_MAX).value().bytes, kMostBytes);
  EXPECT_EQ(Hull(table).allocate(kMostBytes - 1).value().bytes, 0U);
}

} // namespace
} // namespace monoquant::search
