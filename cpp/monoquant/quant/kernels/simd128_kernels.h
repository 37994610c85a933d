// The kernels of SourceKernels in 128-bit SIMD, for each type of source.
// It exists because they are made in several files, each about one matter.
// Only those files include this, and simd128.cc, which puts them into its table.
#pragma once

#include "monoquant/quant/kernels/simd128_sources.h"

namespace monoquant::quant::simd128 {

template <typename Vectors> struct MeasureKernels {
  static void magnitudes(const void *x, size_t size, size_t count, uint32_t *to);
  static void ranges(const void *x, size_t size, size_t count, Range *to);
};

template <typename Vectors> struct CodeKernels {
  static void encode_8(const void *x, size_t size, size_t count, const Scopes &scopes, uint8_t flip,
                       uint8_t *to, ErrorSums &sums);
  static void encode_4(const void *x, size_t size, size_t count, const Scopes &scopes, uint8_t *to,
                       ErrorSums &sums);
};

template <typename Vectors> struct FloatKernels {
  static uint32_t encode_f16(const void *x, size_t size, uint8_t *to, ErrorSums &sums);
  static uint32_t encode_bf16(const void *x, size_t size, uint8_t *to, ErrorSums &sums);
};

extern template struct MeasureKernels<F32Vectors>;
extern template struct MeasureKernels<F16Vectors>;
extern template struct MeasureKernels<Bf16Vectors>;
extern template struct CodeKernels<F32Vectors>;
extern template struct CodeKernels<F16Vectors>;
extern template struct CodeKernels<Bf16Vectors>;
extern template struct FloatKernels<F32Vectors>;
extern template struct FloatKernels<F16Vectors>;
extern template struct FloatKernels<Bf16Vectors>;

} // namespace monoquant::quant::simd128
