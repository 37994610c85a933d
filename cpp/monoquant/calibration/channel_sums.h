// The sums, the sums of squares and the ranges of every input channel: how much each column of a weight is used, and how
// unevenly.
// It exists because an error in a weight costs as much as its input is large, and shifts outputs as that is one-sided.
// Each sum adds up its channel's values one after the other in f64, so that no cut of the data shows.
#pragma once

#include <cstdint>
#include <span>

namespace monoquant::calibration {

/// One of each a channel.
struct ChannelSums {
  std::span<double> values;
  std::span<double> squares;
  // Smallest and largest; empty: they are not kept.
  std::span<float> lows = {};
  std::span<float> highs = {};
};

/// Adds values of a batch in which `inner` consecutive values belong to one channel. `position`: of the first value,
/// counted in the batch. Infinities are left out; NaN must be noticed elsewhere.
void add_to_channels(std::span<const float> values, uint64_t position, uint64_t inner,
                     const ChannelSums &sums);

} // namespace monoquant::calibration
