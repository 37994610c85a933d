#include "monoquant/quant/observers/tensor_observer.h"

#include <gtest/gtest.h>

#include "support/activation_fixture.h"
#include "support/not_finite.h"
#include "support/random.h"

namespace monoquant::quant {
namespace {

using test::kInfinity;
using test::kNan;

using Batch = std::vector<float>;

/// Hands out a batch in spans of random lengths, empty ones among them.
template <typename Take> void in_pieces(const Batch &batch, test::Random &random, Take take) {
  std::span<const float> left = batch;
  while (!left.empty()) {
    const size_t most = random.chance(3) ? 5000 : 20;
    const size_t count = std::min(random.index(most), left.size());
    take(left.first(count));
    left = left.subspan(count);
  }
}

Result<void> observe(TensorObserver &observer, const Batch &batch) {
  observer.begin_batch();
  observer.look(batch);
  if (observer.wants_second_pass()) {
    observer.count(batch);
  }
  return observer.end_batch();
}

Result<void> observe_in_pieces(TensorObserver &observer, const Batch &batch, test::Random &random) {
  observer.begin_batch();
  in_pieces(batch, random, [&](std::span<const float> values) { observer.look(values); });
  if (observer.wants_second_pass()) {
    in_pieces(batch, random, [&](std::span<const float> values) { observer.count(values); });
  }
  return observer.end_batch();
}

/// Batches that grow, shrink, hold infinities and zeros of both signs.
std::vector<Batch> random_batches(test::Random &random) {
  std::vector<Batch> batches;
  for (int i = 0; i < 6; ++i) {
    Batch batch(1 + random.index(20'000));
    const float scale = 1.0F + static_cast<float>(random.index(5));
    for (float &value : batch) {
      value = random.chance(10) ? (random.chance(2) ? -0.0F : 0.0F) : random.weight() * scale;
    }
    if (i % 3 == 2) {
      batch[random.index(batch.size())] = random.chance(2) ? kInfinity : -kInfinity;
    }
    batches.push_back(batch);
  }
  return batches;
}

constexpr RangeMethod kMethods[] = {RangeMethod::kMinMax, RangeMethod::kMovingAverage,
                                    RangeMethod::kHistogram, RangeMethod::kPercentile};

void expect_equal(const TensorObserver &a, const TensorObserver &b) {
  EXPECT_EQ(a.state().counts, b.state().counts);
  EXPECT_EQ(a.state().batches, b.state().batches);
  EXPECT_EQ(a.state().histogram, b.state().histogram);
  for (const RangeMethod method : kMethods) {
    EXPECT_TRUE(test::same_range(a.range(method).value(), b.range(method).value()));
  }
}

TEST(TensorObserver, does_not_depend_on_how_batches_are_cut) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    test::Random random(seed);
    TensorObserver whole;
    TensorObserver cut;
    for (const Batch &batch : random_batches(random)) {
      ASSERT_TRUE(observe(whole, batch).has_value());
      ASSERT_TRUE(observe_in_pieces(cut, batch, random).has_value());
    }
    expect_equal(whole, cut);
  }
}

TEST(TensorObserver, goes_on_from_its_state) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    test::Random random(seed);
    TensorObserver steady;
    TensorObserver restored;
    for (const Batch &batch : random_batches(random)) {
      ASSERT_TRUE(observe(steady, batch).has_value());
      ObserverState state = restored.state(); // a copy, as if stored and read
      auto next = TensorObserver::restore(std::move(state));
      ASSERT_TRUE(next.has_value());
      restored = std::move(next.value());
      ASSERT_TRUE(observe(restored, batch).has_value());
    }
    expect_equal(steady, restored);
  }
}

TEST(TensorObserver, averages_batches_by_a_hundredth) {
  TensorObserver observer;
  ASSERT_TRUE(observe(observer, {0, 1}).has_value());
  ASSERT_TRUE(observe(observer, {-1, 3}).has_value());
  const ObservedRange range = observer.range(RangeMethod::kMovingAverage).value();
  EXPECT_EQ(range, (ObservedRange{-0.01F, 1.0F + 0.01F * 2.0F}));
  EXPECT_EQ(observer.range(RangeMethod::kMinMax).value(), (ObservedRange{-1, 3}));
}

TEST(TensorObserver, forgets_batches_without_values) {
  TensorObserver observer;
  ASSERT_TRUE(observe(observer, {}).has_value());
  EXPECT_EQ(observer.state(), ObserverState{});
  for (const RangeMethod method : kMethods) {
    EXPECT_FALSE(observer.range(method).value().is_observed());
  }
}

TEST(TensorObserver, says_what_was_not_finite) {
  TensorObserver observer;
  ASSERT_TRUE(observe(observer, {1, 2, kInfinity, kInfinity, -kInfinity}).has_value());
  EXPECT_EQ(observer.state().counts, (ValueCounts{5, 0, 2, 1}));
  EXPECT_FALSE(observer.has_nan());
  EXPECT_EQ(observer.range(RangeMethod::kMinMax).value(), (ObservedRange{-kInfinity, kInfinity}));
  EXPECT_NEAR(observer.range(RangeMethod::kPercentile).value().max, 2.0, 0.001);
  // Nothing but infinities: nothing to count.
  ASSERT_TRUE(observe(observer, {kInfinity}).has_value());
  EXPECT_EQ(observer.state().histogram.range, (ObservedRange{1, 2}));
}

TEST(TensorObserver, nan_is_an_error_for_histograms_and_carried_by_the_others) {
  TensorObserver observer;
  ASSERT_TRUE(observe(observer, {1, 2}).has_value());
  const auto ended = observe(observer, {3, kNan, 4, kNan});
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().code, ErrorCode::kNonFiniteWeights);
  EXPECT_NE(ended.error().message.find("2 NaN among 4"), std::string::npos);
  EXPECT_TRUE(observer.has_nan());
  EXPECT_TRUE(std::isnan(observer.range(RangeMethod::kMinMax).value().min));
  EXPECT_TRUE(std::isnan(observer.range(RangeMethod::kMovingAverage).value().max));
  EXPECT_FALSE(observer.range(RangeMethod::kHistogram).has_value());
  EXPECT_FALSE(observer.range(RangeMethod::kPercentile).has_value());
  EXPECT_EQ(observer.state().histogram.range, (ObservedRange{1, 2})); // that batch is not in it
  EXPECT_TRUE(TensorObserver::restore(observer.state()).value().has_nan());
}

TEST(TensorObserver, without_a_histogram_needs_one_pass_and_takes_nan) {
  ObserverOptions options;
  options.keeps_histogram = false;
  TensorObserver observer(options);
  observer.begin_batch();
  observer.look(Batch{1, kNan});
  EXPECT_FALSE(observer.wants_second_pass());
  EXPECT_TRUE(observer.end_batch().has_value());
  EXPECT_TRUE(observer.has_nan());
  EXPECT_FALSE(observer.range(RangeMethod::kHistogram).has_value());
  EXPECT_TRUE(observer.state().histogram.is_empty());
}

TEST(TensorObserver, misses_values_of_the_second_pass) {
  TensorObserver observer;
  observer.begin_batch();
  observer.look(Batch{1, 2, 3});
  observer.count(Batch{1, 2});
  const auto ended = observer.end_batch();
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().code, ErrorCode::kInternal);
  EXPECT_EQ(observer.state(), ObserverState{});
}

TEST(TensorObserver, restores_no_state_that_contradicts_itself) {
  TensorObserver observer;
  ASSERT_TRUE(observe(observer, {1, 2}).has_value());
  const auto restores = [&](auto change) {
    ObserverState state = observer.state();
    change(state);
    return TensorObserver::restore(std::move(state)).has_value();
  };
  EXPECT_TRUE(restores([](ObserverState &) {}));
  EXPECT_FALSE(restores([](ObserverState &state) { state.min_max = {2, 1}; }));
  EXPECT_FALSE(restores([](ObserverState &state) { state.moving_average = {2, 1}; }));
  EXPECT_FALSE(restores([](ObserverState &state) { state.histogram.counts.pop_back(); }));
  EXPECT_FALSE(restores([](ObserverState &state) { state.histogram.counts.clear(); }));
  EXPECT_FALSE(restores([](ObserverState &state) { state.histogram.counts[7] = -1; }));
  EXPECT_FALSE(restores([](ObserverState &state) { state.histogram.counts[7] = kNan; }));
  EXPECT_FALSE(restores([](ObserverState &state) { state.histogram.range = {2, 1}; }));
  EXPECT_FALSE(restores([](ObserverState &state) { state.histogram.range.max = kInfinity; }));
}

} // namespace
} // namespace monoquant::quant
