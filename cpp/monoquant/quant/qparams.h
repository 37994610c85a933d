// From a range of values to a scale and a zero point.
// It exists once because every method, observer and check must agree on it to the bit.
// Formulas: PyTorch's `_calculate_qparams` in f32; the scale is then rounded to the dtype that stores it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "monoquant/base/float_convert.h"
#include "monoquant/quant/scheme.h"

namespace monoquant::quant {

/// Smallest scale that is ever used: 2^-23, PyTorch's default. It keeps the scale of zeros usable.
inline constexpr float kSmallestScale = 0x1p-23F;

/// Extremes of some finite values, zero always among them: min <= 0 <= max.
struct Range {
  float min = 0.0F;
  float max = 0.0F;
};

/// value = (code - zero_point) * scale.
struct Qparams {
  // Already rounded to the scheme's scale_dtype; finite, never 0, and negative only from a search of signs.
  float scale = kSmallestScale;
  int32_t zero_point = 0; // within the scheme's codes; 0 where symmetric
};

/// Rounds to a dtype that can store scales: F32, F16 or BF16.
inline float round_scale(float scale, Dtype dtype) {
  switch (dtype) {
  case Dtype::kF16:
    return f16_to_f32(f32_to_f16(scale));
  case Dtype::kBF16:
    return bf16_to_f32(f32_to_bf16(scale));
  default:
    return scale;
  }
}

/// Scales up to this magnitude are at the edge of what is stored: 2^-23, below which none is chosen; for F16 the
/// largest subnormal, because those have fewer digits the smaller they are. The upper edge is out of reach: the
/// largest value of a source is at least 7.5 scales.
inline float edge_scale(Dtype dtype) { return dtype == Dtype::kF16 ? 0x3FFp-24F : kSmallestScale; }

// Inline, and simple enough for compilers to vectorize: they run once for every few dozen weights.

/// Symmetric: the largest magnitude over half the number of steps between the codes.
inline float symmetric_scale(float magnitude, const Scheme &scheme) {
  return std::max(magnitude / scheme.reach(), kSmallestScale);
}

/// The same of what has no kernels. `outer`: the tensor's own number (outer_number), where the scheme has one.
float codebook_scale(float magnitude, const Scheme &scheme, float outer);

/// Of a tensor whose largest magnitude this is.
float outer_number(float magnitude, const Scheme &scheme);

inline Qparams choose_qparams(Range range, const Scheme &scheme, float outer = 1.0F) {
  Qparams params;
  if (!scheme.has_kernels()) {
    params.scale = codebook_scale(std::max(-range.min, range.max), scheme, outer);
    return params;
  }
  if (scheme.symmetric) {
    const float scale = symmetric_scale(std::max(-range.min, range.max), scheme);
    params.scale = round_scale(scale, scheme.scale_dtype);
    return params;
  }
  const auto steps = static_cast<float>(scheme.highest() - scheme.lowest());
  float scale = (range.max - range.min) / steps;
  if (!std::isfinite(scale)) { // only where the width itself overflows f32
    scale = range.max / steps - range.min / steps;
  }
  params.scale = round_scale(std::max(scale, kSmallestScale), scheme.scale_dtype);
  // nearbyint rounds half to even; the quotient lies within the codes' width, so it fits.
  const auto below = static_cast<int32_t>(std::nearbyint(range.min / params.scale));
  params.zero_point = std::clamp(scheme.lowest() - below, scheme.lowest(), scheme.highest());
  return params;
}

/// The qparams of many scopes, as arrays: element i of each belongs to scope i.
struct QparamsArrays {
  std::span<float> scales;
  std::span<int32_t> zero_points;
  float outer = 1.0F; // of the tensor, where the scheme has one

  void set(size_t i, const Qparams &params) const {
    scales[i] = params.scale;
    zero_points[i] = params.zero_point;
  }
  [[nodiscard]] QparamsArrays from(size_t i) const {
    return {scales.subspan(i), zero_points.subspan(i), outer};
  }
};

} // namespace monoquant::quant
