// Rows of values to blocks of GGUF tensors: the bytes that ggml writes.
// Sums are in f32 and in ggml's order, nothing is fused, so every machine writes the same.
// No state and no memory but the stack: any number of threads may encode.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/base/result.h"
#include "monoquant/layout/gguf/block_types.h"

namespace monoquant::layout::gguf {

/// Writes one row: a whole number of blocks, of a type that `is_written`. `importance` is empty, or has a number for each
/// column, such as the mean square of its inputs: none is negative, and all are finite. With it, ggml chooses scales in
/// another way, so importances that are all 1 are not the same as none. `bytes` has exactly the bytes of the blocks.
/// Values are to be finite: others make blocks that stand for nothing, but are no error here.
/// Errors: kInternal (other sizes, a type that is not written).
Result<void> encode_row(BlockType type, std::span<const float> values,
                        std::span<const float> importance, std::span<uint8_t> bytes);

} // namespace monoquant::layout::gguf
