// Adds up the second moments of a layer's inputs, sample by sample, or sums of samples.
// It exists so that they can be streamed: memory is the matrix and some hundred samples.
// Sums have one order, whatever pieces the samples come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/quant/second_moments.h"

namespace monoquant::quant {

class MomentSums {
public:
  MomentSums() = default;
  explicit MomentSums(DiagonalBlocks blocks);

  /// Samples of `width` values each, one after the other, from wherever the last call has stopped. Infinities count
  /// as 0; NaN must be noticed elsewhere.
  void add(std::span<const float> values);

  /// Sums that were made elsewhere: values from `position` on of a matrix, or of its blocks of so many columns along the
  /// diagonal, one after the other. What lies outside of the blocks kept here is left out, and so is the lower half.
  void add_outer(std::span<const float> values, uint64_t position, size_t block);

  /// Of whole samples that were added so far.
  [[nodiscard]] SecondMoments finish();

private:
  void add_panel();

  SecondMoments sums_;
  std::vector<float> panel_; // samples that are not added up yet, one after the other
  size_t filled_ = 0;        // values of it
};

} // namespace monoquant::quant
