// The running sums of errors while they live in registers, for the SIMD kernels.
// It exists because all kernels that encode share it.
// The same additions in the same order as LaneSums and CallSums.
#pragma once

#include "monoquant/quant/kernels/lanes.h"
#include "monoquant/quant/kernels/simd128_sources.h"

namespace monoquant::quant::simd128 {

inline float largest_lane(v128_t x) {
  float lanes[4];
  wasm_v128_store(lanes, x);
  return std::max(std::max(lanes[0], lanes[1]), std::max(lanes[2], lanes[3]));
}

/// LaneSums: lanes 0 to 3 and 4 to 7, or even and odd ones, as values come.
template <bool kInOrder> struct VectorSums {
  v128_t signal[2] = {splat(0.0F), splat(0.0F)};
  v128_t noise[2] = {splat(0.0F), splat(0.0F)};
  v128_t peak_squared = splat(0); // bits: no square is negative, so they compare as whole numbers

  void add(size_t half, v128_t value, v128_t error) {
    const v128_t squared = wasm_f32x4_mul(error, error);
    add_signal(half, value);
    noise[half] = wasm_f32x4_add(noise[half], squared);
    peak_squared = wasm_i32x4_max(peak_squared, squared);
  }

  /// Where nothing was lost, or where that is in other sums: take_noise.
  void add_signal(size_t half, v128_t value) {
    signal[half] = wasm_f32x4_add(signal[half], wasm_f32x4_mul(value, value));
  }

  void take_noise(const VectorSums &other) {
    noise[0] = other.noise[0];
    noise[1] = other.noise[1];
    peak_squared = other.peak_squared;
  }

  /// For the last few elements of a scope, which are added one by one.
  [[nodiscard]] LaneSums lanes() const {
    LaneSums sums;
    store(signal, sums.signal);
    store(noise, sums.noise);
    sums.peak_squared = largest_lane(peak_squared);
    return sums;
  }

  /// Two f64 lanes: the first is added up from lanes 0, 2, 4 and 6, the second from the odd ones.
  static v128_t fold(const v128_t (&lanes)[2]) {
    if constexpr (kInOrder) {
      const v128_t four = wasm_f32x4_add(lanes[0], lanes[1]);
      return add_as_f64(four, swap_pairs(four));
    } else {
      const v128_t even = wasm_f32x4_add(lanes[0], swap_pairs(lanes[0]));
      const v128_t odd = wasm_f32x4_add(lanes[1], swap_pairs(lanes[1]));
      return add_as_f64(wasm_i32x4_shuffle(even, odd, 0, 4, 1, 5),
                        wasm_i32x4_shuffle(even, odd, 1, 5, 1, 5));
    }
  }

private:
  static v128_t swap_pairs(v128_t x) { return wasm_i32x4_shuffle(x, x, 2, 3, 0, 1); }
  static v128_t add_as_f64(v128_t a, v128_t b) {
    return wasm_f64x2_add(wasm_f64x2_promote_low_f32x4(a), wasm_f64x2_promote_low_f32x4(b));
  }
  static void store(const v128_t (&from)[2], float (&lanes)[kSumLanes]) {
    if constexpr (kInOrder) {
      wasm_v128_store(lanes, from[0]);
      wasm_v128_store(lanes + 4, from[1]);
    } else {
      wasm_v128_store(lanes, wasm_i32x4_shuffle(from[0], from[1], 0, 4, 1, 5));
      wasm_v128_store(lanes + 4, wasm_i32x4_shuffle(from[0], from[1], 2, 6, 3, 7));
    }
  }
};

/// CallSums.
struct CallVectors {
  v128_t signal = wasm_f64x2_splat(0);
  v128_t noise = wasm_f64x2_splat(0);
  v128_t peak = splat(0.0F);

  template <bool kInOrder> void add(const VectorSums<kInOrder> &sums, float step) {
    const v128_t squared = wasm_f64x2_splat(static_cast<double>(step) * static_cast<double>(step));
    signal = wasm_f64x2_add(signal, wasm_f64x2_mul(sums.fold(sums.signal), squared));
    noise = wasm_f64x2_add(noise, wasm_f64x2_mul(sums.fold(sums.noise), squared));
    peak = wasm_f32x4_pmax(peak, wasm_f32x4_mul(wasm_f32x4_sqrt(sums.peak_squared), splat(step)));
  }

  void add(const LaneSums &lanes, float step) {
    CallSums sums = call_sums();
    sums.add(lanes, step);
    signal = wasm_f64x2_make(sums.signal[0], sums.signal[1]);
    noise = wasm_f64x2_make(sums.noise[0], sums.noise[1]);
    peak = splat(sums.peak);
  }

  [[nodiscard]] CallSums call_sums() const {
    CallSums sums;
    wasm_v128_store(sums.signal, signal);
    wasm_v128_store(sums.noise, noise);
    sums.peak = largest_lane(peak);
    return sums;
  }
};

/// One scope, chunk by chunk: `vectors(begin, end)` returns the sums of whole vectors of `width` elements, and
/// `single(i, lanes)` adds those of the last few. Always inline: what the two refer to would lie in memory otherwise.
template <typename Vectors, typename Single>
[[gnu::always_inline]] inline void for_each_chunk(size_t size, size_t width, float step,
                                                  CallVectors &sums, Vectors vectors,
                                                  Single single) {
  for (size_t begin = 0; begin < size; begin += kSumChunk) {
    const size_t end = std::min(size, begin + kSumChunk);
    size_t i = end - (end - begin) % width;
    const auto whole = vectors(begin, i);
    if (i == end) {
      sums.add(whole, step);
      continue;
    }
    LaneSums lanes = whole.lanes();
    for (; i < end; ++i) {
      single(i, lanes);
    }
    sums.add(lanes, step);
  }
}

} // namespace monoquant::quant::simd128
