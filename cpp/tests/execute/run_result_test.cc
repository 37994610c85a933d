#include "monoquant/execute/run_result.h"

#include <gtest/gtest.h>

#include "support/not_finite.h"
#include <initializer_list>
#include <utility>

namespace monoquant::execute {
namespace {

using test::kInfinity;
using test::kNan;

RunResult result_of(std::initializer_list<std::pair<double, double>> outputs) {
  OutputSums sums;
  for (const auto &[reference, executed] : outputs) {
    sums.add(reference, executed);
  }
  return sums.result(1, outputs.size());
}

TEST(RunResult, measures_noise_and_direction) {
  // Errors 1 and -1 of values 3 and 4; 3 * 2 + 4 * 5 over 5 * sqrt(29).
  const RunResult result = result_of({{3, 2}, {4, 5}});
  EXPECT_DOUBLE_EQ(result.sqnr_db, 10 * std::log10(25.0 / 2.0));
  EXPECT_DOUBLE_EQ(result.cosine, 26.0 / (5.0 * std::sqrt(29.0)));
  EXPECT_EQ(result.peak, 1);
  EXPECT_EQ(result_of({{3, -6}, {4, -8}}).cosine, -1);
  EXPECT_DOUBLE_EQ(result_of({{3, 6}, {4, 8}}).sqnr_db, 0);
}

TEST(RunResult, of_equal_outputs_is_infinite) {
  for (const double value : {1.0, 0.1, 0.0}) {
    const RunResult equal = result_of({{value, value}, {-value, -value}});
    EXPECT_EQ(equal.sqnr_db, kInfinity);
    EXPECT_EQ(equal.cosine, 1);
    EXPECT_EQ(equal.peak, 0);
  }
}

TEST(RunResult, of_zeros_scores_badly) {
  EXPECT_EQ(result_of({{1, 0}, {2, 0}}).sqnr_db, 0);
  EXPECT_EQ(result_of({{1, 0}, {2, 0}}).cosine, 0);
  EXPECT_EQ(result_of({{0, 1}, {0, 2}}).sqnr_db, quant::kLowestSqnrDb);
  EXPECT_EQ(result_of({{0, 1}, {0, 2}}).cosine, 0);
}

TEST(RunResult, tells_whose_outputs_are_not_finite) {
  for (const double wrong : {kNan, kInfinity, -kInfinity}) {
    const RunResult executed = result_of({{1, 1}, {2, wrong}});
    EXPECT_EQ(executed.sqnr_db, -kInfinity);
    EXPECT_EQ(executed.cosine, 0);
    EXPECT_EQ(executed.not_finite, 1U);
    EXPECT_EQ(executed.undefined, 0U);
    const RunResult reference = result_of({{3, 2}, {wrong, 7}, {wrong, kNan}, {4, 5}});
    EXPECT_EQ(reference.sqnr_db, result_of({{3, 2}, {4, 5}}).sqnr_db);
    EXPECT_EQ(reference.undefined, 2U);
    EXPECT_EQ(reference.not_finite, 0U);
    EXPECT_TRUE(std::isnan(result_of({{wrong, 1}}).sqnr_db));
    EXPECT_TRUE(std::isnan(result_of({{wrong, 1}}).cosine));
  }
  EXPECT_TRUE(std::isnan(result_of({}).sqnr_db));
}

TEST(RunResult, of_huge_outputs_does_not_overflow) {
  EXPECT_NEAR(result_of({{1e80, 1e80}, {1e80, -1e80}, {1e80, 1e80}}).cosine, 1.0 / 3.0, 1e-15);
}

} // namespace
} // namespace monoquant::execute
