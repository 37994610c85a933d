#include "monoquant/layout/compressed_tensors/zero_points.h"

#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"

namespace monoquant::layout::compressed_tensors {

uint64_t packed_zero_point_bytes(const Stored &stored, uint64_t first_row, uint64_t rows) {
  const uint64_t per_word = 32 / stored.scheme.bits;
  uint64_t words = 0;
  for (uint64_t row = first_row; row < first_row + rows;) {
    const uint64_t in_matrix = row % stored.rows;
    const uint64_t taken = std::min(stored.rows - in_matrix, first_row + rows - row);
    words += divide_up(taken, per_word);
    row += taken;
  }
  return words * stored.groups() * 4;
}

size_t pack_zero_points(const Stored &stored, uint64_t first_row,
                        std::span<const int32_t> zero_points, uint8_t *to) {
  const uint32_t bits = stored.scheme.bits;
  const uint64_t per_word = 32 / bits;
  const auto groups = static_cast<size_t>(stored.groups());
  const uint64_t rows = zero_points.size() / groups;
  uint8_t *const begin = to;
  for (uint64_t row = 0; row < rows;) {
    const uint64_t left_in_matrix = stored.rows - (first_row + row) % stored.rows;
    const uint64_t taken = std::min({per_word, left_in_matrix, rows - row});
    for (size_t group = 0; group < groups; ++group) {
      uint32_t word = 0;
      for (uint64_t i = 0; i < taken; ++i) {
        const int32_t zero_point = zero_points[static_cast<size_t>(row + i) * groups + group];
        word |= static_cast<uint32_t>(zero_point - stored.scheme.lowest()) << (bits * i);
      }
      store_le(to, word);
      to += 4;
    }
    row += taken;
  }
  return static_cast<size_t>(to - begin);
}

} // namespace monoquant::layout::compressed_tensors
