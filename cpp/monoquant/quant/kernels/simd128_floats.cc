#ifdef __wasm_simd128__

#include <type_traits>

#include "monoquant/quant/kernels/simd128_kernels.h"
#include "monoquant/quant/kernels/simd128_sums.h"

namespace monoquant::quant::simd128 {
namespace {

constexpr size_t kFloatStep = 8; // elements
constexpr size_t kFlagStep = 8 * kFloatStep;

/// Eight values to binary16. Adding 2^13 times the value's power of two (of 2^-14 at least) lets the adder round
/// the mantissa to ten bits, half to even; taking it away again gives the stored value.
template <typename Vectors> struct ToF16 {
  using Sums = VectorSums<Vectors::kInOrder>;
  Vectors vectors;
  v128_t magnitude_mask = hoist(0x7FFFFFFF);
  v128_t exponent_mask = hoist(0x7F800000);
  v128_t smallest = hoist(113 << 23);
  v128_t thirteen = hoist(13 << 23);
  v128_t sign_mask = hoist(static_cast<int32_t>(0x80008000U));

  v128_t operator()(const uint8_t *from, Sums &sums) const {
    const v128_t first = vectors.first(from);
    const v128_t second = vectors.second(from);
    const v128_t sign = wasm_v128_and(vectors.join_upper(first, second), sign_mask);
    return wasm_v128_or(vectors.join_unsigned(body(first, 0, sums), body(second, 1, sums)), sign);
  }

private:
  v128_t body(v128_t x, size_t half, Sums &sums) const {
    const v128_t magnitude = wasm_v128_and(x, magnitude_mask);
    const v128_t power = wasm_i32x4_max(wasm_v128_and(x, exponent_mask), smallest);
    const v128_t bias = wasm_i32x4_add(power, thirteen);
    const v128_t sum = wasm_f32x4_add(magnitude, bias);
    sums.add(half, magnitude, wasm_f32x4_sub(magnitude, wasm_f32x4_sub(sum, bias)));
    const v128_t exponent = wasm_u32x4_shr(wasm_i32x4_sub(power, smallest), 13);
    return wasm_i32x4_add(wasm_i32x4_sub(sum, bias), exponent);
  }
};

template <typename Vectors> struct ToBf16 {
  using Sums = VectorSums<Vectors::kInOrder>;
  Vectors vectors;
  v128_t stored_mask = hoist(static_cast<int32_t>(0xFFFF0000U));
  v128_t almost_half = hoist(0x7FFF);
  v128_t one = hoist(1);

  v128_t operator()(const uint8_t *from, Sums &sums) const {
    return vectors.join_upper(round(vectors.first(from), 0, sums),
                              round(vectors.second(from), 1, sums));
  }

private:
  v128_t round(v128_t x, size_t half, Sums &sums) const {
    const v128_t odd = wasm_v128_and(wasm_u32x4_shr(x, 16), one);
    const v128_t rounded = wasm_i32x4_add(wasm_i32x4_add(x, almost_half), odd);
    sums.add(half, x, wasm_f32x4_sub(x, wasm_v128_and(rounded, stored_mask)));
    return rounded;
  }
};

/// Of the elements that no whole vector has.
template <typename Vectors> uint32_t largest_of_rest(const uint8_t *from, size_t size) {
  using Source = typename Vectors::Source;
  const size_t whole = size - size % kFloatStep;
  uint32_t largest = 0;
  Source::scalar().magnitudes(from + whole * Source::kBytes, size - whole, 1, &largest);
  return largest;
}

template <typename Vectors, typename Narrow, typename Step>
uint32_t encode_16(const uint8_t *from, size_t size, const Narrow &narrow, uint8_t *to,
                   ErrorSums &sums, Step step) {
  using Source = typename Vectors::Source;
  v128_t largest = splat(0);
  CallVectors call;
  for_each_chunk(
      size, kFloatStep, 1.0F, call,
      [&](size_t i, size_t end) {
        VectorSums<Vectors::kInOrder> chunk;
        for (; i < end; i += kFloatStep) {
          const uint8_t *at = from + i * Source::kBytes;
          largest = Vectors::larger(largest, narrow.vectors.magnitudes(at));
          wasm_v128_store(to + 2 * i, narrow(at, chunk));
        }
        return chunk;
      },
      [&](size_t i, LaneSums &lanes) {
        store_le(to + 2 * i, step(Source::at(from, i), i % kSumLanes, lanes));
      });
  call.call_sums().add_to(sums);
  return std::max(Vectors::largest(largest), largest_of_rest<Vectors>(from, size));
}

/// BF16 to F16: exact, by adding to the exponent, except for the few values that are subnormal there.
struct ExactToF16 {
  v128_t smallest_normal = hoist(0x38803880);
  v128_t rebias = hoist(0x38003800);
  v128_t zero = hoist(0);

  /// Zeros stay zeros, because the subtraction saturates.
  [[nodiscard]] v128_t operator()(v128_t halves, v128_t body) const {
    return wasm_v128_or(wasm_i16x8_shl(wasm_u16x8_sub_sat(body, rebias), 3),
                        wasm_v128_xor(halves, body));
  }
  /// Which of eight values have to be rounded.
  [[nodiscard]] uint32_t misfits(v128_t body) const {
    return wasm_i16x8_bitmask(
        wasm_v128_and(wasm_i16x8_gt(body, zero), wasm_i16x8_gt(smallest_normal, body)));
  }
};

uint32_t encode_bf16_as_f16(const uint8_t *from, size_t size, uint8_t *to, ErrorSums &sums) {
  const ExactToF16 exact;
  const ToF16<Bf16Vectors> rounding;
  const Bf16Vectors &vectors = rounding.vectors;
  v128_t largest = splat(0);
  CallVectors call;
  for_each_chunk(
      size, kFloatStep, 1.0F, call,
      [&](size_t begin, size_t end) {
        VectorSums<false> chunk;
        uint8_t misfits[kSumChunk / kFloatStep] = {};
        for (size_t i = begin; i < end; i += kFloatStep) {
          const uint8_t *at = from + 2 * i;
          const v128_t halves = wasm_v128_load(at);
          const v128_t body = vectors.magnitudes(at);
          largest = Bf16Vectors::larger(largest, body);
          chunk.add_signal(0, vectors.first(at));
          chunk.add_signal(1, vectors.second(at));
          wasm_v128_store(to + 2 * i, exact(halves, body));
          misfits[(i - begin) / kFloatStep] = static_cast<uint8_t>(exact.misfits(body));
        }
        // In a loop of their own, so that the other one has all registers.
        VectorSums<false> rounded;
        for (size_t i = begin; i < end; i += kFloatStep) {
          const uint8_t *here = misfits + (i - begin) / kFloatStep;
          if (i % kFlagStep == 0 && load_le<uint64_t>(here) == 0) {
            i += kFlagStep - kFloatStep;
          } else if (*here != 0) {
            wasm_v128_store(to + 2 * i, rounding(from + 2 * i, rounded));
          }
        }
        chunk.take_noise(rounded);
        return chunk;
      },
      [&](size_t i, LaneSums &lanes) {
        store_le(to + 2 * i, f16_step(Bf16Source::at(from, i), i % kSumLanes, lanes));
      });
  call.call_sums().add_to(sums);
  return std::max(Bf16Vectors::largest(largest), largest_of_rest<Bf16Vectors>(from, size));
}

} // namespace

template <typename Vectors>
uint32_t FloatKernels<Vectors>::encode_f16(const void *x, size_t size, uint8_t *to,
                                           ErrorSums &sums) {
  const auto *from = static_cast<const uint8_t *>(x);
  if constexpr (std::is_same_v<Vectors, Bf16Vectors>) {
    return encode_bf16_as_f16(from, size, to, sums);
  } else {
    return encode_16<Vectors>(from, size, ToF16<Vectors>(), to, sums, f16_step);
  }
}

template <typename Vectors>
uint32_t FloatKernels<Vectors>::encode_bf16(const void *x, size_t size, uint8_t *to,
                                            ErrorSums &sums) {
  return encode_16<Vectors>(static_cast<const uint8_t *>(x), size, ToBf16<Vectors>(), to, sums,
                            bf16_step);
}

template struct FloatKernels<F32Vectors>;
template struct FloatKernels<F16Vectors>;
template struct FloatKernels<Bf16Vectors>;

} // namespace monoquant::quant::simd128

#endif
