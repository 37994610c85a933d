// Which of several ranges loses least.
// It exists because no method is best for all activations: this is what the observer "auto" stands for.
// An estimate from the histogram, the same on every machine; of equal ones the simpler method wins.
#pragma once

#include <span>
#include <vector>

#include "monoquant/quant/observers/activation_qparams.h"
#include "monoquant/quant/observers/histogram.h"
#include "monoquant/quant/observers/tensor_observer.h"

namespace monoquant::quant {

struct RangeCandidate {
  RangeMethod method = RangeMethod::kMinMax;
  ObservedRange range;
};

struct RangeEstimate {
  RangeMethod method = RangeMethod::kMinMax;
  ObservedRange range;
  ActivationQparams params;
  double mean_squared_error = 0; // infinite where the scale is not finite
};

struct RangeChoice {
  size_t best = 0; // of estimates
  std::vector<RangeEstimate> estimates;

  [[nodiscard]] const RangeEstimate &chosen() const { return estimates[best]; }
};

/// Mean of (x - (q - zero_point) * scale)^2 with q = clamp(zero_point + round_half_even(x * (1 / scale))), x being
/// the centers of the bins, each as often as its count. What the codes cannot reach is clipped, and counts.
/// 0 for an empty histogram.
double mean_squared_error(const Histogram &histogram, const ActivationQparams &params,
                          const ActivationScheme &scheme);

/// Estimates all candidates, in their order; an error where none has a finite scale.
Result<RangeChoice> choose_range(const Histogram &histogram,
                                 std::span<const RangeCandidate> candidates,
                                 const ActivationScheme &scheme);

/// Between all methods. An error after NaN, or where the observer keeps no histogram.
Result<RangeChoice> choose_range(const TensorObserver &observer, const ActivationScheme &scheme);

} // namespace monoquant::quant
