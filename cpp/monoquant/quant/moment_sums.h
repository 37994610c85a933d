// Adds up the second moments of a layer's inputs, sample by sample.
// It exists so that they can be streamed: memory is the matrix and some hundred samples.
// Sums have one order, whatever pieces the samples come in.
#pragma once

#include <cstddef>
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

  /// Of whole samples that were added so far.
  [[nodiscard]] SecondMoments finish();

private:
  void add_panel();

  SecondMoments sums_;
  std::vector<float> panel_; // samples that are not added up yet, one after the other
  size_t filled_ = 0;        // values of it
};

} // namespace monoquant::quant
