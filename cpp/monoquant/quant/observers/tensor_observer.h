// Watches the values of one activation tensor, batch after batch, and gives the range to quantize it with.
// It exists as the one face of all per-tensor methods: they share two passes over the values, and a caller that
// wants to choose between them needs no more than one.
// Results do not depend on how a batch is cut into spans; state() restored is the observer itself.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/base/result.h"
#include "monoquant/quant/observers/histogram.h"
#include "monoquant/quant/observers/value_scan.h"

namespace monoquant::quant {

/// How a range follows from the values; the simplest first.
enum class RangeMethod : uint8_t {
  kMinMax,        // all values. PyTorch's MinMaxObserver
  kMovingAverage, // the ends of the batches, averaged. PyTorch's MovingAverageMinMaxObserver
  kHistogram,     // least squared error. PyTorch's HistogramObserver
  kPercentile,    // all but a share at both ends. Ours
};
inline constexpr size_t kRangeMethodCount = 4;

struct ObserverOptions {
  bool keeps_histogram = true; // for kHistogram and kPercentile; costs the second pass and 8 KiB
  float averaging_constant = 0.01F;
  double percentile = 99.99;
};

/// All that an observer remembers between batches: to be stored, and to go on from.
struct ObserverState {
  ValueCounts counts;
  uint64_t batches = 0; // those with values
  ObservedRange min_max;
  ObservedRange moving_average;
  Histogram histogram; // empty where none is kept

  bool operator==(const ObserverState &) const = default; // false where a range is NaN
};

/// For each batch: begin_batch(), look() at all values, if wants_second_pass() count() all of them again, and
/// end_batch(). Spans may be cut differently in the two passes.
class TensorObserver {
public:
  explicit TensorObserver(ObserverOptions options = {}) : options_(options) {}
  /// Goes on from a state; an error where it contradicts itself or the options.
  static Result<TensorObserver> restore(ObserverState state, ObserverOptions options = {});

  void begin_batch();
  void look(std::span<const float> values);
  /// Known once all values were looked at.
  [[nodiscard]] bool wants_second_pass() const;
  void count(std::span<const float> values);
  /// A batch without values is forgotten, as PyTorch does. NaN where a histogram is kept is an error (PyTorch
  /// raises): the batch is then in the counts and ranges, and not in the histogram.
  Result<void> end_batch();

  /// Unobserved where nothing was. kMinMax and kMovingAverage carry NaN and infinities as PyTorch does; kHistogram
  /// and kPercentile leave infinities out, and are an error after NaN or without a histogram.
  [[nodiscard]] Result<ObservedRange> range(RangeMethod method) const;

  [[nodiscard]] bool has_nan() const { return state_.counts.has_nan(); }
  [[nodiscard]] const ObserverState &state() const { return state_; }
  [[nodiscard]] const ObserverOptions &options() const { return options_; }

private:
  ObserverOptions options_;
  ObserverState state_;
  ValueScan batch_;
  BatchHistogram batch_histogram_;
  uint64_t counted_ = 0; // values of the second pass
};

} // namespace monoquant::quant
