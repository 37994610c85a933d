#include "monoquant/quant/code_descent.h"

#include <algorithm>
#include <cmath>

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant {
namespace {

/// Rows whose codes still move after so many rounds move very little.
constexpr int kMostSweeps = 12;

} // namespace

// Scales are fitted once: a second time gains a third of a percent.
void CodeDescent::run(const Scheme &scheme) {
  kernels().add_products({errors_.data(), columns_, rows_, columns_},
                         {moments_, columns_, columns_}, {gradients_.data(), columns_});
  move_codes();
  if (!scheme.has_bias) {
    fit_scales(scheme.scale_dtype);
    move_codes();
  }
}

void CodeDescent::move_codes() {
  for (size_t row = 0; row < rows_; ++row) {
    for (int i = 0; i < kMostSweeps && sweep(row); ++i) {
    }
  }
}

/// Column by column, by whole steps, each to where the error is least. True if one has moved.
bool CodeDescent::sweep(size_t row) {
  float *const codes = codes_.data() + row * columns_;
  float *const errors = errors_.data() + row * columns_;
  float *const gradient = gradients_.data() + row * columns_;
  bool has_moved = false;
  for (size_t j = 0; j < columns_; ++j) {
    const float *moments = moments_ + j * columns_;
    const Grid &grid = grid_of(row, j);
    const float best = gradient[j] * grid.factor / moments[j]; // steps
    const bool is_kept = !zeros_.empty() && zeros_[row * width_ + first_ + j] != 0;
    if (is_kept || !(moments[j] > 0) || !(std::fabs(best) > 0.5F)) {
      continue;
    }
    const float moved = std::clamp(codes[j] + std::nearbyint(best), grid.lowest, grid.highest);
    if (moved == codes[j]) {
      continue;
    }
    const float change = (codes[j] - moved) * grid.scale;
    errors[j] += change;
    codes[j] = moved;
    has_moved = true;
    for (size_t k = 0; k < columns_; ++k) {
      gradient[k] += change * moments[k];
    }
  }
  return has_moved;
}

/// A scope that goes on in another block keeps its scale, because codes there are made with it.
void CodeDescent::fit_scales(Dtype scale_dtype) {
  const size_t scope = grids_.scope();
  for (size_t begin = (scope - first_ % scope) % scope; begin + scope <= columns_; begin += scope) {
    fit_scale(begin, scale_dtype);
  }
}

/// The scale that is best for the codes of the scope that begins here, in every row.
void CodeDescent::fit_scale(size_t begin, Dtype scale_dtype) {
  const size_t size = grids_.scope();
  const float *const moments = moments_ + begin * columns_;
  std::vector<float> products(rows_ * size); // codes H, within the scope
  kernels().add_products({codes_.data() + begin, columns_, rows_, size},
                         {moments + begin, columns_, size}, {products.data(), size});
  std::vector<float> changes(rows_ * size); // of errors
  for (size_t row = 0; row < rows_; ++row) {
    const float *const codes = codes_.data() + row * columns_ + begin;
    const float *const gradient = gradients_.data() + row * columns_ + begin;
    double cross = 0;
    double power = 0;
    for (size_t i = 0; i < size; ++i) {
      cross += static_cast<double>(codes[i]) * static_cast<double>(gradient[i]);
      power += static_cast<double>(codes[i]) * static_cast<double>(products[row * size + i]);
    }
    Grid &grid = grid_of(row, begin);
    const float step = power > 0 ? static_cast<float>(cross / power) : 0.0F;
    const float scale = round_scale(grid.scale + step, scale_dtype);
    const float by = scale - grid.scale;
    const double gain = static_cast<double>(by) * (2 * cross - static_cast<double>(by) * power);
    if (!(gain > 0) || !(std::fabs(scale) > kSmallestScale) || !std::isfinite(scale)) {
      continue;
    }
    grid.scale = scale;
    grid.factor = 1.0F / scale;
    for (size_t i = 0; i < size; ++i) {
      changes[row * size + i] = -by * codes[i];
      errors_[row * columns_ + begin + i] += changes[row * size + i];
    }
  }
  kernels().add_products({changes.data(), size, rows_, size}, {moments, columns_, columns_},
                         {gradients_.data(), columns_});
}

} // namespace monoquant::quant
