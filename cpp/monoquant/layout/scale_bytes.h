// Scales as files store them.
#pragma once

#include <cmath>
#include <limits>

#include "monoquant/base/bytes.h"
#include "monoquant/base/dtype.h"
#include "monoquant/base/float_convert.h"

namespace monoquant::layout {

/// `dtype`: one that `holds_scales`, or a byte that holds an exponent (E8M0: 2^(byte - 127), 255 is NaN).
inline float load_scale(const uint8_t *from, Dtype dtype) {
  switch (dtype) {
  case Dtype::kF16:
    return f16_to_f32(load_le<uint16_t>(from));
  case Dtype::kBF16:
    return bf16_to_f32(load_le<uint16_t>(from));
  case Dtype::kF64:
    return static_cast<float>(load_le<double>(from));
  case Dtype::kU8:
  case Dtype::kF8E8M0:
    return *from == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0F, *from - 127);
  default:
    return load_le<float>(from);
  }
}

/// Stores a scale that is already rounded to the dtype: F32, F16 or BF16. Returns the end of it.
inline uint8_t *store_scale(uint8_t *to, float scale, Dtype dtype) {
  switch (dtype) {
  case Dtype::kF16:
    store_le(to, f32_to_f16(scale));
    return to + 2;
  case Dtype::kBF16:
    store_le(to, f32_to_bf16(scale));
    return to + 2;
  default:
    store_le(to, scale);
    return to + 4;
  }
}

} // namespace monoquant::layout
