// Every recorded result of PyTorch's observers, bit for bit.
#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "monoquant/quant/observers/channel_observer.h"
#include "monoquant/quant/observers/histogram_search.h"
#include "support/activation_fixture.h"

namespace monoquant::quant {
namespace {

using test::ActivationFixture;
using test::ObservedActivations;

/// A result per channel, or one; none where PyTorch raises.
struct Outcome {
  bool is_error = false;
  std::vector<ObservedRange> seen;
  std::vector<ObservedRange> used;
};

/// Batches end where PyTorch raises; the trace is of what the observer would call its range.
Outcome run_tensor(const ActivationFixture &fixture, const ObservedActivations &expected) {
  ObserverOptions options;
  options.keeps_histogram = expected.method == RangeMethod::kHistogram;
  options.averaging_constant = expected.averaging_constant;
  TensorObserver observer(options);
  size_t traced = 0;
  for (const std::vector<float> &batch : fixture.batches) {
    observer.begin_batch();
    observer.look(batch);
    EXPECT_LE(observer.wants_second_pass(), options.keeps_histogram);
    if (observer.wants_second_pass()) {
      observer.count(batch);
    }
    if (!observer.end_batch()) {
      EXPECT_TRUE(observer.has_nan());
      EXPECT_FALSE(observer.range(expected.method).has_value());
      return {true, {}, {}};
    }
    const ObservedRange seen = options.keeps_histogram ? observer.state().histogram.range
                                                       : observer.range(expected.method).value();
    if (traced < expected.trace.size()) {
      EXPECT_TRUE(test::same_range(seen, expected.trace[traced])) << expected.name << traced;
      ++traced;
    }
    if (&batch == &fixture.batches.back()) {
      return {false, {seen}, {observer.range(expected.method).value()}};
    }
  }
  return {};
}

Outcome run_channels(const ActivationFixture &fixture, const ObservedActivations &expected) {
  ChannelObserver observer(fixture.channels, expected.averaging_constant);
  for (const std::vector<float> &batch : fixture.batches) {
    observer.begin_batch();
    observer.look(batch);
    EXPECT_TRUE(observer.end_batch().has_value());
  }
  const std::span<const ObservedRange> ranges = observer.ranges(expected.method);
  return {false, {ranges.begin(), ranges.end()}, {ranges.begin(), ranges.end()}};
}

void expect_same(const Outcome &outcome, const ObservedActivations &expected) {
  SCOPED_TRACE(expected.name);
  ASSERT_EQ(outcome.is_error, expected.raises);
  ASSERT_EQ(outcome.seen.size(), expected.ranges.size());
  for (size_t i = 0; i < outcome.seen.size(); ++i) {
    EXPECT_TRUE(test::same_range(outcome.seen[i], expected.ranges[i])) << i;
    if (!expected.searched.empty()) {
      EXPECT_TRUE(test::same_range(outcome.used[i], expected.searched[i])) << i;
    }
    const ActivationQparams params = choose_activation_qparams(outcome.used[i], expected.scheme);
    const auto scale = std::bit_cast<float>(expected.scale_bits[i]);
    EXPECT_TRUE(test::same_float(params.scale, scale)) << i << " " << params.scale << " " << scale;
    EXPECT_EQ(params.zero_point, expected.zero_points[i]) << i;
  }
}

class Recorded : public testing::TestWithParam<std::string> {};

TEST_P(Recorded, results_are_equal_to_the_bit) {
  const ActivationFixture fixture = test::read_activation_fixture(GetParam());
  ASSERT_FALSE(fixture.observed.empty());
  // Schemes do not matter until the end: each observer runs once.
  std::map<std::string, Outcome> outcomes;
  for (const ObservedActivations &expected : fixture.observed) {
    const std::string observer = expected.name.substr(0, expected.name.find('/'));
    if (!outcomes.contains(observer)) {
      outcomes[observer] =
          expected.per_channel ? run_channels(fixture, expected) : run_tensor(fixture, expected);
    }
    expect_same(outcomes[observer], expected);
  }
}

TEST_P(Recorded, histograms_are_equal_to_the_bit) {
  const ActivationFixture fixture = test::read_activation_fixture(GetParam());
  TensorObserver observer;
  bool ok = true;
  for (const std::vector<float> &batch : fixture.batches) {
    observer.begin_batch();
    observer.look(batch);
    if (observer.wants_second_pass()) {
      observer.count(batch);
    }
    ok = observer.end_batch().has_value() && ok;
  }
  ASSERT_EQ(ok, !fixture.histogram.empty());
  for (size_t bin = 0; bin < fixture.histogram.size(); ++bin) {
    ASSERT_TRUE(test::same_float(observer.state().histogram.counts[bin], fixture.histogram[bin]))
        << bin << " " << observer.state().histogram.counts[bin] << " " << fixture.histogram[bin];
  }
}

INSTANTIATE_TEST_SUITE_P(Observers, Recorded, testing::ValuesIn(test::activation_fixtures()),
                         [](const auto &info) { return info.param; });

TEST(Recorded, there_are_as_many_as_were_made) {
  size_t results = 0;
  size_t raised = 0;
  for (const std::string &name : test::activation_fixtures()) {
    for (const ObservedActivations &observed : test::read_activation_fixture(name).observed) {
      (observed.raises ? raised : results) += 1;
    }
  }
  EXPECT_EQ(results, 792U);
  EXPECT_EQ(raised, 24U);
}

} // namespace
} // namespace monoquant::quant
