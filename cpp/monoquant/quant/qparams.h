// From a range of values to a scale and a zero point.
// It exists once because every method, observer and check must agree on it to the bit.
// Formulas: PyTorch's `_calculate_qparams` in f32; the scale is then rounded to the dtype that stores it.
#pragma once

#include <cstdint>

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
  float scale = kSmallestScale; // already rounded to the scheme's scale_dtype; finite and positive
  int32_t zero_point = 0;       // within the scheme's codes; 0 where symmetric
};

Qparams choose_qparams(Range range, const Scheme &scheme);

/// Rounds to a dtype that can store scales: F32, F16 or BF16.
float round_scale(float scale, Dtype dtype);

} // namespace monoquant::quant
