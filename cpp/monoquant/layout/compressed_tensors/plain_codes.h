// Codes made and packed plainly, one after the other: what the kernels do in one go, bit for bit.
// Methods that round in ways of their own have codes to be packed; the tests hold the kernels to the rest.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/quant/error_sums.h"
#include "monoquant/quant/qparams.h"
#include "monoquant/quant/scheme.h"
#include "monoquant/quant/values.h"

namespace monoquant::layout::compressed_tensors {

/// The codes nearest to `count` scopes of `size` values each, for instance -8 to 7. Errors are added in the kernels'
/// order. Scales are not so small that squares of steps vanish.
void nearest_codes(const quant::Values &values, size_t size, size_t count,
                   const quant::Scheme &scheme, const quant::QparamsArrays &qparams,
                   std::span<int8_t> codes, quant::ErrorSums &sums);

/// Lowest bits first, 2^(bits-1) added. Returns the end of the last byte.
uint8_t *pack_codes(std::span<const int8_t> codes, uint32_t bits, uint8_t *to);

} // namespace monoquant::layout::compressed_tensors
