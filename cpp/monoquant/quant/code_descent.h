// Moves codes, one by one, to where a layer's output is nearest to what it was.
// It exists because rounding in any order leaves codes that could do better once all others are known.
// d H d^T of every row falls with each step: d is the error of the row, H the second moments of the inputs.
#pragma once

#include <span>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/quant/grid.h"

namespace monoquant::quant {

/// Some rows in one block of columns.
class CodeDescent {
public:
  /// `moments`: of the columns from `first` on, row by row.
  CodeDescent(std::span<const float> moments, size_t first, size_t columns, size_t rows,
              RowGrids &grids)
      : moments_(moments.data()), first_(first), columns_(columns), rows_(rows), grids_(grids),
        codes_(rows * columns), errors_(rows * columns), gradients_(rows * columns) {}

  [[nodiscard]] size_t rows() const { return rows_; }
  /// Of a column of the block.
  Grid &grid_of(size_t row, size_t column) { return grids_.of(row, first_ + column); }

  /// Before all else, for each of them. `error`: value - code * scale.
  void set(size_t row, size_t column, float code, float error) {
    codes_[row * columns_ + column] = code;
    errors_[row * columns_ + column] = error;
  }
  /// Codes that are not moved: of whole rows of so many columns. Empty: all are. Must outlive this.
  void keep_zeros(std::span<const uint8_t> zeros, size_t width) {
    zeros_ = zeros;
    width_ = width;
  }
  /// Moves codes until none can lower the error; in between, scales are fitted to them as their dtype allows, but for
  /// those beside biases.
  void run(const Scheme &scheme);

  /// The sum of d H d^T over the rows, without `damping` on the diagonal of H. Ask behind `run`.
  [[nodiscard]] double error(double damping) const {
    double sum = 0;
    for (size_t i = 0; i < errors_.size(); ++i) {
      const auto error = static_cast<double>(errors_[i]);
      sum += error * (static_cast<double>(gradients_[i]) - damping * error);
    }
    return sum;
  }

  /// What a code stands for.
  [[nodiscard]] float value(size_t row, size_t column) {
    return codes_[row * columns_ + column] * grid_of(row, column).scale;
  }

private:
  void move_codes();
  bool sweep(size_t row);
  void fit_scales(Dtype scale_dtype);
  void fit_scale(size_t begin, Dtype scale_dtype);

  const float *moments_;
  size_t first_;
  size_t columns_;
  size_t rows_;
  RowGrids &grids_;
  std::span<const uint8_t> zeros_; // not moved
  size_t width_ = 0;               // of a row of these
  std::vector<float> codes_;       // without their zero points
  std::vector<float> errors_;      // d
  std::vector<float> gradients_;   // d H
};

} // namespace monoquant::quant
