#include "monoquant/quant/observers/histogram.h"

#include <algorithm>

namespace monoquant::quant {
namespace {

constexpr auto kBins = static_cast<float>(kHistogramBins);
constexpr size_t kUpsampling = 16; // parts of a bin when a histogram moves to another range
constexpr size_t kBinBlock = 512;  // values whose bins are computed at once

/// The outer edges that torch.histc uses: a range without width is widened by 1 on both sides (in f64), and one
/// whose width overflows f32 has no edges at all: every value is left out.
ObservedRange outer_edges(ObservedRange range) {
  if (range.min == range.max) {
    return {static_cast<float>(static_cast<double>(range.min) - 1.0),
            static_cast<float>(static_cast<double>(range.max) + 1.0)};
  }
  if (std::isinf(range.max - range.min)) {
    return {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::quiet_NaN()};
  }
  return range;
}

/// kHistogramBins for what is left out. Signed, because that is what vectors convert to fastest.
int32_t bin_of(float value, ObservedRange edges) {
  constexpr auto kOutside = static_cast<int32_t>(kHistogramBins);
  const float position = (value - edges.min) * kBins / (edges.max - edges.min);
  // False where that overflowed (infinity) or there is no width (NaN), and outside.
  const bool is_bin = (position >= 0.0F) & (position <= kBins);
  const int32_t bin = std::min(static_cast<int32_t>(is_bin ? position : 0.0F), kOutside - 1);
  return ((value >= edges.min) & (value <= edges.max)) ? bin : kOutside;
}

/// torch.linspace in f32: from both ends to the middle. PyTorch's builds for AVX2 and later fuse the product and the
/// sum; std::fma rounds once everywhere, and without it a few middles of parts land one bin away from PyTorch's.
std::vector<float> linspace(float first, float last, size_t count) {
  std::vector<float> points(count);
  const float step = (last - first) / static_cast<float>(count - 1);
  for (size_t i = 0; i < count; ++i) {
    points[i] = i < count / 2 ? std::fma(step, static_cast<float>(i), first)
                              : std::fma(-step, static_cast<float>(count - 1 - i), last);
  }
  return points;
}

/// The counts of a histogram over another range: each bin is cut into 16 equal parts, and each part goes to the
/// bin in which its middle lies.
std::vector<float> moved_to(const Histogram &histogram, ObservedRange range) {
  constexpr size_t kParts = kHistogramBins * kUpsampling;
  const auto [min, max] = histogram.range;
  const float half_part = 0.5F * ((max - min) / static_cast<float>(kParts));
  const std::vector<float> parts = linspace(min, max, kParts + 1);
  const std::vector<float> edges = linspace(range.min, range.max, kHistogramBins + 1);
  std::vector<float> counts(kHistogramBins);
  for (size_t part = 0; part < kParts; ++part) {
    const auto above = std::upper_bound(edges.begin(), edges.end(), parts[part] + half_part);
    const auto bin = std::clamp<ptrdiff_t>(above - edges.begin() - 1, 0, kHistogramBins - 1);
    counts[static_cast<size_t>(bin)] +=
        histogram.counts[part / kUpsampling] / static_cast<float>(kUpsampling);
  }
  return counts;
}

/// The same for a histogram of equal values.
std::vector<float> single_value_moved_to(const Histogram &histogram, ObservedRange range) {
  std::vector<float> counts(kHistogramBins);
  const auto bin = static_cast<size_t>(bin_of(histogram.range.min, outer_edges(range)));
  if (bin < kHistogramBins) {
    counts[bin] = cascade_sum(histogram.counts);
  }
  return counts;
}

} // namespace

void BatchHistogram::start(ObservedRange range) {
  range_ = range;
  edges_ = outer_edges(range);
  counts_.assign(kHistogramBins + 1, 0);
}

void BatchHistogram::count(std::span<const float> values) {
  int32_t bins[kBinBlock];
  const ObservedRange edges = edges_;
  for (size_t begin = 0; begin < values.size(); begin += kBinBlock) {
    const size_t count = std::min(kBinBlock, values.size() - begin);
    const float *block = values.data() + begin;
    for (size_t i = 0; i < count; ++i) {
      bins[i] = bin_of(block[i], edges);
    }
    for (size_t i = 0; i < count; ++i) {
      ++counts_[static_cast<size_t>(bins[i])];
    }
  }
}

std::vector<float> BatchHistogram::counts() const {
  std::vector<float> counts(kHistogramBins);
  for (size_t bin = 0; bin < kHistogramBins; ++bin) {
    counts[bin] = static_cast<float>(counts_[bin]);
  }
  return counts;
}

void add_batch(Histogram &histogram, const BatchHistogram &batch) {
  std::vector<float> counts = batch.counts();
  if (!histogram.is_empty()) {
    const ObservedRange range = batch.range();
    if (histogram.range != range) {
      histogram.counts = histogram.range.min == histogram.range.max
                             ? single_value_moved_to(histogram, range)
                             : moved_to(histogram, range);
    }
    for (size_t bin = 0; bin < kHistogramBins; ++bin) {
      counts[bin] += histogram.counts[bin];
    }
  }
  histogram = {batch.range(), std::move(counts)};
}

float cascade_sum(std::span<const float> values) {
  constexpr size_t kLanes = 8;     // of a vector
  constexpr size_t kVectors = 4;   // summed side by side
  constexpr size_t kPerBlock = 16; // rows of vectors whose sum is added at once
  constexpr size_t kRow = kLanes * kVectors;
  float sums[kRow] = {};
  for (size_t begin = 0; begin < values.size(); begin += kPerBlock * kRow) {
    float block[kRow] = {};
    for (size_t row = 0; row < kPerBlock; ++row) {
      for (size_t i = 0; i < kRow; ++i) {
        block[i] += values[begin + row * kRow + i];
      }
    }
    for (size_t i = 0; i < kRow; ++i) {
      sums[i] += block[i];
    }
  }
  float total = 0;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    total +=
        ((sums[lane] + sums[lane + kLanes]) + sums[lane + 2 * kLanes]) + sums[lane + 3 * kLanes];
  }
  return total;
}

} // namespace monoquant::quant
