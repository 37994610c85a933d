#include "monoquant/quant/observers/range_choice.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/not_finite.h"
#include "support/random.h"

namespace monoquant::quant {
namespace {

using test::kInfinity;

Histogram uniform(float end) { return {{-end, end}, std::vector<float>(kHistogramBins, 16.0F)}; }

TensorObserver observed(const std::vector<std::vector<float>> &batches) {
  TensorObserver observer;
  for (const std::vector<float> &batch : batches) {
    observer.begin_batch();
    observer.look(batch);
    observer.count(batch);
    EXPECT_TRUE(observer.end_batch().has_value());
  }
  return observer;
}

/// Heavy tails: `outliers` among 200,000 values between -1 and 1, ten times as large.
std::vector<float> heavy(uint64_t seed, size_t outliers) {
  test::Random random(seed);
  std::vector<float> values(200'000);
  for (float &value : values) {
    value = random.signed_unit();
  }
  for (size_t i = 0; i < outliers; ++i) {
    values[i * 1009] = i % 2 == 0 ? 10.0F : -10.0F;
  }
  return values;
}

/// The error of the values themselves.
double true_error(const std::vector<float> &values, const ActivationQparams &params,
                  const ActivationScheme &scheme) {
  double squares = 0;
  for (const float value : values) {
    const double code =
        std::nearbyint(static_cast<double>(value) / static_cast<double>(params.scale));
    const double zero_point = params.zero_point;
    const double clamped = std::min(std::max(code + zero_point, static_cast<double>(scheme.lowest)),
                                    static_cast<double>(scheme.highest)) -
                           zero_point;
    const double error = static_cast<double>(value) - clamped * static_cast<double>(params.scale);
    squares += error * error;
  }
  return squares / static_cast<double>(values.size());
}

TEST(MeanSquaredError, of_a_uniform_distribution_is_a_twelfth_of_a_step_squared) {
  for (const ActivationScheme &scheme : {signed_8_bit(true), unsigned_8_bit(false)}) {
    const ActivationQparams params = choose_activation_qparams({-1, 1}, scheme);
    const double step = static_cast<double>(params.scale);
    EXPECT_NEAR(mean_squared_error(uniform(1), params, scheme) / (step * step / 12), 1.0, 0.05);
  }
}

TEST(MeanSquaredError, counts_what_is_clipped) {
  // Everything beyond 0.5 is lost: (x - 0.5)^2 over one half of [0, 1].
  const ActivationScheme scheme = signed_8_bit(true);
  const ActivationQparams params = choose_activation_qparams({-0.5F, 0.5F}, scheme);
  EXPECT_NEAR(mean_squared_error(uniform(1), params, scheme), 0.5 * 0.5 * 0.5 / 3.0, 0.001);
}

TEST(MeanSquaredError, is_an_estimate_of_the_values_own) {
  for (const size_t outliers : {0U, 20U, 150U}) {
    const std::vector<float> values = heavy(5, outliers);
    const TensorObserver observer = observed({values});
    const ActivationScheme scheme = signed_8_bit(true);
    const auto choice = choose_range(observer, scheme);
    ASSERT_TRUE(choice.has_value());
    for (const RangeEstimate &estimate : choice.value().estimates) {
      const double truth = true_error(values, estimate.params, scheme);
      EXPECT_NEAR(estimate.mean_squared_error / truth, 1.0, 0.1)
          << outliers << " " << static_cast<int>(estimate.method);
    }
  }
}

TEST(RangeChoice, takes_everything_where_outliers_are_dear_and_clips_where_they_are_cheap) {
  // 8 bits: 20 outliers of 200,000, clipped at 1, would cost 81 * 20 / 200,000; all steps being ten times as wide
  // costs 0.0005. 4 bits: steps of 1.3 cost as much as the values are worth.
  const TensorObserver observer = observed({heavy(6, 20)});
  const auto wide = choose_range(observer, signed_8_bit(true));
  ASSERT_TRUE(wide.has_value());
  EXPECT_NEAR(wide.value().chosen().range.max, 10.0, 0.02);
  const auto narrow = choose_range(observer, custom_codes(-8, 7, true, false).value());
  ASSERT_TRUE(narrow.has_value());
  EXPECT_EQ(narrow.value().chosen().method, RangeMethod::kPercentile);
  EXPECT_LT(narrow.value().chosen().range.max, 1.1);
}

TEST(RangeChoice, has_the_least_error_of_all) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const TensorObserver observer = observed({heavy(seed, seed * 3), heavy(seed + 50, seed)});
    for (const ActivationScheme &scheme : {signed_8_bit(true), unsigned_8_bit(false)}) {
      const auto choice = choose_range(observer, scheme);
      ASSERT_TRUE(choice.has_value());
      ASSERT_EQ(choice.value().estimates.size(), kRangeMethodCount);
      for (const RangeEstimate &estimate : choice.value().estimates) {
        EXPECT_GE(estimate.mean_squared_error, choice.value().chosen().mean_squared_error);
      }
    }
  }
}

TEST(RangeChoice, of_equal_ones_is_the_simpler) {
  const RangeCandidate candidates[] = {{RangeMethod::kPercentile, {-1, 1}},
                                       {RangeMethod::kMovingAverage, {-1, 1}},
                                       {RangeMethod::kHistogram, {-1, 1}},
                                       {RangeMethod::kMinMax, {-0.5F, 0.5F}}};
  const auto choice = choose_range(uniform(1), candidates, signed_8_bit(true));
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice.value().best, 1U);
  const TensorObserver equal = observed({std::vector<float>(100, 0.75F)});
  EXPECT_EQ(choose_range(equal, signed_8_bit(true)).value().chosen().method, RangeMethod::kMinMax);
}

TEST(RangeChoice, never_takes_a_range_that_is_not_finite) {
  const TensorObserver observer = observed({{1, 2, 3, kInfinity}, {1, 2, 3, kInfinity}});
  const auto choice = choose_range(observer, unsigned_8_bit(false));
  ASSERT_TRUE(choice.has_value());
  EXPECT_TRUE(choice.value().chosen().range.is_finite());
  EXPECT_EQ(choice.value().estimates[0].mean_squared_error,
            std::numeric_limits<double>::infinity());
  const RangeCandidate infinite[] = {{RangeMethod::kMinMax, {0, kInfinity}}};
  EXPECT_FALSE(choose_range(uniform(1), infinite, signed_8_bit(true)).has_value());
  EXPECT_FALSE(choose_range(uniform(1), {}, signed_8_bit(true)).has_value());
}

TEST(RangeChoice, needs_a_histogram) {
  ObserverOptions options;
  options.keeps_histogram = false;
  EXPECT_FALSE(choose_range(TensorObserver(options), signed_8_bit(true)).has_value());
}

} // namespace
} // namespace monoquant::quant
