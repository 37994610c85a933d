#include "monoquant/quant/observers/value_scan.h"

#include <algorithm>
#include <cstddef>

namespace monoquant::quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();

// Independent lanes, because a single running minimum would have to be taken in order. A block is what is looked
// at again, slowly, where it holds a value that is not finite.
constexpr size_t kLanes = 16;
constexpr size_t kBlock = 64 * kLanes;

bool is_finite(float value) { return std::fabs(value) <= kLargest; }

/// False where some value is not finite; then `range` means nothing.
bool scan_finite(const float *values, size_t count, ObservedRange &range) {
  float lowest[kLanes];
  float highest[kLanes];
  uint32_t odd[kLanes] = {};
  std::fill(lowest, lowest + kLanes, kInfinity);
  std::fill(highest, highest + kLanes, -kInfinity);
  for (size_t i = 0; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float value = values[i + lane];
      lowest[lane] = value < lowest[lane] ? value : lowest[lane];
      highest[lane] = value > highest[lane] ? value : highest[lane];
      odd[lane] |= is_finite(value) ? 0U : 1U;
    }
  }
  uint32_t any_odd = 0;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    range.min = std::min(range.min, lowest[lane]);
    range.max = std::max(range.max, highest[lane]);
    any_odd |= odd[lane];
  }
  return any_odd == 0;
}

void count_kind(float value, ValueCounts &counts) {
  counts.nans += std::isnan(value) ? 1U : 0U;
  counts.positive_infinities += value == kInfinity ? 1U : 0U;
  counts.negative_infinities += value == -kInfinity ? 1U : 0U;
}

void scan_one_by_one(const float *values, size_t count, ValueScan &scan) {
  for (size_t i = 0; i < count; ++i) {
    if (is_finite(values[i])) {
      scan.finite.min = std::min(scan.finite.min, values[i]);
      scan.finite.max = std::max(scan.finite.max, values[i]);
    } else {
      count_kind(values[i], scan.counts);
    }
  }
}

} // namespace

void ValueCounts::add(const ValueCounts &other) {
  values += other.values;
  nans += other.nans;
  positive_infinities += other.positive_infinities;
  negative_infinities += other.negative_infinities;
}

ObservedRange ValueScan::range() const {
  ObservedRange all = finite;
  if (counts.has_nan()) {
    all.min = all.max = std::numeric_limits<float>::quiet_NaN();
    return all;
  }
  if (counts.positive_infinities != 0) {
    all = united(all, {kInfinity, kInfinity});
  }
  if (counts.negative_infinities != 0) {
    all = united(all, {-kInfinity, -kInfinity});
  }
  return all;
}

void scan_values(std::span<const float> values, ValueScan &scan) {
  scan.counts.values += values.size();
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const float *block = values.data() + begin;
    const size_t count = std::min(kBlock, values.size() - begin);
    const size_t in_lanes = count - count % kLanes;
    ObservedRange range;
    if (scan_finite(block, in_lanes, range)) {
      scan.finite = united(scan.finite, range);
      scan_one_by_one(block + in_lanes, count - in_lanes, scan);
    } else {
      scan_one_by_one(block, count, scan);
    }
  }
  // -0 and 0 are equal, so which of them was kept depends on their order: 0 it is.
  scan.finite.min += 0.0F;
  scan.finite.max += 0.0F;
}

void scan_row(std::span<const float> row, std::span<float> lowest, std::span<float> highest) {
  for (size_t i = 0; i < row.size(); ++i) {
    const float value = row[i] + 0.0F;
    const bool is_nan = value != value;
    lowest[i] = ((value < lowest[i]) | is_nan) ? value : lowest[i];
    highest[i] = ((value > highest[i]) | is_nan) ? value : highest[i];
  }
}

void count_kinds(std::span<const float> values, ValueCounts &counts) {
  counts.values += values.size();
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const size_t count = std::min(kBlock, values.size() - begin);
    const float *block = values.data() + begin;
    uint32_t odd = 0;
    for (size_t i = 0; i < count; ++i) {
      odd |= is_finite(block[i]) ? 0U : 1U;
    }
    for (size_t i = 0; odd != 0 && i < count; ++i) {
      count_kind(block[i], counts);
    }
  }
}

} // namespace monoquant::quant
