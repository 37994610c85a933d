// Blocks of GGUF tensors to values: the floats that ggml makes of them, to the bit.
// No state and no memory but the stack: any number of threads may decode.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/base/result.h"
#include "monoquant/layout/gguf/block_types.h"

namespace monoquant::layout::gguf {

/// Whole blocks: `values.size()` is a multiple of the type's values, and `bytes` has exactly their bytes. Any bytes stand
/// for some values, infinities and NaN too. The types of grids (IQ1 to IQ3) unpack their grid in each call, which takes
/// some microseconds: give them many blocks. Errors: kInternal (other sizes).
Result<void> decode_blocks(BlockType type, std::span<const uint8_t> bytes, std::span<float> values);

} // namespace monoquant::layout::gguf
