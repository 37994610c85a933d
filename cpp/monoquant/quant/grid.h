// The values that codes of a scope can stand for.
// It exists for methods that choose codes one by one, as floats and without their zero points.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "monoquant/quant/affine.h"
#include "monoquant/quant/kernels/kernels.h"
#include "monoquant/quant/qparams.h"
#include "monoquant/quant/scheme.h"

namespace monoquant::quant {

struct Grid {
  float scale;
  float factor; // 1 / scale
  float lowest; // codes
  float highest;
  float shift =
      0; // of all codes against whole numbers, where a bias is what the lowest one stands for

  /// The nearest code. Far away from all codes, what f32 cannot round does not matter.
  [[nodiscard]] float code(float value) const {
    const float steps = std::min(std::max(value * factor, lowest), highest) - shift;
    return (steps + kRounder) - kRounder + shift;
  }
};

/// The grid of codes with a bias, as they are stored.
inline Grid affine_grid(const Scheme &scheme, const Affine &chosen) {
  const auto [scale, bias] = chosen.rounded(scheme.scale_dtype);
  const float lowest = bias / scale;
  const auto steps = static_cast<float>(scheme.highest() - scheme.lowest());
  return {scale, 1.0F / scale, lowest, lowest + steps, lowest - std::nearbyint(lowest)};
}

/// The grids of some rows, each of which has a scope every so many columns.
class RowGrids {
public:
  RowGrids(const Scheme &scheme, const QparamsArrays &qparams, size_t rows, size_t width,
           size_t scope)
      : scopes_(width / scope), scope_(scope) {
    grids_.reserve(rows * scopes_);
    for (size_t i = 0; i < rows * scopes_; ++i) {
      if (scheme.has_bias) {
        grids_.push_back(affine_grid(scheme, Affine::of(qparams, i)));
        continue;
      }
      const float scale = qparams.scales[i];
      const int32_t zero_point = qparams.zero_points[i];
      grids_.push_back({scale, 1.0F / scale, static_cast<float>(scheme.lowest() - zero_point),
                        static_cast<float>(scheme.highest() - zero_point)});
    }
  }

  Grid &of(size_t row, size_t column) { return grids_[row * scopes_ + column / scope_]; }
  [[nodiscard]] size_t scope() const { return scope_; }

  /// Zero points stay.
  void store_scales(const QparamsArrays &qparams) const {
    for (size_t i = 0; i < grids_.size(); ++i) {
      qparams.scales[i] = grids_[i].scale;
    }
  }

private:
  std::vector<Grid> grids_;
  size_t scopes_; // of a row
  size_t scope_;  // columns
};

} // namespace monoquant::quant
