// Codes that are no plain integers: numbers of a table, small floats, fractions.
// It exists for what kernels do not make: values become codes one by one, each the nearest one as the tool that reads
// the format rounds. The same scalar code in every build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "monoquant/quant/error_sums.h"
#include "monoquant/quant/qparams.h"
#include "monoquant/quant/scheme.h"
#include "monoquant/quant/values.h"

namespace monoquant::quant {

/// What a code stands for, before its scale. `code`: of 4 bits, or a byte; integers as two's complement.
float codebook_value(Codebook codebook, uint8_t code);

/// The numbers of a codebook of 4 bits, by code.
std::span<const float, 16> codebook_table(Codebook codebook);

/// The codes nearest to values of one scope. A scale of 0 is that of zeros.
void nearest_codes(std::span<const float> values, Codebook codebook, float scale,
                   std::span<uint8_t> codes);

/// What they stand for, with their scale, as readers compute it in f32.
void stored_values(std::span<const uint8_t> codes, Codebook codebook, float scale,
                   std::span<float> values);

/// The scale whose nearest codes lose least, among those that the scheme can store and the largest magnitude allows;
/// that of choose_qparams where none is better. `importance`: as for search_qparams.
float search_codebook_scale(std::span<const float> values, std::span<const float> importance,
                            const Scheme &scheme, float outer);

} // namespace monoquant::quant
