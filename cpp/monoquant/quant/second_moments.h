// How the inputs of a layer move together: E[x_i x_j] of its columns, as far as they lie in one diagonal block.
// It exists because the error of a layer's output is tr(D H D^T), D being the error of its weights and H this.
// Blocks bound the memory: whole for narrow layers, and so wide that they fit a megabyte or two for others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace monoquant::quant {

//  columns of a layer   0        block      2 block   width
//                       |----------|----------|------|
//  block 0              # # # # # #
//                       # # # # # #
//  block 1                         # # # # # #              outside of blocks: taken for 0
//                                  # # # # # #
//  block 2                                    # # #         the last one may be smaller

/// Where the blocks of a matrix lie, one after the other, each row by row.
struct DiagonalBlocks {
  size_t width = 0;
  size_t block = 1; // columns of a block

  [[nodiscard]] size_t count() const { return (width + block - 1) / block; }
  [[nodiscard]] size_t first_column(size_t index) const { return index * block; }
  [[nodiscard]] size_t columns(size_t index) const {
    const size_t left = width - first_column(index);
    return left < block ? left : block;
  }
  /// Values before a block; for `count()`, of all of them.
  [[nodiscard]] size_t begin(size_t index) const {
    if (index < count()) {
      return index * block * block;
    }
    return begin(index - 1) + columns(index - 1) * columns(index - 1);
  }
  [[nodiscard]] size_t values() const { return width == 0 ? 0 : begin(count()); }
};

/// Blocks whose matrix has at most 2^23 values: all of a layer of 2048 columns or less.
DiagonalBlocks blocks_of(size_t width);

/// Whether a tensor of this shape can hold them: [width, width], or blocks along the diagonal, [n, block, block], the
/// last of which may reach beyond it.
constexpr bool is_moment_shape(uint64_t width, std::span<const uint64_t> shape) {
  if (shape.size() == 2) {
    return shape[0] == width && shape[1] == width;
  }
  return shape.size() == 3 && shape[1] == shape[2] && shape[1] > 0 && shape[0] > 0 &&
         shape[0] == (width - 1) / shape[1] + 1;
}

/// Of all inputs together or on average: what is made of it does not depend on the unit.
struct SecondMoments {
  DiagonalBlocks blocks;
  std::vector<float> values; // symmetric in each block, finite, no negative diagonal

  [[nodiscard]] std::span<const float> of(size_t block) const {
    const size_t columns = blocks.columns(block);
    return std::span(values).subspan(blocks.begin(block), columns * columns);
  }
};

} // namespace monoquant::quant
