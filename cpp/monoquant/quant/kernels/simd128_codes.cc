#ifdef __wasm_simd128__

#include "monoquant/quant/kernels/simd128_kernels.h"
#include "monoquant/quant/kernels/simd128_sums.h"

namespace monoquant::quant::simd128 {
namespace {

// Sixteen elements a step, which make one vector of bytes.
constexpr size_t kCodeStep = 16;

/// The constants of encode_step, one vector each.
template <int kBits, typename Vectors> struct CodeVectors {
  using Sums = VectorSums<Vectors::kInOrder>;
  v128_t rounder;
  v128_t factor;
  v128_t lowest;
  v128_t highest;
  v128_t offset; // subtracted from the rounded bits it leaves code + shift

  CodeVectors(v128_t hoisted_rounder, const Scope &scope, int32_t shift)
      : rounder(hoisted_rounder), factor(splat(scope.factor)),
        lowest(splat(kRounderBits + kLowestCode<kBits> - scope.zero_point)),
        highest(splat(kRounderBits + kHighestCode<kBits> - scope.zero_point)) {
    const int32_t wanted = kRounderBits - scope.zero_point - shift;
    offset = Vectors::kInOrder ? splat(wanted) : wasm_i16x8_splat(static_cast<int16_t>(wanted));
  }

  /// Eight codes of 16 bits.
  v128_t encode(const Vectors &vectors, const uint8_t *x, Sums &sums) const {
    const v128_t first = round(vectors.first(x), 0, sums);
    const v128_t second = round(vectors.second(x), 1, sums);
    if constexpr (Vectors::kInOrder) {
      return vectors.join(wasm_i32x4_sub(first, offset), wasm_i32x4_sub(second, offset));
    } else {
      return wasm_i16x8_sub(vectors.join(first, second), offset);
    }
  }

private:
  v128_t round(v128_t x, size_t half, Sums &sums) const {
    const v128_t y = wasm_f32x4_mul(x, factor);
    const v128_t rounded =
        wasm_i32x4_max(wasm_i32x4_min(wasm_f32x4_add(y, rounder), highest), lowest);
    sums.add(half, y, wasm_f32x4_sub(y, wasm_f32x4_sub(rounded, rounder)));
    return rounded;
  }
};

} // namespace

template <typename Vectors>
void CodeKernels<Vectors>::encode_8(const void *x, size_t size, size_t count, const Scopes &scopes,
                                    uint8_t flip, uint8_t *to, ErrorSums &sums) {
  using Source = typename Vectors::Source;
  const Vectors vectors;
  const v128_t rounder = hoist(kRounder);
  const v128_t flips = wasm_u8x16_splat(flip);
  const auto *from = static_cast<const uint8_t *>(x);
  CallVectors call;
  for (size_t n = 0; n < count; ++n, from += size * Source::kBytes, to += size) {
    const Scope scope = scopes[n];
    const CodeVectors<8, Vectors> codes(rounder, scope, 0);
    for_each_chunk(
        size, kCodeStep, scope.step, call,
        [&](size_t i, size_t end) {
          VectorSums<Vectors::kInOrder> chunk;
          for (; i < end; i += kCodeStep) {
            const uint8_t *at = from + i * Source::kBytes;
            const v128_t low = codes.encode(vectors, at, chunk);
            const v128_t high = codes.encode(vectors, at + 8 * Source::kBytes, chunk);
            wasm_v128_store(to + i, wasm_v128_xor(wasm_i8x16_narrow_i16x8(low, high), flips));
          }
          return chunk;
        },
        [&](size_t i, LaneSums &lanes) {
          to[i] = encode_8_step(Source::at(from, i), scope, flip, i % kSumLanes, lanes);
        });
  }
  call.call_sums().add_to(sums);
}

template <typename Vectors>
void CodeKernels<Vectors>::encode_4(const void *x, size_t size, size_t count, const Scopes &scopes,
                                    uint8_t *to, ErrorSums &sums) {
  using Source = typename Vectors::Source;
  const Vectors vectors;
  const v128_t rounder = hoist(kRounder);
  const v128_t pair = hoist(0x00100001); // 16-bit 1 and 16: low code + 16 * high code
  const auto *from = static_cast<const uint8_t *>(x);
  CallVectors call;
  for (size_t n = 0; n < count; ++n, from += size * Source::kBytes, to += size / 2) {
    const Scope scope = scopes[n];
    const CodeVectors<4, Vectors> codes(rounder, scope, 8);
    for_each_chunk(
        size, kCodeStep, scope.step, call,
        [&](size_t i, size_t end) {
          VectorSums<Vectors::kInOrder> chunk;
          for (; i < end; i += kCodeStep) {
            const uint8_t *at = from + i * Source::kBytes;
            const v128_t low = codes.encode(vectors, at, chunk);
            const v128_t high = codes.encode(vectors, at + 8 * Source::kBytes, chunk);
            const v128_t words = wasm_i16x8_narrow_i32x4(wasm_i32x4_dot_i16x8(low, pair),
                                                         wasm_i32x4_dot_i16x8(high, pair));
            wasm_v128_store64_lane(to + i / 2, wasm_u8x16_narrow_i16x8(words, words), 0);
          }
          return chunk;
        },
        [&](size_t i, LaneSums &lanes) {
          encode_4_step(Source::at(from, i), scope, i, to, lanes);
        });
  }
  call.call_sums().add_to(sums);
}

template struct CodeKernels<F32Vectors>;
template struct CodeKernels<F16Vectors>;
template struct CodeKernels<Bf16Vectors>;

} // namespace monoquant::quant::simd128

#endif
