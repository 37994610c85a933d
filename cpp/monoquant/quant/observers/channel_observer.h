// Watches the values of one activation tensor channel by channel.
// It exists for loaders that take one activation scale a channel; only ranges, as in PyTorch: no histograms.
// Values come in the order of the tensor, whatever its channel axis; how they are cut does not matter.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/quant/observers/tensor_observer.h"
#include "monoquant/quant/observers/value_scan.h"

namespace monoquant::quant {

/// All that an observer remembers between batches.
struct ChannelObserverState {
  ValueCounts counts;                        // of all channels
  uint64_t batches = 0;                      // those with values
  std::vector<ObservedRange> min_max;        // PyTorch's PerChannelMinMaxObserver
  std::vector<ObservedRange> moving_average; // PyTorch's MovingAveragePerChannelMinMaxObserver

  bool operator==(const ChannelObserverState &) const = default; // false where a range is NaN
};

/// For each batch: begin_batch(), look() at all values, end_batch().
class ChannelObserver {
public:
  explicit ChannelObserver(size_t channels, float averaging_constant = 0.01F);
  /// Goes on from a state; an error where it contradicts itself.
  static Result<ChannelObserver> restore(ChannelObserverState state,
                                         float averaging_constant = 0.01F);

  /// `per_channel`: how many consecutive values belong to one channel, the product of the extents behind the channel
  /// axis. 1 where that is the last axis; height x width for [batch, channels, height, width] and axis 1.
  /// May differ from batch to batch; at least 1.
  void begin_batch(uint64_t per_channel = 1);
  void look(std::span<const float> values);
  /// A batch without values is forgotten. An error (and forgotten) where the last channel is incomplete.
  Result<void> end_batch();

  /// One range a channel: kMinMax or kMovingAverage, nothing else is kept. NaN and infinities as in PyTorch.
  [[nodiscard]] std::span<const ObservedRange> ranges(RangeMethod method) const;

  [[nodiscard]] size_t channels() const { return state_.min_max.size(); }
  [[nodiscard]] bool has_nan() const { return state_.counts.has_nan(); }
  [[nodiscard]] const ChannelObserverState &state() const { return state_; }

private:
  void look_at_one_value_each(std::span<const float> values);
  void look_at_channel(std::span<const float> values);

  ChannelObserverState state_;
  float averaging_constant_;
  // Of the batch:
  uint64_t per_channel_ = 1;
  size_t channel_ = 0;  // of the next value
  uint64_t within_ = 0; // values of that channel that were already seen in a row
  ValueCounts counts_;
  std::vector<float> lowest_;
  std::vector<float> highest_;
};

} // namespace monoquant::quant
