// The kernels of the range search in 128-bit SIMD: see Kernels::try_codes and what follows it.
// They exist apart from the other SIMD kernels because they share nothing with them but the vectors.
// Only simd128.cc includes this, to put them into its table.
#pragma once

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant::simd128 {

void try_codes(const float *x, size_t size, const Importance &importance, const Trial *trials,
               size_t count, double *to);
void fit_codes(const float *x, size_t size, const Importance &importance, const Trial &trial,
               FitSums &to);
void try_levels(const float *x, size_t size, const LevelTrials &trials, LevelSums &to);

} // namespace monoquant::quant::simd128
