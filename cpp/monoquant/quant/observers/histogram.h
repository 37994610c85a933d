// How often values fell into each of 2048 bins between the smallest and the largest one seen.
// It exists for every method that looks at more than the two ends: PyTorch's search, percentiles, error estimates.
// Counts are f32 and equal those of PyTorch 2.14's HistogramObserver (torch.histc and its upsampling merge) to the
// bit, as long as no bin of one batch holds more than 2^24 values: beyond that PyTorch stops counting, we do not.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/quant/observers/observed_range.h"

namespace monoquant::quant {

inline constexpr size_t kHistogramBins = 2048;

/// Infinite values are not in it, and NaN must not be.
struct Histogram {
  ObservedRange range;
  std::vector<float> counts; // none, or kHistogramBins

  [[nodiscard]] bool is_empty() const { return counts.empty(); }
  /// Where values of a bin are taken to lie. All values of a range without width lie on it.
  [[nodiscard]] double bin_width() const {
    return (static_cast<double>(range.max) - static_cast<double>(range.min)) / kHistogramBins;
  }
  [[nodiscard]] double bin_center(size_t bin) const {
    return static_cast<double>(range.min) + (static_cast<double>(bin) + 0.5) * bin_width();
  }

  bool operator==(const Histogram &) const = default;
};

/// Counts of one batch while it is read: whole numbers, so that no order of values matters.
class BatchHistogram {
public:
  /// `range` is that of the batch and of everything before it.
  void start(ObservedRange range);
  /// Values outside the range (infinities, too) are left out. torch.histc in f32, in this order:
  /// bin = int((x - min) * 2048 / (max - min)), max itself in the last bin. Where that overflows, bin 0.
  void count(std::span<const float> values);

  [[nodiscard]] ObservedRange range() const { return range_; }
  [[nodiscard]] std::vector<float> counts() const;

private:
  ObservedRange range_;
  ObservedRange edges_;
  std::vector<uint64_t> counts_; // one more than bins: what was left out
};

/// Adds a batch that was counted over a range that contains the histogram's.
void add_batch(Histogram &histogram, const BatchHistogram &batch);

/// Sum in f32 in the order of PyTorch's CPU kernel with 8 lanes (AVX2): 8 x 4 running sums, taken in blocks of 16.
/// For kHistogramBins values.
float cascade_sum(std::span<const float> values);

} // namespace monoquant::quant
