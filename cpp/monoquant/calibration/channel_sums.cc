#include "monoquant/calibration/channel_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace monoquant::calibration {
namespace {

double finite_or_zero(float value) {
  const bool is_finite = std::fabs(value) <= std::numeric_limits<float>::max();
  return is_finite ? static_cast<double>(value) : 0.0;
}

} // namespace

void add_to_channels(std::span<const float> values, uint64_t position, uint64_t inner,
                     const ChannelSums &sums) {
  const size_t channels = sums.values.size();
  if (inner == 1) { // a row has one value of each channel
    auto channel = static_cast<size_t>(position % channels);
    while (!values.empty()) {
      const size_t count = std::min(values.size(), channels - channel);
      double *sum = sums.values.data() + channel;
      double *squares = sums.squares.data() + channel;
      for (size_t i = 0; i < count; ++i) {
        const double value = finite_or_zero(values[i]);
        sum[i] += value;
        squares[i] += value * value;
      }
      values = values.subspan(count);
      channel = 0;
    }
    return;
  }
  while (!values.empty()) {
    const uint64_t left = inner - position % inner;
    const auto count = static_cast<size_t>(std::min<uint64_t>(values.size(), left));
    const auto channel = static_cast<size_t>(position / inner % channels);
    double sum = sums.values[channel];
    double squares = sums.squares[channel];
    for (const float each : values.first(count)) {
      const double value = finite_or_zero(each);
      sum += value;
      squares += value * value;
    }
    sums.values[channel] = sum;
    sums.squares[channel] = squares;
    position += count;
    values = values.subspan(count);
  }
}

} // namespace monoquant::calibration
