#include "monoquant/search/front.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/random.h"

namespace monoquant::search {
namespace {

std::vector<Values> random_points(test::Random &random, size_t count, size_t objectives,
                                  uint64_t steps) {
  std::vector<Values> points(count);
  for (Values &point : points) {
    for (size_t i = 0; i < objectives; ++i) {
      point[i] = static_cast<double>(random.below(steps)) / static_cast<double>(steps);
    }
  }
  return points;
}

/// As the paper defines them: front by front, each of what nothing that is left dominates.
std::vector<uint32_t> ranks_by_peeling(const std::vector<Values> &points) {
  std::vector<uint32_t> ranks(points.size(), kDuplicate);
  std::vector<size_t> left;
  for (size_t i = 0; i < points.size(); ++i) {
    if (std::find(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(i), points[i]) ==
        points.begin() + static_cast<std::ptrdiff_t>(i)) {
      left.push_back(i);
    }
  }
  for (uint32_t rank = 0; !left.empty(); ++rank) {
    std::vector<size_t> behind;
    for (const size_t i : left) {
      const bool is_beaten = std::any_of(left.begin(), left.end(), [&](size_t other) {
        return dominates(points[other], points[i]);
      });
      is_beaten ? behind.push_back(i) : void(ranks[i] = rank);
    }
    left = behind;
  }
  return ranks;
}

TEST(Front, ranks_are_those_of_the_definition) {
  test::Random random(1);
  for (int round = 0; round < 200; ++round) {
    const size_t objectives = 1 + random.index(4);
    const auto points = random_points(random, random.index(60), objectives, 2 + random.below(30));
    ASSERT_EQ(ranks_of(points), ranks_by_peeling(points));
  }
}

TEST(Front, crowding_is_the_distance_of_the_neighbours) {
  const std::vector<Values> front = {{0, 10}, {1, 5}, {4, 1}, {10, 0}};
  const auto crowding = crowding_of(front);
  EXPECT_TRUE(std::isinf(crowding[0]));
  EXPECT_NEAR(crowding[1], 0.4 + 0.9, 1e-15);
  EXPECT_NEAR(crowding[2], 0.9 + 0.5, 1e-15);
  EXPECT_TRUE(std::isinf(crowding[3]));
}

TEST(Front, crowding_of_no_width_is_none) {
  EXPECT_TRUE(crowding_of({}).empty());
  EXPECT_EQ(crowding_of(std::vector<Values>{{3, 4}}), std::vector<double>{0});
}

/// Cells of a grid that a point dominates, where all points lie on the grid.
double counted_volume(const std::vector<Values> &points, size_t objectives, uint64_t steps) {
  uint64_t cells = 1;
  for (size_t i = 0; i < objectives; ++i) {
    cells *= steps;
  }
  uint64_t dominated = 0;
  for (uint64_t cell = 0; cell < cells; ++cell) {
    Values corner = {};
    uint64_t rest = cell;
    for (size_t i = 0; i < objectives; ++i, rest /= steps) {
      corner[i] = static_cast<double>(rest % steps) / static_cast<double>(steps);
    }
    dominated += std::any_of(points.begin(), points.end(), [&](const Values &point) {
      return std::equal(point.begin(), point.end(), corner.begin(), std::less_equal<>());
    });
  }
  return static_cast<double>(dominated) / static_cast<double>(cells);
}

TEST(Front, hypervolume_is_that_of_counted_cells) {
  test::Random random(2);
  for (int round = 0; round < 100; ++round) {
    const size_t objectives = 1 + random.index(4);
    constexpr uint64_t kSteps = 7;
    const auto points = random_points(random, random.index(20), objectives, kSteps);
    EXPECT_NEAR(hypervolume(points, objectives, {0, 0, 0, 0}, {1, 1, 1, 1}),
                counted_volume(points, objectives, kSteps), 1e-12);
  }
}

TEST(Front, hypervolume_is_measured_between_the_given_ends) {
  const std::vector<Values> points = {{15, 100}, {20, 50}};
  EXPECT_NEAR(hypervolume(points, 2, {10, 0}, {20, 100}), 0, 1e-15);
  EXPECT_NEAR(hypervolume(points, 2, {10, 0}, {30, 200}), 0.5 * 0.75 + 0.25 * 0.5, 1e-15);
  EXPECT_NEAR(hypervolume(points, 2, {10, 7}, {30, 7}), 0.75, 1e-15) << "of no width";
}

} // namespace
} // namespace monoquant::search
