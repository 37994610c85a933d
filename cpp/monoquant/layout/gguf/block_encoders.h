// The encoders of rows, by kind of block. encode_row() chooses among them.
// Sizes were checked: rows are whole blocks, importance is empty or as long as the row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "monoquant/layout/gguf/block_types.h"

namespace monoquant::layout::gguf {

using RowEncoder = void (*)(std::span<const float> row, std::span<const float> importance,
                            uint8_t *to);

// Null for types of another kind.
RowEncoder plain_encoder(BlockType type); // codes follow from the largest value, or there are none
RowEncoder searched_encoder(BlockType type); // Q4_0 to Q5_1, which search if there is an importance
RowEncoder affine_encoder(BlockType type);   // Q2_K, Q4_K, Q5_K
RowEncoder signed_encoder(BlockType type);   // Q3_K, Q6_K
RowEncoder table_encoder(BlockType type);    // IQ4_NL and IQ4_XS

/// Encodes blocks one after the other.
template <typename Block, size_t kValues, void (*kEncode)(const float *, Block &)>
void encode_each(std::span<const float> row, std::span<const float> /*importance*/, uint8_t *to) {
  static_assert(alignof(Block) == 1);
  for (size_t at = 0; at < row.size(); at += kValues, to += sizeof(Block)) {
    kEncode(row.data() + at, *reinterpret_cast<Block *>(to));
  }
}

} // namespace monoquant::layout::gguf
