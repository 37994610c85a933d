#ifdef __wasm_simd128__

#include "monoquant/quant/kernels/simd128_products.h"

#include <algorithm>

#include "monoquant/quant/kernels/vectors.h"

namespace monoquant::quant::simd128 {
namespace {

/// Sums that are kept in registers: so many rows, and two vectors of each.
constexpr size_t kRows = 4;
constexpr size_t kColumns = 8;

/// One tile of sums; all factors of its rows.
template <size_t kTile>
void add_tile(const Factors &factors, size_t first, const Matrix &matrix, size_t column,
              const RowSums &to) {
  v128_t sums[kTile][2];
  for (size_t r = 0; r < kTile; ++r) {
    const float *from = to.values + (first + r) * to.stride + column;
    sums[r][0] = wasm_v128_load(from);
    sums[r][1] = wasm_v128_load(from + 4);
  }
  const float *row = matrix.values + column;
  const float *factor = factors.values + first * factors.stride;
  for (size_t k = 0; k < factors.count; ++k, row += matrix.stride) {
    const v128_t low = wasm_v128_load(row);
    const v128_t high = wasm_v128_load(row + 4);
    for (size_t r = 0; r < kTile; ++r) {
      const v128_t by = wasm_v128_load32_splat(factor + r * factors.stride + k);
      sums[r][0] = wasm_f32x4_add(sums[r][0], wasm_f32x4_mul(by, low));
      sums[r][1] = wasm_f32x4_add(sums[r][1], wasm_f32x4_mul(by, high));
    }
  }
  for (size_t r = 0; r < kTile; ++r) {
    float *target = to.values + (first + r) * to.stride + column;
    wasm_v128_store(target, sums[r][0]);
    wasm_v128_store(target + 4, sums[r][1]);
  }
}

} // namespace

void add_products(const Factors &factors, const Matrix &matrix, const RowSums &to) {
  const size_t columns = matrix.width - matrix.width % kColumns;
  for (size_t column = 0; column < columns; column += kColumns) {
    size_t row = 0;
    for (; row + kRows <= factors.rows; row += kRows) {
      add_tile<kRows>(factors, row, matrix, column, to);
    }
    for (; row < factors.rows; ++row) {
      add_tile<1>(factors, row, matrix, column, to);
    }
  }
  scalar_kernels().add_products(factors,
                                {matrix.values + columns, matrix.stride, matrix.width - columns},
                                {to.values + columns, to.stride});
}

} // namespace monoquant::quant::simd128

#endif
