// The smallest and the largest of some values, NaN and infinities included.
// It exists because PyTorch's observers carry both through their arithmetic, and so must ours to give its numbers.
// A range that has seen a NaN is NaN at both ends; one that has seen nothing is [+inf, -inf]; no end is ever -0.
#pragma once

#include <cmath>
#include <limits>

namespace monoquant::quant {

struct ObservedRange {
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();

  [[nodiscard]] bool is_observed() const {
    return !(min == std::numeric_limits<float>::infinity() &&
             max == -std::numeric_limits<float>::infinity());
  }
  [[nodiscard]] bool is_finite() const { return std::isfinite(min) && std::isfinite(max); }

  bool operator==(const ObservedRange &) const = default; // false where an end is NaN
};

// torch.min and torch.max: NaN where either is NaN.
inline float smaller(float a, float b) { return a < b || std::isnan(a) ? a : b; }
inline float larger(float a, float b) { return a > b || std::isnan(a) ? a : b; }

/// The range of all values of both.
inline ObservedRange united(ObservedRange a, ObservedRange b) {
  return {smaller(a.min, b.min), larger(a.max, b.max)};
}

/// PyTorch's MovingAverageMinMaxObserver: the first batch's range as it is, then m += c * (batch - m) in f32.
/// Infinities become NaN (inf - inf), as there.
inline ObservedRange moved_towards(ObservedRange average, ObservedRange batch, float constant) {
  if (!average.is_observed()) {
    return batch;
  }
  return {average.min + constant * (batch.min - average.min),
          average.max + constant * (batch.max - average.max)};
}

} // namespace monoquant::quant
