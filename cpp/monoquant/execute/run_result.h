// How far the outputs of a quantized layer are from those of the float layer.
// It exists as the one measure of all kinds of layers.
// Sums are added output by output, in f64 and in the order in which outputs come: no parts that are merged.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "monoquant/quant/error_sums.h"

namespace monoquant::execute {

struct RunResult {
  /// 10 log10(sum y^2 / sum (y - z)^2), y the float layer's outputs and z the quantized one's. +infinity where
  /// they are equal (all zeros too), -infinity where y is all zeros and z is not, or a z is not finite; NaN where
  /// no y is finite: nothing was measured.
  double sqnr_db = 0;
  /// sum y z / sqrt(sum y^2 * sum z^2), -1 to 1. 1 where both are all zeros; 0 where one of them is, or a z is not
  /// finite; NaN where no y is finite.
  double cosine = 0;
  double peak = 0;         // largest |y - z| of finite values
  uint64_t samples = 0;    // of the layer's input
  uint64_t outputs = 0;    // of one sample
  uint64_t undefined = 0;  // outputs that were not compared, because y is not finite
  uint64_t not_finite = 0; // z that are not finite where y is
};

class OutputSums {
public:
  /// `reference`: y, `executed`: z.
  void add(double reference, double executed) {
    if (!std::isfinite(reference)) {
      ++undefined_;
      return;
    }
    ++compared_;
    if (!std::isfinite(executed)) {
      ++not_finite_;
      return;
    }
    const double error = reference - executed;
    signal_ += reference * reference;
    noise_ += error * error;
    dot_ += reference * executed;
    executed_ += executed * executed;
    peak_ = std::abs(error) > peak_ ? std::abs(error) : peak_;
  }

  [[nodiscard]] RunResult result(uint64_t samples, uint64_t outputs) const;

private:
  double signal_ = 0;   // sum of y^2
  double noise_ = 0;    // sum of (y - z)^2
  double dot_ = 0;      // sum of y * z
  double executed_ = 0; // sum of z^2
  double peak_ = 0;
  uint64_t compared_ = 0;
  uint64_t undefined_ = 0;
  uint64_t not_finite_ = 0;
};

} // namespace monoquant::execute
