// What quantization did to some values: the sums behind SQNR.
// It exists so that quality is measured while encoding, from the codes and scales that are stored.
// Sums are added in a fixed order, so that reports too are the same for every thread count and block size.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace monoquant::quant {

/// The same of what a layer computes, if anything is known of its inputs: sums of the squares of its outputs and of
/// their errors, in a unit of its own.
struct OutputErrors {
  double signal = 0; // 0: nothing is known
  double noise = 0;

  void add(const OutputErrors &other) {
    signal += other.signal;
    noise += other.noise;
  }
};

struct ErrorSums {
  double signal = 0; // sum of squares of the values
  double noise = 0;  // sum of squares of (value - stored value)
  float peak = 0;    // largest |value - stored value|
  OutputErrors output = {};

  void add(const ErrorSums &other) {
    signal += other.signal;
    noise += other.noise;
    peak = std::max(peak, other.peak);
    output.add(other.output);
  }
};

/// The SQNR of noise without a signal: less than that of any two numbers.
inline constexpr double kLowestSqnrDb = -3240.0;

/// Signal to quantization noise ratio in dB: 10 log10(signal / noise). Infinity if nothing was lost, else finite.
/// js/report/sqnr.ts has the same rule.
inline double sqnr_db(const ErrorSums &sums) {
  if (sums.noise == 0) {
    return std::numeric_limits<double>::infinity();
  }
  const double ratio = std::min(sums.signal / sums.noise, std::numeric_limits<double>::max());
  return ratio > 0 ? 10.0 * std::log10(ratio) : kLowestSqnrDb;
}

} // namespace monoquant::quant
