#ifdef __wasm_simd128__

#include "monoquant/quant/kernels/lanes.h"
#include "monoquant/quant/kernels/simd128_search.h"
#include "monoquant/quant/kernels/vectors.h"

namespace monoquant::quant {
namespace {

using simd128::hoist;
using simd128::splat;

// Sixteen elements a step: four vectors of four, which narrow to one vector of bytes.
constexpr size_t kStep = 16;

v128_t magnitude_bits(v128_t x) { return wasm_v128_and(x, splat(0x7FFFFFFF)); }

/// LaneSums while they live in registers: element i in vector (i / 4) % 2.
struct VectorSums {
  v128_t signal[2] = {splat(0.0F), splat(0.0F)};
  v128_t noise[2] = {splat(0.0F), splat(0.0F)};
  v128_t peak_squared = splat(0.0F);

  void add(size_t half, v128_t value, v128_t error) {
    const v128_t error_squared = wasm_f32x4_mul(error, error);
    signal[half] = wasm_f32x4_add(signal[half], wasm_f32x4_mul(value, value));
    noise[half] = wasm_f32x4_add(noise[half], error_squared);
    peak_squared = wasm_f32x4_pmax(peak_squared, error_squared);
  }

  /// For the last few elements of a scope, which are added one by one.
  [[nodiscard]] LaneSums lanes() const {
    LaneSums sums;
    for (size_t half = 0; half < 2; ++half) {
      wasm_v128_store(sums.signal + 4 * half, signal[half]);
      wasm_v128_store(sums.noise + 4 * half, noise[half]);
    }
    float peaks[4];
    wasm_v128_store(peaks, peak_squared);
    sums.peak_squared = std::max(std::max(peaks[0], peaks[1]), std::max(peaks[2], peaks[3]));
    return sums;
  }
};

/// CallSums while they live in registers.
struct CallVectors {
  v128_t signal = wasm_f64x2_splat(0);
  v128_t noise = wasm_f64x2_splat(0);
  v128_t peak = splat(0.0F);

  void add(const VectorSums &sums, float step) {
    const v128_t squared = wasm_f64x2_splat(static_cast<double>(step) * static_cast<double>(step));
    signal = wasm_f64x2_add(signal, wasm_f64x2_mul(fold(sums.signal), squared));
    noise = wasm_f64x2_add(noise, wasm_f64x2_mul(fold(sums.noise), squared));
    const v128_t steps = wasm_f32x4_sqrt(sums.peak_squared);
    peak = wasm_f32x4_pmax(peak, wasm_f32x4_mul(steps, splat(step)));
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
    float peaks[4];
    wasm_v128_store(peaks, peak);
    sums.peak = std::max(std::max(peaks[0], peaks[1]), std::max(peaks[2], peaks[3]));
    return sums;
  }

private:
  static v128_t fold(const v128_t (&lanes)[2]) {
    const v128_t folded = wasm_f32x4_add(lanes[0], lanes[1]);
    const v128_t high = wasm_i32x4_shuffle(folded, folded, 2, 3, 0, 1);
    return wasm_f64x2_add(wasm_f64x2_promote_low_f32x4(folded), wasm_f64x2_promote_low_f32x4(high));
  }
};

/// Times 2^112 a binary16's bits, moved into place, are its value, subnormal ones included.
void decode_f16(const uint8_t *from, size_t elements, float *to) {
  const v128_t body_mask = hoist(0x7FFF);
  const v128_t largest_finite = hoist(0x7BFF);
  const v128_t infinity = hoist(0x7F800000);
  const v128_t rebias = hoist(0x1p112F);
  size_t i = 0;
  for (; i + 4 <= elements; i += 4) {
    const v128_t half = wasm_u32x4_load16x4(from + 2 * i);
    const v128_t body = wasm_v128_and(half, body_mask);
    const v128_t sign = wasm_i32x4_shl(wasm_v128_xor(half, body), 16);
    const v128_t value = wasm_f32x4_mul(wasm_i32x4_shl(body, 13), rebias);
    const v128_t special = wasm_v128_and(wasm_i32x4_gt(body, largest_finite), infinity);
    wasm_v128_store(to + i, wasm_v128_or(wasm_v128_or(value, special), sign));
  }
  scalar_kernels().decode_f16(from + 2 * i, elements - i, to + i);
}

void decode_bf16(const uint8_t *from, size_t elements, float *to) {
  size_t i = 0;
  for (; i + 8 <= elements; i += 8) {
    wasm_v128_store(to + i, wasm_i32x4_shl(wasm_u32x4_load16x4(from + 2 * i), 16));
    wasm_v128_store(to + i + 4, wasm_i32x4_shl(wasm_u32x4_load16x4(from + 2 * i + 8), 16));
  }
  scalar_kernels().decode_bf16(from + 2 * i, elements - i, to + i);
}

uint32_t magnitude(const float *x, size_t size) {
  v128_t largest[4] = {splat(0), splat(0), splat(0), splat(0)};
  size_t i = 0;
  for (; i + kStep <= size; i += kStep) {
    for (size_t v = 0; v < 4; ++v) {
      largest[v] = wasm_i32x4_max(largest[v], magnitude_bits(wasm_v128_load(x + i + 4 * v)));
    }
  }
  const v128_t four = wasm_i32x4_max(wasm_i32x4_max(largest[0], largest[1]),
                                     wasm_i32x4_max(largest[2], largest[3]));
  const v128_t two = wasm_i32x4_max(four, wasm_i32x4_shuffle(four, four, 2, 3, 0, 1));
  auto result = static_cast<uint32_t>(
      std::max(wasm_i32x4_extract_lane(two, 0), wasm_i32x4_extract_lane(two, 1)));
  for (; i < size; ++i) {
    result = std::max(result, std::bit_cast<uint32_t>(x[i]) & 0x7FFFFFFFU);
  }
  return result;
}

void magnitudes(const float *x, size_t size, size_t count, uint32_t *to) {
  for (size_t scope = 0; scope < count; ++scope, x += size) {
    to[scope] = magnitude(x, size);
  }
}

Range range(const float *x, size_t size) {
  v128_t low[2] = {splat(0.0F), splat(0.0F)};
  v128_t high[2] = {splat(0.0F), splat(0.0F)};
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    for (size_t v = 0; v < 2; ++v) {
      const v128_t value = wasm_v128_load(x + i + 4 * v);
      low[v] = wasm_f32x4_pmin(low[v], value);
      high[v] = wasm_f32x4_pmax(high[v], value);
    }
  }
  const v128_t low_four = wasm_f32x4_pmin(low[0], low[1]);
  const v128_t high_four = wasm_f32x4_pmax(high[0], high[1]);
  const v128_t low_two =
      wasm_f32x4_pmin(low_four, wasm_i32x4_shuffle(low_four, low_four, 2, 3, 0, 1));
  const v128_t high_two =
      wasm_f32x4_pmax(high_four, wasm_i32x4_shuffle(high_four, high_four, 2, 3, 0, 1));
  Range result{
      std::min(wasm_f32x4_extract_lane(low_two, 0), wasm_f32x4_extract_lane(low_two, 1)),
      std::max(wasm_f32x4_extract_lane(high_two, 0), wasm_f32x4_extract_lane(high_two, 1))};
  for (; i < size; ++i) {
    result.min = std::min(result.min, x[i]);
    result.max = std::max(result.max, x[i]);
  }
  return result;
}

void ranges(const float *x, size_t size, size_t count, Range *to) {
  for (size_t scope = 0; scope < count; ++scope, x += size) {
    to[scope] = range(x, size);
  }
}

/// The constants of encode_step, one vector each.
template <int kBits> struct CodeVectors {
  v128_t rounder;
  v128_t factor;
  v128_t lowest;
  v128_t highest;
  v128_t offset; // subtracted from the rounded bits it leaves code + shift

  CodeVectors(v128_t hoisted_rounder, const Scope &scope, int32_t shift)
      : rounder(hoisted_rounder), factor(splat(scope.factor)),
        lowest(splat(kRounderBits + kLowestCode<kBits> - scope.zero_point)),
        highest(splat(kRounderBits + kHighestCode<kBits> - scope.zero_point)),
        offset(splat(kRounderBits - scope.zero_point - shift)) {}

  [[nodiscard]] v128_t encode(const float *x, size_t half, VectorSums &sums) const {
    const v128_t y = wasm_f32x4_mul(wasm_v128_load(x), factor);
    const v128_t rounded =
        wasm_i32x4_max(wasm_i32x4_min(wasm_f32x4_add(y, rounder), highest), lowest);
    sums.add(half, y, wasm_f32x4_sub(y, wasm_f32x4_sub(rounded, rounder)));
    return wasm_i32x4_sub(rounded, offset);
  }

  /// Sixteen codes as two vectors of 16 bits.
  void encode_16(const float *x, VectorSums &sums, v128_t &low, v128_t &high) const {
    const v128_t a = encode(x, 0, sums);
    const v128_t b = encode(x + 4, 1, sums);
    const v128_t c = encode(x + 8, 0, sums);
    const v128_t d = encode(x + 12, 1, sums);
    low = wasm_i16x8_narrow_i32x4(a, b);
    high = wasm_i16x8_narrow_i32x4(c, d);
  }
};

/// One scope, chunk by chunk: `vector(i, sums)` for sixteen elements, `single(i, lanes)` for the last few.
template <typename Vector, typename Single>
void for_each_in_vectors(size_t size, size_t width, float step, CallVectors &sums, Vector vector,
                         Single single) {
  for (size_t begin = 0; begin < size; begin += kSumChunk) {
    const size_t end = std::min(size, begin + kSumChunk);
    VectorSums vectors;
    size_t i = begin;
    for (; i + width <= end; i += width) {
      vector(i, vectors);
    }
    if (i == end) {
      sums.add(vectors, step);
      continue;
    }
    LaneSums lanes = vectors.lanes();
    for (; i < end; ++i) {
      single(i, lanes);
    }
    sums.add(lanes, step);
  }
}

void encode_8(const float *x, size_t size, size_t count, const Scopes &scopes, uint8_t flip,
              uint8_t *to, ErrorSums &sums) {
  const v128_t rounder = hoist(kRounder);
  const v128_t flips = wasm_u8x16_splat(flip);
  CallVectors call;
  for (size_t n = 0; n < count; ++n, x += size, to += size) {
    const Scope scope = scopes[n];
    const CodeVectors<8> vectors(rounder, scope, 0);
    for_each_in_vectors(
        size, kStep, scope.step, call,
        [&](size_t i, VectorSums &sums_of_scope) {
          v128_t low;
          v128_t high;
          vectors.encode_16(x + i, sums_of_scope, low, high);
          wasm_v128_store(to + i, wasm_v128_xor(wasm_i8x16_narrow_i16x8(low, high), flips));
        },
        [&](size_t i, LaneSums &lanes) {
          to[i] = encode_8_step(x[i], scope, flip, i % kSumLanes, lanes);
        });
  }
  call.call_sums().add_to(sums);
}

void encode_4(const float *x, size_t size, size_t count, const Scopes &scopes, uint8_t *to,
              ErrorSums &sums) {
  const v128_t rounder = hoist(kRounder);
  const v128_t pair = hoist(0x00100001); // 16-bit 1 and 16: low code + 16 * high code
  CallVectors call;
  for (size_t n = 0; n < count; ++n, x += size, to += size / 2) {
    const Scope scope = scopes[n];
    const CodeVectors<4> vectors(rounder, scope, 8);
    for_each_in_vectors(
        size, kStep, scope.step, call,
        [&](size_t i, VectorSums &sums_of_scope) {
          v128_t low;
          v128_t high;
          vectors.encode_16(x + i, sums_of_scope, low, high);
          const v128_t words = wasm_i16x8_narrow_i32x4(wasm_i32x4_dot_i16x8(low, pair),
                                                       wasm_i32x4_dot_i16x8(high, pair));
          wasm_v128_store64_lane(to + i / 2, wasm_u8x16_narrow_i16x8(words, words), 0);
        },
        [&](size_t i, LaneSums &lanes) { encode_4_step(x[i], scope, i, to, lanes); });
  }
  call.call_sums().add_to(sums);
}

/// Four values to binary16 in 32-bit lanes. Adding 2^13 times the value's power of two (of 2^-14 at least)
/// lets the adder round the mantissa to ten bits, half to even; taking it away again gives the stored value.
struct F16Vector {
  v128_t magnitude_mask = hoist(0x7FFFFFFF);
  v128_t exponent_mask = hoist(0x7F800000);
  v128_t smallest = hoist(113 << 23);
  v128_t thirteen = hoist(13 << 23);
  v128_t factor;

  explicit F16Vector(float value) : factor(splat(value)) {}

  v128_t operator()(v128_t x, size_t half, VectorSums &sums) const {
    const v128_t magnitude = wasm_v128_and(x, magnitude_mask);
    const v128_t power = wasm_i32x4_max(wasm_v128_and(magnitude, exponent_mask), smallest);
    const v128_t bias = wasm_i32x4_add(power, thirteen);
    const v128_t sum = wasm_f32x4_add(magnitude, bias);
    const v128_t error = wasm_f32x4_sub(magnitude, wasm_f32x4_sub(sum, bias));
    sums.add(half, wasm_f32x4_mul(magnitude, factor), wasm_f32x4_mul(error, factor));
    const v128_t mantissa = wasm_i32x4_sub(sum, bias);
    const v128_t exponent = wasm_u32x4_shr(wasm_i32x4_sub(power, smallest), 13);
    const v128_t sign = wasm_u32x4_shr(wasm_v128_xor(x, magnitude), 16);
    return wasm_v128_or(wasm_i32x4_add(mantissa, exponent), sign);
  }
};

struct Bf16Vector {
  v128_t magnitude_mask = hoist(0x7FFFFFFF);
  v128_t stored_mask = hoist(0x7FFF0000);
  v128_t almost_half = hoist(0x7FFF);
  v128_t one = hoist(1);
  v128_t factor;

  explicit Bf16Vector(float value) : factor(splat(value)) {}

  v128_t operator()(v128_t x, size_t half, VectorSums &sums) const {
    const v128_t odd = wasm_v128_and(wasm_u32x4_shr(x, 16), one);
    const v128_t rounded = wasm_i32x4_add(wasm_i32x4_add(x, almost_half), odd);
    const v128_t stored = wasm_v128_and(rounded, stored_mask);
    const v128_t magnitude = wasm_v128_and(x, magnitude_mask);
    const v128_t error = wasm_f32x4_sub(magnitude, stored);
    sums.add(half, wasm_f32x4_mul(magnitude, factor), wasm_f32x4_mul(error, factor));
    return wasm_u32x4_shr(rounded, 16);
  }
};

template <typename Vector, typename Step>
void encode_16(const float *x, size_t size, const Scope &scope, uint8_t *to, ErrorSums &sums,
               Step step) {
  const Vector vector(scope.factor);
  CallVectors call;
  for_each_in_vectors(
      size, 8, scope.step, call,
      [&](size_t i, VectorSums &vectors) {
        const v128_t a = vector(wasm_v128_load(x + i), 0, vectors);
        const v128_t b = vector(wasm_v128_load(x + i + 4), 1, vectors);
        wasm_v128_store(to + 2 * i, wasm_u16x8_narrow_i32x4(a, b));
      },
      [&](size_t i, LaneSums &lanes) {
        store_le(to + 2 * i, step(x[i], scope.factor, i % kSumLanes, lanes));
      });
  call.call_sums().add_to(sums);
}

void encode_f16(const float *x, size_t size, const Scope &scope, uint8_t *to, ErrorSums &sums) {
  encode_16<F16Vector>(x, size, scope, to, sums, f16_step);
}

void encode_bf16(const float *x, size_t size, const Scope &scope, uint8_t *to, ErrorSums &sums) {
  encode_16<Bf16Vector>(x, size, scope, to, sums, bf16_step);
}

} // namespace

const Kernels *simd_kernels() {
  static constexpr Kernels kKernels = {
      decode_f16,  decode_bf16,        magnitudes,        ranges, encode_8, encode_4, encode_f16,
      encode_bf16, simd128::try_codes, simd128::fit_codes};
  return &kKernels;
}

} // namespace monoquant::quant

#else

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant {
const Kernels *simd_kernels() { return nullptr; }
} // namespace monoquant::quant

#endif
