#include "monoquant/quant/observers/percentile.h"

#include <algorithm>

namespace monoquant::quant {
namespace {

/// How many bins lie in front of the point before which `tail` values are counted.
template <typename CountOf> double bins_before(double tail, CountOf count_of) {
  double passed = 0;
  for (size_t bin = 0; bin < kHistogramBins; ++bin) {
    const auto count = static_cast<double>(count_of(bin));
    if (passed + count > tail) {
      return static_cast<double>(bin) + (tail - passed) / count;
    }
    passed += count;
  }
  return 0; // no values at all: nothing is cut
}

} // namespace

Result<ObservedRange> percentile_range(const Histogram &histogram, double percentile) {
  if (!(percentile > 50.0 && percentile <= 100.0)) {
    return Error{ErrorCode::kInvalidOptions,
                 "Expected a percentile of more than 50 and at most 100.",
                 "99.99 is a good start for 8 bits.",
                 {},
                 {}};
  }
  if (histogram.is_empty()) {
    return ObservedRange{};
  }
  const std::vector<float> &counts = histogram.counts;
  double total = 0;
  for (const float count : counts) {
    total += static_cast<double>(count);
  }
  const double tail = total * ((100.0 - percentile) / 100.0);
  const double below = bins_before(tail, [&](size_t bin) { return counts[bin]; });
  const double above =
      bins_before(tail, [&](size_t bin) { return counts[kHistogramBins - 1 - bin]; });
  const auto [min, max] = histogram.range;
  const double width = histogram.bin_width();
  const auto low = static_cast<float>(static_cast<double>(min) + below * width);
  const auto high = static_cast<float>(static_cast<double>(max) - above * width);
  return ObservedRange{std::min(low, high), std::max(low, high)};
}

} // namespace monoquant::quant
