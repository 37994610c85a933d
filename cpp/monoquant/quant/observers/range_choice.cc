#include "monoquant/quant/observers/range_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace monoquant::quant {
namespace {

/// The value that stands for x after quantization, in f32 as the engine encodes.
float stored(float x, const ActivationQparams &params, const ActivationScheme &scheme) {
  const auto lowest = static_cast<float>(scheme.lowest - params.zero_point);
  const auto highest = static_cast<float>(scheme.highest - params.zero_point);
  const float steps = std::nearbyint(x * (1.0F / params.scale));
  return std::clamp(steps, lowest, highest) * params.scale;
}

bool is_better(const RangeEstimate &a, const RangeEstimate &b) {
  return a.mean_squared_error < b.mean_squared_error ||
         (a.mean_squared_error == b.mean_squared_error && a.method < b.method);
}

} // namespace

double mean_squared_error(const Histogram &histogram, const ActivationQparams &params,
                          const ActivationScheme &scheme) {
  double total = 0;
  double squares = 0;
  for (size_t bin = 0; bin < histogram.counts.size(); ++bin) {
    const auto count = static_cast<double>(histogram.counts[bin]);
    const double center = histogram.bin_center(bin);
    const auto value = static_cast<double>(stored(static_cast<float>(center), params, scheme));
    total += count;
    squares += count * ((center - value) * (center - value));
  }
  return total == 0 ? 0.0 : squares / total;
}

Result<RangeChoice> choose_range(const Histogram &histogram,
                                 std::span<const RangeCandidate> candidates,
                                 const ActivationScheme &scheme) {
  RangeChoice choice;
  for (const RangeCandidate &candidate : candidates) {
    RangeEstimate estimate;
    estimate.method = candidate.method;
    estimate.range = candidate.range;
    estimate.params = choose_activation_qparams(candidate.range, scheme);
    estimate.mean_squared_error = std::isfinite(estimate.params.scale)
                                      ? mean_squared_error(histogram, estimate.params, scheme)
                                      : std::numeric_limits<double>::infinity();
    choice.estimates.push_back(estimate);
    if (is_better(estimate, choice.chosen())) {
      choice.best = choice.estimates.size() - 1;
    }
  }
  if (choice.estimates.empty() || !std::isfinite(choice.chosen().params.scale)) {
    return Error{ErrorCode::kNonFiniteWeights,
                 "Expected activations with a finite range, found none.",
                 "Look for what makes the model produce infinities.",
                 {},
                 {}};
  }
  return choice;
}

Result<RangeChoice> choose_range(const TensorObserver &observer, const ActivationScheme &scheme) {
  std::vector<RangeCandidate> candidates;
  for (size_t i = 0; i < kRangeMethodCount; ++i) {
    const auto method = static_cast<RangeMethod>(i);
    const auto range = observer.range(method);
    if (!range) {
      return range.error();
    }
    candidates.push_back({method, range.value()});
  }
  return choose_range(observer.state().histogram, candidates, scheme);
}

} // namespace monoquant::quant
