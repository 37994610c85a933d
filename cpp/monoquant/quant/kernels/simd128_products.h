// The kernel of products of whole rows in 128-bit SIMD.
#pragma once

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant::simd128 {

void add_products(const Factors &factors, const Matrix &matrix, const RowSums &to);

} // namespace monoquant::quant::simd128
