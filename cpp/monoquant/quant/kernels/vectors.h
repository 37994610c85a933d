// Vectors of one repeated value, for the SIMD kernels.
// They exist here because more than one file of kernels needs them.
// Only those files include this: v128_t never leaves this folder.
#pragma once

#include <wasm_simd128.h>

#include <cstdint>

namespace monoquant::quant::simd128 {

inline v128_t splat(float value) { return wasm_f32x4_splat(value); }
inline v128_t splat(int32_t value) { return wasm_i32x4_splat(value); }

/// A constant that the compiler cannot see through, and so keeps in a register: engines would make a known one
/// anew in every round of a loop.
template <typename T> v128_t hoist(T value) {
  volatile T hidden = value;
  return splat(hidden);
}

} // namespace monoquant::quant::simd128
