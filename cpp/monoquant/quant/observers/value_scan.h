// One look at many values: their range, and how many of them are NaN or infinite.
// It exists as the first pass of every observer; these are the loops in which calibration spends its time.
// What is found does not depend on how the values are cut into spans.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/quant/observers/observed_range.h"

namespace monoquant::quant {

/// Numbers of values, for reports: PyTorch's observers say nothing, or only "nan".
struct ValueCounts {
  uint64_t values = 0; // all of them
  uint64_t nans = 0;
  uint64_t positive_infinities = 0;
  uint64_t negative_infinities = 0;

  [[nodiscard]] bool has_nan() const { return nans != 0; }
  [[nodiscard]] uint64_t infinities() const { return positive_infinities + negative_infinities; }
  [[nodiscard]] uint64_t finite() const { return values - nans - infinities(); }
  void add(const ValueCounts &other);

  bool operator==(const ValueCounts &) const = default;
};

struct ValueScan {
  ValueCounts counts;
  ObservedRange finite; // of the finite values alone

  /// The range with NaN and infinities: torch.aminmax.
  [[nodiscard]] ObservedRange range() const;
};

void scan_values(std::span<const float> values, ValueScan &scan);

/// One value each of consecutive channels: lowest[i] and highest[i] take in row[i]; a NaN stays. Counts nothing.
void scan_row(std::span<const float> row, std::span<float> lowest, std::span<float> highest);

/// What scan_values() counts, without the range.
void count_kinds(std::span<const float> values, ValueCounts &counts);

} // namespace monoquant::quant
