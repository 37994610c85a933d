// Eight values at a time out of what a source stores, for the SIMD kernels.
// It exists so that every kernel is written once for all types of sources.
// They come as two vectors of f32: elements 0 to 3 and 4 to 7. Halves are not brought in order for that: even elements
// are the first vector, odd ones the second, and results are joined again at 16 bits, which takes fewer instructions.
#pragma once

#include "monoquant/quant/kernels/lanes.h"
#include "monoquant/quant/kernels/vectors.h"

namespace monoquant::quant::simd128 {

struct F32Vectors {
  using Source = F32Source;
  static constexpr bool kInOrder = true;
  v128_t body = hoist(0x7FFFFFFF);

  static v128_t first(const uint8_t *x) { return wasm_v128_load(x); }
  static v128_t second(const uint8_t *x) { return wasm_v128_load(x + 16); }

  /// Eight whole numbers of 16 bits in their elements' order.
  static v128_t join(v128_t first, v128_t second) { return wasm_i16x8_narrow_i32x4(first, second); }
  static v128_t join_unsigned(v128_t first, v128_t second) {
    return wasm_u16x8_narrow_i32x4(first, second);
  }
  /// The upper 16 bits of each.
  static v128_t join_upper(v128_t first, v128_t second) {
    return wasm_i16x8_narrow_i32x4(wasm_i32x4_shr(first, 16), wasm_i32x4_shr(second, 16));
  }

  /// Magnitudes of eight values, those of two in each lane; as whole numbers, which compare alike.
  [[nodiscard]] v128_t magnitudes(const uint8_t *x) const {
    return larger(wasm_v128_and(first(x), body), wasm_v128_and(second(x), body));
  }
  static v128_t larger(v128_t a, v128_t b) { return wasm_i32x4_max(a, b); }
  /// Bits of f32 of the largest.
  static uint32_t largest(v128_t magnitudes) {
    const v128_t two = larger(magnitudes, wasm_i32x4_shuffle(magnitudes, magnitudes, 2, 3, 0, 1));
    return static_cast<uint32_t>(
        std::max(wasm_i32x4_extract_lane(two, 0), wasm_i32x4_extract_lane(two, 1)));
  }
};

/// What F16 and BF16 have in common. Joining drops the upper 16 bits: whole numbers are not clamped.
template <typename HalfSource> struct HalfVectors {
  using Source = HalfSource;
  static constexpr bool kInOrder = false;
  v128_t lower = hoist(0x0000FFFF);
  v128_t body = hoist(0x7FFF7FFF);

  [[nodiscard]] v128_t join(v128_t first, v128_t second) const {
    return wasm_v128_or(wasm_v128_and(first, lower), wasm_i32x4_shl(second, 16));
  }
  [[nodiscard]] v128_t join_unsigned(v128_t first, v128_t second) const {
    return join(first, second);
  }
  [[nodiscard]] v128_t join_upper(v128_t first, v128_t second) const {
    return wasm_v128_or(wasm_u32x4_shr(first, 16), wasm_v128_andnot(second, lower));
  }

  [[nodiscard]] v128_t magnitudes(const uint8_t *x) const {
    return wasm_v128_and(wasm_v128_load(x), body);
  }
  static v128_t larger(v128_t a, v128_t b) { return wasm_i16x8_max(a, b); }
  static uint32_t largest(v128_t magnitudes) {
    const v128_t four = larger(magnitudes, wasm_i32x4_shuffle(magnitudes, magnitudes, 2, 3, 0, 1));
    const v128_t two = larger(four, wasm_i32x4_shuffle(four, four, 1, 0, 3, 2));
    const auto half = static_cast<uint16_t>(
        std::max(wasm_i16x8_extract_lane(two, 0), wasm_i16x8_extract_lane(two, 1)));
    return std::bit_cast<uint32_t>(value_of(half));
  }
  static float value_of(uint16_t half) {
    uint8_t bytes[2];
    store_le(bytes, half);
    return Source::at(bytes, 0);
  }
};

struct Bf16Vectors : HalfVectors<Bf16Source> {
  static v128_t first(const uint8_t *x) { return wasm_i32x4_shl(wasm_v128_load(x), 16); }
  [[nodiscard]] v128_t second(const uint8_t *x) const {
    return wasm_v128_andnot(wasm_v128_load(x), lower);
  }
};

/// Times 2^112 a binary16's bits, moved into place, are its value, subnormal ones included. Not so infinity and NaN.
struct F16Vectors : HalfVectors<F16Source> {
  v128_t body_and_sign = hoist(static_cast<int32_t>(0x8FFFE000U));
  v128_t rebias = hoist(0x1p112F);

  [[nodiscard]] v128_t first(const uint8_t *x) const {
    return value(wasm_i32x4_shl(wasm_v128_load(x), 16));
  }
  [[nodiscard]] v128_t second(const uint8_t *x) const { return value(wasm_v128_load(x)); }

private:
  /// Of the upper half.
  [[nodiscard]] v128_t value(v128_t half) const {
    return wasm_f32x4_mul(wasm_v128_and(wasm_i32x4_shr(half, 3), body_and_sign), rebias);
  }
};

} // namespace monoquant::quant::simd128
