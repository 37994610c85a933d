#ifdef __wasm_simd128__

#include "monoquant/quant/kernels/simd128_kernels.h"
#include "monoquant/quant/kernels/simd128_products.h"
#include "monoquant/quant/kernels/simd128_search.h"

namespace monoquant::quant {
namespace simd128 {
namespace {

template <typename Vectors>
void decode_in_order(const Vectors &vectors, const uint8_t *from, float *to) {
  const v128_t even = vectors.first(from);
  const v128_t odd = vectors.second(from);
  wasm_v128_store(to, wasm_i32x4_shuffle(even, odd, 0, 4, 1, 5));
  wasm_v128_store(to + 4, wasm_i32x4_shuffle(even, odd, 2, 6, 3, 7));
}

void decode_f16(const uint8_t *from, size_t elements, float *to) {
  const F16Vectors vectors;
  v128_t largest = splat(0);
  size_t i = 0;
  for (; i + 8 <= elements; i += 8) {
    decode_in_order(vectors, from + 2 * i, to + i);
    largest = F16Vectors::larger(largest, vectors.magnitudes(from + 2 * i));
  }
  if (F16Vectors::largest(largest) >= kInfinityBits) { // which the vectors do not know, nor NaN
    i = 0;
  }
  scalar_kernels().decode_f16(from + 2 * i, elements - i, to + i);
}

void decode_bf16(const uint8_t *from, size_t elements, float *to) {
  const Bf16Vectors vectors;
  size_t i = 0;
  for (; i + 8 <= elements; i += 8) {
    decode_in_order(vectors, from + 2 * i, to + i);
  }
  scalar_kernels().decode_bf16(from + 2 * i, elements - i, to + i);
}

template <typename Vectors>
constexpr SourceKernels kTable = {
    Vectors::Source::kBytes,           MeasureKernels<Vectors>::magnitudes,
    MeasureKernels<Vectors>::ranges,   CodeKernels<Vectors>::encode_8,
    CodeKernels<Vectors>::encode_4,    FloatKernels<Vectors>::encode_f16,
    FloatKernels<Vectors>::encode_bf16};

} // namespace
} // namespace simd128

const Kernels *simd_kernels() {
  static constexpr Kernels kKernels = {simd128::decode_f16,
                                       simd128::decode_bf16,
                                       simd128::kTable<simd128::F32Vectors>,
                                       simd128::kTable<simd128::F16Vectors>,
                                       simd128::kTable<simd128::Bf16Vectors>,
                                       simd128::try_codes,
                                       simd128::fit_codes,
                                       simd128::try_levels,
                                       simd128::add_products};
  return &kKernels;
}

} // namespace monoquant::quant

#else

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant {
const Kernels *simd_kernels() { return nullptr; }
} // namespace monoquant::quant

#endif
