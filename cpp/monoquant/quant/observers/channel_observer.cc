#include "monoquant/quant/observers/channel_observer.h"

#include <algorithm>
#include <utility>

#include "monoquant/base/text.h"

namespace monoquant::quant {

ChannelObserver::ChannelObserver(size_t channels, float averaging_constant)
    : averaging_constant_(averaging_constant) {
  state_.min_max.resize(channels);
  state_.moving_average.resize(channels);
  begin_batch();
}

Result<ChannelObserver> ChannelObserver::restore(ChannelObserverState state,
                                                 float averaging_constant) {
  const auto is_implausible = [](ObservedRange range) {
    return range.is_observed() && range.min > range.max;
  };
  if (state.min_max.size() != state.moving_average.size() ||
      std::any_of(state.min_max.begin(), state.min_max.end(), is_implausible) ||
      std::any_of(state.moving_average.begin(), state.moving_average.end(), is_implausible)) {
    return Error{ErrorCode::kInvalidOptions,
                 "Expected the state of an observer with two valid ranges a channel, found others.",
                 "Calibrate again.",
                 {},
                 {}};
  }
  ChannelObserver observer(state.min_max.size(), averaging_constant);
  observer.state_ = std::move(state);
  return observer;
}

void ChannelObserver::begin_batch(uint64_t per_channel) {
  per_channel_ = std::max<uint64_t>(per_channel, 1);
  channel_ = 0;
  within_ = 0;
  counts_ = {};
  const ObservedRange nothing;
  lowest_.assign(channels(), nothing.min);
  highest_.assign(channels(), nothing.max);
}

void ChannelObserver::look(std::span<const float> values) {
  if (channels() == 0) {
    return;
  }
  if (per_channel_ == 1) {
    count_kinds(values, counts_);
  }
  while (!values.empty()) {
    const uint64_t left = per_channel_ == 1 ? channels() - channel_ : per_channel_ - within_;
    const auto count = static_cast<size_t>(std::min<uint64_t>(left, values.size()));
    if (per_channel_ == 1) {
      look_at_one_value_each(values.first(count));
    } else {
      look_at_channel(values.first(count));
    }
    values = values.subspan(count);
  }
}

void ChannelObserver::look_at_one_value_each(std::span<const float> values) {
  scan_row(values, std::span(lowest_).subspan(channel_), std::span(highest_).subspan(channel_));
  channel_ = (channel_ + values.size()) % channels();
}

void ChannelObserver::look_at_channel(std::span<const float> values) {
  ValueScan scan;
  scan_values(values, scan);
  counts_.add(scan.counts);
  const ObservedRange range = united({lowest_[channel_], highest_[channel_]}, scan.range());
  lowest_[channel_] = range.min;
  highest_[channel_] = range.max;
  within_ += values.size();
  if (within_ == per_channel_) {
    within_ = 0;
    channel_ = (channel_ + 1) % channels();
  }
}

Result<void> ChannelObserver::end_batch() {
  if (channel_ != 0 || within_ != 0) {
    return Error{ErrorCode::kInternal,
                 concat("Expected as many values for each of ", channels(),
                        " channels, found a batch of ", counts_.values, "."),
                 {},
                 {},
                 {}};
  }
  if (counts_.values == 0) {
    return {};
  }
  state_.counts.add(counts_);
  ++state_.batches;
  for (size_t i = 0; i < channels(); ++i) {
    const ObservedRange range{lowest_[i], highest_[i]};
    state_.min_max[i] = united(state_.min_max[i], range);
    state_.moving_average[i] = moved_towards(state_.moving_average[i], range, averaging_constant_);
  }
  return {};
}

std::span<const ObservedRange> ChannelObserver::ranges(RangeMethod method) const {
  return method == RangeMethod::kMovingAverage ? state_.moving_average : state_.min_max;
}

} // namespace monoquant::quant
