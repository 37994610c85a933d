// The decoders of blocks, by kind of block. decode_blocks() chooses among them.
// Each decodes `count` blocks; sizes were checked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "monoquant/layout/gguf/block_types.h"

namespace monoquant::layout::gguf {

using BlockDecoder = void (*)(const uint8_t *bytes, size_t count, float *to);

// Null for types of another kind.
BlockDecoder number_decoder(BlockType type); // one value a block
BlockDecoder small_decoder(BlockType type);  // 32 to 128 values with one scale, or one for 16
BlockDecoder large_decoder(BlockType type);  // 256 values with scales of scales, or ternary ones
BlockDecoder grid_decoder(BlockType type);   // 256 values that are points of a grid

/// Decodes blocks one after the other.
template <typename Block, size_t kValues, void (*kDecode)(const Block &, float *)>
void decode_each(const uint8_t *bytes, size_t count, float *to) {
  static_assert(alignof(Block) == 1);
  for (size_t i = 0; i < count; ++i) {
    kDecode(*reinterpret_cast<const Block *>(bytes + i * sizeof(Block)), to + i * kValues);
  }
}

} // namespace monoquant::layout::gguf
