// Rows of values to blocks of GGUF tensors with scales that are searched for, where that is better than ggml's choice.
// It exists because the types fix how blocks are read, not how their scales are found: any reader takes these bytes.
// What is lost is never more than with encode_row(), block by block, under the weights that are given.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/base/result.h"
#include "monoquant/layout/gguf/block_types.h"

namespace monoquant::layout::gguf {

/// Whether there is a search for this type.
bool is_searched(BlockType type);

/// As encode_row(), but for the smallest sum of squared errors, each times the importance of its column, or 1: of ggml's
/// block and of the one that was searched for, the better one is written. Where both lose the same it is ggml's.
/// Types that are not searched get ggml's blocks.
Result<void> search_row(BlockType type, std::span<const float> values,
                        std::span<const float> importance, std::span<uint8_t> bytes);

/// Makes one block of values that are all finite. False: nothing was found.
using BlockSearch = bool (*)(const float *values, const float *weights, uint8_t *to);

// Null for types of another kind.
BlockSearch small_search(BlockType type); // 32 values
BlockSearch large_search(BlockType type); // 256 values

} // namespace monoquant::layout::gguf
