#include "monoquant/layout/compressed_tensors/zero_points.h"

#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/layout/packed_codes.h"

namespace monoquant::layout::compressed_tensors {

uint64_t packed_zero_point_bytes(const Stored &stored, uint64_t first_row, uint64_t rows) {
  uint64_t bytes = 0;
  for (uint64_t row = first_row; row < first_row + rows;) {
    const uint64_t in_matrix = row % stored.rows;
    const uint64_t taken = std::min(stored.rows - in_matrix, first_row + rows - row);
    bytes += packed_bytes(taken, stored.scheme.bits);
    row += taken;
  }
  return bytes * stored.groups();
}

size_t pack_zero_points(const Stored &stored, uint64_t first_row,
                        std::span<const int32_t> zero_points, uint8_t *to) {
  const uint32_t bits = stored.scheme.bits;
  const auto groups = static_cast<size_t>(stored.groups());
  const uint64_t rows = zero_points.size() / groups;
  const uint64_t at_once = codes_in_words(bits); // fill whole words
  uint8_t *const begin = to;
  for (uint64_t row = 0; row < rows;) {
    const uint64_t left_in_matrix = stored.rows - (first_row + row) % stored.rows;
    const uint64_t taken = std::min({at_once, left_in_matrix, rows - row});
    const auto words = static_cast<size_t>(packed_bytes(taken, bits) / 4);
    for (size_t group = 0; group < groups; ++group) {
      uint64_t waiting = 0;
      uint32_t held = 0;
      size_t word = 0;
      const auto flush = [&] {
        store_le(to + (word++ * groups + group) * 4, static_cast<uint32_t>(waiting));
        waiting >>= 32U;
      };
      for (uint64_t i = 0; i < taken; ++i) {
        const int32_t zero_point = zero_points[static_cast<size_t>(row + i) * groups + group];
        waiting |= static_cast<uint64_t>(zero_point - stored.scheme.lowest()) << held;
        held += bits;
        if (held >= 32) {
          held -= 32;
          flush();
        }
      }
      if (word < words) {
        flush();
      }
    }
    to += words * groups * 4;
    row += taken;
  }
  return static_cast<size_t>(to - begin);
}

} // namespace monoquant::layout::compressed_tensors
