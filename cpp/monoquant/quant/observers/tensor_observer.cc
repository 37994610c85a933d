#include "monoquant/quant/observers/tensor_observer.h"

#include <algorithm>
#include <utility>

#include "monoquant/base/text.h"
#include "monoquant/quant/observers/histogram_search.h"
#include "monoquant/quant/observers/percentile.h"

namespace monoquant::quant {
namespace {

Error nan_error(uint64_t nans, uint64_t values) {
  return {ErrorCode::kNonFiniteWeights,
          concat("Expected activations without NaN for a histogram, found ", nans, " NaN among ",
                 values, " values."),
          "Leave these batches out, or look for what makes the model produce them.",
          {},
          {}};
}

Error state_error(std::string_view what) {
  return {ErrorCode::kInvalidOptions,
          concat("Expected the state of an observer, found ", what, "."),
          "Calibrate again.",
          {},
          {}};
}

/// False for a range that no values have. NaN ends are fine.
bool is_plausible(ObservedRange range) { return !range.is_observed() || !(range.min > range.max); }

bool is_plausible(const Histogram &histogram) {
  const bool counts_are_plausible =
      std::all_of(histogram.counts.begin(), histogram.counts.end(),
                  [](float count) { return count >= 0 && std::isfinite(count); });
  return histogram.counts.size() == kHistogramBins && counts_are_plausible &&
         histogram.range.is_finite() && histogram.range.min <= histogram.range.max;
}

} // namespace

Result<TensorObserver> TensorObserver::restore(ObserverState state, ObserverOptions options) {
  if (!is_plausible(state.min_max) || !is_plausible(state.moving_average)) {
    return state_error("a range whose smallest value is above its largest");
  }
  if (!state.histogram.is_empty() && !is_plausible(state.histogram)) {
    return state_error(concat("a histogram that has not ", kHistogramBins, " valid counts"));
  }
  if (options.keeps_histogram && state.histogram.is_empty() && !state.counts.has_nan() &&
      state.counts.finite() != 0) {
    return state_error("values, but no histogram of them");
  }
  TensorObserver observer(options);
  observer.state_ = std::move(state);
  return observer;
}

void TensorObserver::begin_batch() {
  batch_ = {};
  counted_ = 0;
}

void TensorObserver::look(std::span<const float> values) { scan_values(values, batch_); }

bool TensorObserver::wants_second_pass() const {
  return options_.keeps_histogram && !batch_.counts.has_nan() && batch_.counts.finite() != 0;
}

void TensorObserver::count(std::span<const float> values) {
  if (counted_ == 0) {
    batch_histogram_.start(united(state_.histogram.range, batch_.finite));
  }
  counted_ += values.size();
  batch_histogram_.count(values);
}

Result<void> TensorObserver::end_batch() {
  if (batch_.counts.values == 0) {
    return {};
  }
  if (wants_second_pass() && counted_ != batch_.counts.values) {
    return Error{ErrorCode::kInternal,
                 concat("Expected ", batch_.counts.values, " values in the second pass, found ",
                        counted_, "."),
                 {},
                 {},
                 {}};
  }
  state_.counts.add(batch_.counts);
  ++state_.batches;
  const ObservedRange range = batch_.range();
  state_.min_max = united(state_.min_max, range);
  state_.moving_average = moved_towards(state_.moving_average, range, options_.averaging_constant);
  if (wants_second_pass()) {
    add_batch(state_.histogram, batch_histogram_);
  }
  if (options_.keeps_histogram && batch_.counts.has_nan()) {
    return nan_error(batch_.counts.nans, batch_.counts.values);
  }
  return {};
}

Result<ObservedRange> TensorObserver::range(RangeMethod method) const {
  if (method == RangeMethod::kMinMax) {
    return state_.min_max;
  }
  if (method == RangeMethod::kMovingAverage) {
    return state_.moving_average;
  }
  if (!options_.keeps_histogram) {
    return Error{ErrorCode::kInternal,
                 "Expected an observer that keeps a histogram, found one that does not.",
                 {},
                 {},
                 {}};
  }
  if (has_nan()) {
    return nan_error(state_.counts.nans, state_.counts.values);
  }
  return method == RangeMethod::kHistogram
             ? search_range(state_.histogram)
             : percentile_range(state_.histogram, options_.percentile);
}

} // namespace monoquant::quant
