// Packs zero points as compressed-tensors does: along the outputs, several rows in one 32-bit word.
// It exists apart because it is the one place where rows of a tensor meet in a word.
// Column g of a matrix of words holds zero_point + 2^(bits-1) of the rows of one matrix for group g, one behind the
// other, lowest bits first, from one word to the next.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/layout/stored.h"

namespace monoquant::layout::compressed_tensors {

/// Bytes of the words that hold the zero points of `rows` rows, beginning at a row that begins a word.
uint64_t packed_zero_point_bytes(const Stored &stored, uint64_t first_row, uint64_t rows);

/// `zero_points`: groups() a row, from `first_row` on (counted over all matrices), which begins a word.
/// Returns the bytes written.
size_t pack_zero_points(const Stored &stored, uint64_t first_row,
                        std::span<const int32_t> zero_points, uint8_t *to);

} // namespace monoquant::layout::compressed_tensors
