#ifdef __wasm_simd128__

#include "monoquant/quant/kernels/simd128_kernels.h"

namespace monoquant::quant::simd128 {
namespace {

constexpr size_t kMeasureStep = 16; // elements

/// The range of `steps` steps. Numbers of f32:
Range range_of(const F32Vectors & /*vectors*/, const uint8_t *x, size_t steps) {
  v128_t low[2] = {splat(0.0F), splat(0.0F)};
  v128_t high[2] = {splat(0.0F), splat(0.0F)};
  for (; steps > 0; --steps, x += kMeasureStep * 4) {
    for (size_t v = 0; v < 4; ++v) {
      const v128_t value = wasm_v128_load(x + 16 * v);
      low[v % 2] = wasm_f32x4_pmin(low[v % 2], value);
      high[v % 2] = wasm_f32x4_pmax(high[v % 2], value);
    }
  }
  float lows[4];
  float highs[4];
  wasm_v128_store(lows, wasm_f32x4_pmin(low[0], low[1]));
  wasm_v128_store(highs, wasm_f32x4_pmax(high[0], high[1]));
  return {std::min(std::min(lows[0], lows[1]), std::min(lows[2], lows[3])),
          std::max(std::max(highs[0], highs[1]), std::max(highs[2], highs[3]))};
}

template <typename Choose> int16_t extreme_lane(v128_t x, const Choose &choose) {
  const v128_t four = choose(x, wasm_i32x4_shuffle(x, x, 2, 3, 0, 1));
  const v128_t two = choose(four, wasm_i32x4_shuffle(four, four, 1, 0, 3, 2));
  return wasm_i16x8_extract_lane(choose(two, wasm_i16x8_shuffle(two, two, 1, 0, 3, 2, 5, 4, 7, 6)),
                                 0);
}

/// Halves, as whole numbers in the same order: the bits below the sign of negative ones are turned over.
template <typename Source>
Range range_of(const HalfVectors<Source> &vectors, const uint8_t *x, size_t steps) {
  const auto lower = [](v128_t a, v128_t b) { return wasm_i16x8_min(a, b); };
  const auto higher = [](v128_t a, v128_t b) { return wasm_i16x8_max(a, b); };
  v128_t low[2] = {splat(0), splat(0)};
  v128_t high[2] = {splat(0), splat(0)};
  for (; steps > 0; --steps, x += kMeasureStep * 2) {
    for (size_t v = 0; v < 2; ++v) {
      const v128_t half = wasm_v128_load(x + 16 * v);
      const v128_t ordered =
          wasm_v128_xor(half, wasm_v128_and(wasm_i16x8_shr(half, 15), vectors.body));
      low[v] = lower(low[v], ordered);
      high[v] = higher(high[v], ordered);
    }
  }
  const int16_t lowest = extreme_lane(lower(low[0], low[1]), lower);
  const int16_t highest = extreme_lane(higher(high[0], high[1]), higher);
  const bool is_negative = lowest < -1; // -1 is the negative zero
  return {is_negative ? vectors.value_of(static_cast<uint16_t>(lowest ^ 0x7FFF)) : 0.0F,
          vectors.value_of(static_cast<uint16_t>(highest))};
}

} // namespace

template <typename Vectors>
void MeasureKernels<Vectors>::magnitudes(const void *x, size_t size, size_t count, uint32_t *to) {
  constexpr size_t kBytes = Vectors::Source::kBytes;
  const Vectors vectors;
  const auto *from = static_cast<const uint8_t *>(x);
  for (size_t n = 0; n < count; ++n) {
    v128_t largest[2] = {splat(0), splat(0)};
    size_t i = 0;
    for (; i + kMeasureStep <= size; i += kMeasureStep, from += kMeasureStep * kBytes) {
      largest[0] = vectors.larger(largest[0], vectors.magnitudes(from));
      largest[1] = vectors.larger(largest[1], vectors.magnitudes(from + 8 * kBytes));
    }
    to[n] = vectors.largest(vectors.larger(largest[0], largest[1]));
    if (i < size) {
      uint32_t rest = 0;
      Vectors::Source::scalar().magnitudes(from, size - i, 1, &rest);
      to[n] = std::max(to[n], rest);
      from += (size - i) * kBytes;
    }
  }
}

template <typename Vectors>
void MeasureKernels<Vectors>::ranges(const void *x, size_t size, size_t count, Range *to) {
  constexpr size_t kBytes = Vectors::Source::kBytes;
  const Vectors vectors;
  const size_t steps = size / kMeasureStep;
  const auto *from = static_cast<const uint8_t *>(x);
  for (size_t n = 0; n < count; ++n, from += size * kBytes) {
    to[n] = range_of(vectors, from, steps);
    const size_t done = steps * kMeasureStep;
    if (done < size) {
      Range rest;
      Vectors::Source::scalar().ranges(from + done * kBytes, size - done, 1, &rest);
      to[n] = {std::min(to[n].min, rest.min), std::max(to[n].max, rest.max)};
    }
  }
}

template struct MeasureKernels<F32Vectors>;
template struct MeasureKernels<F16Vectors>;
template struct MeasureKernels<Bf16Vectors>;

} // namespace monoquant::quant::simd128

#endif
