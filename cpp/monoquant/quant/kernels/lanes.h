// One element of each kernel, and the running sums that it feeds.
// It exists so that the scalar kernels and the tails of the SIMD ones are the same code.
// Every expression here has its exact counterpart in the SIMD kernels.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant {

/// Smallest and largest code of a width.
template <int kBits> inline constexpr int32_t kLowestCode = -(1 << (kBits - 1));
template <int kBits> inline constexpr int32_t kHighestCode = (1 << (kBits - 1)) - 1;

// Values as sources store them.

struct F32Source {
  static constexpr size_t kBytes = 4;
  static float at(const uint8_t *x, size_t i) { return load_le<float>(x + 4 * i); }
  static const SourceKernels &scalar() { return scalar_kernels().f32; }
};

struct F16Source {
  static constexpr size_t kBytes = 2;
  static float at(const uint8_t *x, size_t i) { return f16_to_f32(load_le<uint16_t>(x + 2 * i)); }
  static const SourceKernels &scalar() { return scalar_kernels().f16; }
};

struct Bf16Source {
  static constexpr size_t kBytes = 2;
  static float at(const uint8_t *x, size_t i) { return bf16_to_f32(load_le<uint16_t>(x + 2 * i)); }
  static const SourceKernels &scalar() { return scalar_kernels().bf16; }
};

/// Sums of at most kSumChunk elements.
struct LaneSums {
  float signal[kSumLanes] = {};
  float noise[kSumLanes] = {};
  float peak_squared = 0; // comparing squares saves taking magnitudes

  void add(size_t lane, float value, float error) {
    const float error_squared = error * error;
    signal[lane] += value * value;
    noise[lane] += error_squared;
    peak_squared = std::max(peak_squared, error_squared);
  }
};

/// Sums of one call: two f64 lanes, because that is what a vector holds.
struct CallSums {
  double signal[2] = {};
  double noise[2] = {};
  float peak = 0;

  void add(const LaneSums &lanes, float step) {
    const double squared = static_cast<double>(step) * static_cast<double>(step);
    for (size_t i = 0; i < 2; ++i) {
      signal[i] += fold(lanes.signal, i) * squared;
      noise[i] += fold(lanes.noise, i) * squared;
    }
    peak = std::max(peak, std::sqrt(lanes.peak_squared) * step);
  }

  void add_to(ErrorSums &sums) const {
    sums.add({signal[0] + signal[1], noise[0] + noise[1], peak});
  }

private:
  /// Halves are added in f32, then in f64.
  static double fold(const float (&lane)[kSumLanes], size_t i) {
    return static_cast<double>(lane[i] + lane[i + 4]) +
           static_cast<double>(lane[i + 2] + lane[i + 6]);
  }
};

/// Smallest and largest code.
struct CodeRange {
  int32_t lowest;
  int32_t highest;
};

/// The code of x without its zero point; its value and error, in steps of the scale, go to the sums.
inline int32_t encode_step(float x, const Scope &scope, CodeRange codes, size_t lane,
                           LaneSums &sums) {
  const float y = x * scope.factor;
  const int32_t rounded = std::clamp(std::bit_cast<int32_t>(y + kRounder),
                                     kRounderBits + codes.lowest - scope.zero_point,
                                     kRounderBits + codes.highest - scope.zero_point);
  const float stored = std::bit_cast<float>(rounded) - kRounder;
  sums.add(lane, y, y - stored);
  return rounded - kRounderBits;
}

template <int kBits>
inline int32_t encode_step(float x, const Scope &scope, size_t lane, LaneSums &sums) {
  return encode_step(x, scope, {kLowestCode<kBits>, kHighestCode<kBits>}, lane, sums);
}

inline uint8_t encode_8_step(float x, const Scope &scope, uint8_t flip, size_t lane,
                             LaneSums &sums) {
  const int32_t code = encode_step<8>(x, scope, lane, sums) + scope.zero_point;
  return static_cast<uint8_t>(static_cast<uint8_t>(code) ^ flip);
}

/// Element i of a scope whose codes begin at `to`.
inline void encode_4_step(float x, const Scope &scope, size_t i, uint8_t *to, LaneSums &sums) {
  const int32_t code = encode_step<4>(x, scope, i % kSumLanes, sums) + scope.zero_point + 8;
  const auto nibble = static_cast<uint32_t>(code);
  to[i / 2] = static_cast<uint8_t>(i % 2 == 0 ? nibble : to[i / 2] | (nibble << 4U));
}

/// Code, without zero point, and error of x in one trial.
struct Tried {
  float code;
  float error;
};

inline Tried try_step(float x, const Trial &trial) {
  const float y = x * trial.factor;
  const int32_t rounded =
      std::min(std::max(std::bit_cast<int32_t>(y + kRounder), kRounderBits + trial.lowest),
               kRounderBits + trial.highest);
  const float code = std::bit_cast<float>(rounded) - kRounder;
  return {code, y - code};
}

/// A sum of a search's at most kSumChunk elements.
using SearchLanes = float[kSumLanes];

inline void fit_step(const Tried &tried, float importance, size_t lane, SearchLanes &noise,
                     SearchLanes &cross, SearchLanes &power) {
  const float error = tried.error * importance;
  noise[lane] += tried.error * error;
  cross[lane] += tried.code * error;
  power[lane] += tried.code * (tried.code * importance);
}

/// Halves are added in f32, then in f64.
inline double fold_lanes(const SearchLanes &lanes) {
  const auto at = [&](size_t i) { return static_cast<double>(lanes[i] + lanes[i + 4]); };
  return (at(0) + at(2)) + (at(1) + at(3));
}

inline int32_t saturate(int32_t value) { return std::clamp(value, -32768, 32767); }

/// a * b / 2^15, rounded half up.
inline int32_t multiply_levels(int32_t a, int32_t b) { return (a * b + 0x4000) >> 15; }

/// Squares of levels are summed two at a time, without so many bits: then kSumChunk of them fit 32 bits.
inline constexpr int kSignalShift = 10;
inline constexpr int kCodeShift = std::countr_zero(static_cast<uint32_t>(kLevelsPerCode));

inline uint16_t f16_step(float x, size_t lane, LaneSums &sums) {
  const uint16_t half = f32_to_f16(x);
  sums.add(lane, x, x - f16_to_f32(half));
  return half;
}

inline uint16_t bf16_step(float x, size_t lane, LaneSums &sums) {
  const uint16_t brain = f32_to_bf16(x);
  sums.add(lane, x, x - bf16_to_f32(brain));
  return brain;
}

} // namespace monoquant::quant
