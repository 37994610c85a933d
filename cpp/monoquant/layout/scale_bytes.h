// Scales as files store them.
#pragma once

#include "monoquant/base/bytes.h"
#include "monoquant/base/dtype.h"
#include "monoquant/base/float_convert.h"

namespace monoquant::layout {

/// `dtype`: one that `holds_scales`.
inline float load_scale(const uint8_t *from, Dtype dtype) {
  switch (dtype) {
  case Dtype::kF16:
    return f16_to_f32(load_le<uint16_t>(from));
  case Dtype::kBF16:
    return bf16_to_f32(load_le<uint16_t>(from));
  case Dtype::kF64:
    return static_cast<float>(load_le<double>(from));
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
