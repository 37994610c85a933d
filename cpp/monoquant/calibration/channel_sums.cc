#include "monoquant/calibration/channel_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace monoquant::calibration {
namespace {

bool is_finite_value(float value) { return std::fabs(value) <= std::numeric_limits<float>::max(); }

double finite_or_zero(float value) {
  return is_finite_value(value) ? static_cast<double>(value) : 0.0;
}

void widen(float value, float &low, float &high) {
  if (is_finite_value(value)) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
}

/// Consecutive values of one channel.
void add_run(std::span<const float> values, size_t channel, const ChannelSums &sums) {
  double sum = sums.values[channel];
  double squares = sums.squares[channel];
  for (const float each : values) {
    const double value = finite_or_zero(each);
    sum += value;
    squares += value * value;
  }
  sums.values[channel] = sum;
  sums.squares[channel] = squares;
  for (size_t i = 0; i < values.size() && !sums.lows.empty(); ++i) {
    widen(values[i], sums.lows[channel], sums.highs[channel]);
  }
}

/// One value of each channel, from `channel` on.
void add_row(std::span<const float> values, size_t channel, const ChannelSums &sums) {
  double *sum = sums.values.data() + channel;
  double *squares = sums.squares.data() + channel;
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = finite_or_zero(values[i]);
    sum[i] += value;
    squares[i] += value * value;
  }
  if (!sums.lows.empty()) {
    for (size_t i = 0; i < values.size(); ++i) {
      widen(values[i], sums.lows[channel + i], sums.highs[channel + i]);
    }
  }
}

} // namespace

void add_to_channels(std::span<const float> values, uint64_t position, uint64_t inner,
                     const ChannelSums &sums) {
  const size_t channels = sums.values.size();
  if (inner == 1) { // a row has one value of each channel
    auto channel = static_cast<size_t>(position % channels);
    while (!values.empty()) {
      const size_t count = std::min(values.size(), channels - channel);
      add_row(values.first(count), channel, sums);
      values = values.subspan(count);
      channel = 0;
    }
    return;
  }
  while (!values.empty()) {
    const uint64_t left = inner - position % inner;
    const auto count = static_cast<size_t>(std::min<uint64_t>(values.size(), left));
    add_run(values.first(count), static_cast<size_t>(position / inner % channels), sums);
    position += count;
    values = values.subspan(count);
  }
}

} // namespace monoquant::calibration
