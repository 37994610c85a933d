#include "monoquant/quant/observers/channel_observer.h"

#include <gtest/gtest.h>

#include "support/activation_fixture.h"
#include "support/not_finite.h"
#include "support/random.h"

namespace monoquant::quant {
namespace {

using test::kInfinity;
using test::kNan;

using Batch = std::vector<float>;

struct Layout {
  size_t outer = 1;
  size_t channels = 1;
  size_t per_channel = 1;

  [[nodiscard]] size_t size() const { return outer * channels * per_channel; }
};

constexpr Layout kLayouts[] = {{1, 1, 1},    {7, 5, 1},   {3, 4, 6},
                               {1, 3, 1500}, {40, 33, 1}, {2, 3, 17}};

Batch random_batch(test::Random &random, const Layout &layout) {
  Batch batch(layout.size());
  for (float &value : batch) {
    value = random.chance(8) ? (random.chance(2) ? -0.0F : 0.0F) : random.weight();
  }
  return batch;
}

Result<void> observe(ChannelObserver &observer, const Batch &batch, uint64_t per_channel) {
  observer.begin_batch(per_channel);
  observer.look(batch);
  return observer.end_batch();
}

/// Each channel by an observer of its own.
std::vector<TensorObserver> one_each(const Layout &layout, const std::vector<Batch> &batches) {
  ObserverOptions options;
  options.keeps_histogram = false;
  std::vector<TensorObserver> observers(layout.channels, TensorObserver(options));
  for (const Batch &batch : batches) {
    for (size_t channel = 0; channel < layout.channels; ++channel) {
      observers[channel].begin_batch();
      for (size_t i = 0; i < batch.size(); ++i) {
        if (i / layout.per_channel % layout.channels == channel) {
          observers[channel].look({&batch[i], 1});
        }
      }
      EXPECT_TRUE(observers[channel].end_batch().has_value());
    }
  }
  return observers;
}

TEST(ChannelObserver, is_one_observer_a_channel_on_any_axis) {
  test::Random random(2);
  for (const Layout &layout : kLayouts) {
    std::vector<Batch> batches;
    ChannelObserver observer(layout.channels);
    for (int i = 0; i < 4; ++i) {
      batches.push_back(random_batch(random, layout));
      ASSERT_TRUE(observe(observer, batches.back(), layout.per_channel).has_value());
    }
    const std::vector<TensorObserver> expected = one_each(layout, batches);
    for (const RangeMethod method : {RangeMethod::kMinMax, RangeMethod::kMovingAverage}) {
      for (size_t channel = 0; channel < layout.channels; ++channel) {
        // To the bit: zeros have no sign.
        EXPECT_TRUE(test::same_range(observer.ranges(method)[channel],
                                     expected[channel].range(method).value()));
      }
    }
    EXPECT_EQ(observer.state().counts, (ValueCounts{4 * layout.size(), 0, 0, 0}));
    EXPECT_EQ(observer.state().batches, 4U);
  }
}

TEST(ChannelObserver, does_not_depend_on_how_batches_are_cut) {
  test::Random random(3);
  for (const Layout &layout : kLayouts) {
    ChannelObserver whole(layout.channels);
    ChannelObserver cut(layout.channels);
    for (int i = 0; i < 4; ++i) {
      const Batch batch = random_batch(random, layout);
      ASSERT_TRUE(observe(whole, batch, layout.per_channel).has_value());
      cut.begin_batch(layout.per_channel);
      std::span<const float> left = batch;
      while (!left.empty()) {
        const size_t count = std::min(random.index(30), left.size());
        cut.look(left.first(count));
        left = left.subspan(count);
      }
      ASSERT_TRUE(cut.end_batch().has_value());
    }
    EXPECT_EQ(whole.state(), cut.state());
  }
}

TEST(ChannelObserver, goes_on_from_its_state) {
  test::Random random(4);
  const Layout layout{3, 4, 6};
  ChannelObserver steady(layout.channels);
  ChannelObserver restored(layout.channels);
  for (int i = 0; i < 4; ++i) {
    const Batch batch = random_batch(random, layout);
    ASSERT_TRUE(observe(steady, batch, layout.per_channel).has_value());
    auto next = ChannelObserver::restore(restored.state());
    ASSERT_TRUE(next.has_value());
    restored = std::move(next.value());
    ASSERT_TRUE(observe(restored, batch, layout.per_channel).has_value());
  }
  EXPECT_EQ(steady.state(), restored.state());
}

TEST(ChannelObserver, keeps_nan_in_its_channel) {
  for (const bool is_last_axis : {true, false}) {
    ChannelObserver observer(2);
    const Batch batch =
        is_last_axis ? Batch{1, kNan, -kInfinity, 2} : Batch{1, -kInfinity, kNan, 2};
    ASSERT_TRUE(observe(observer, batch, is_last_axis ? 1 : 2).has_value());
    ASSERT_TRUE(observe(observer, {5, 5}, 1).has_value());
    EXPECT_EQ(observer.state().counts, (ValueCounts{6, 1, 0, 1}));
    EXPECT_TRUE(observer.has_nan());
    const auto ranges = observer.ranges(RangeMethod::kMinMax);
    EXPECT_EQ(ranges[0], (ObservedRange{-kInfinity, 5}));
    EXPECT_TRUE(std::isnan(ranges[1].min) && std::isnan(ranges[1].max));
  }
}

TEST(ChannelObserver, wants_whole_channels) {
  ChannelObserver observer(3);
  EXPECT_FALSE(observe(observer, {1, 2, 3, 4}, 1).has_value());
  EXPECT_FALSE(observe(observer, {1, 2, 3, 4}, 2).has_value());
  EXPECT_FALSE(observe(observer, {1, 2, 3}, 2).has_value());
  EXPECT_EQ(observer.state().batches, 0U);
  EXPECT_FALSE(observer.ranges(RangeMethod::kMinMax)[0].is_observed());
  EXPECT_TRUE(observe(observer, {}, 2).has_value());
  EXPECT_EQ(observer.state().batches, 0U);
  EXPECT_TRUE(observe(observer, {1, 2, 3}, 1).has_value());
}

TEST(ChannelObserver, restores_no_state_that_contradicts_itself) {
  ChannelObserverState state;
  state.min_max = {{1, 2}};
  EXPECT_FALSE(ChannelObserver::restore(state).has_value());
  state.moving_average = {{2, 1}};
  EXPECT_FALSE(ChannelObserver::restore(state).has_value());
  state.moving_average = {{1, 2}};
  EXPECT_TRUE(ChannelObserver::restore(state).has_value());
}

} // namespace
} // namespace monoquant::quant
