// The byte order of numbers within blocks.
// It exists for GGUF files of machines that store the highest byte first: codes are bytes there too, scales are not.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/layout/gguf/block_types.h"

namespace monoquant::layout::gguf {

/// Whether it is certain which bytes of a block belong together. It is not where ggml copies words from bytes: which
/// order these have depends on the program that made the file.
bool has_known_order(BlockType type);

/// Turns the numbers of whole blocks to the other byte order. Only of types whose order is known.
void swap_order(const BlockFacts &facts, std::span<uint8_t> blocks);

} // namespace monoquant::layout::gguf
