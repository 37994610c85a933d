// Codes with a scale and a bias: value = code * scale + bias, codes from 0 on.
// It exists because such a bias is no code: zero need not be among the values, nor be met by one of them.
// Qparams hold the bits of the bias (F32) as their zero point; see Scheme::has_bias.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>

#include "monoquant/quant/qparams.h"
#include "monoquant/quant/scheme.h"

namespace monoquant::quant {

struct Affine {
  float scale = 1;
  float bias = 0;

  static Affine of(const QparamsArrays &qparams, size_t i) {
    return {qparams.scales[i], std::bit_cast<float>(qparams.zero_points[i])};
  }
  [[nodiscard]] Qparams qparams() const { return {scale, std::bit_cast<int32_t>(bias)}; }
  /// As it is stored.
  [[nodiscard]] Affine rounded(Dtype dtype) const {
    constexpr float kMostF16 = 65504;
    const float most = dtype == Dtype::kF16 ? kMostF16 : std::numeric_limits<float>::max();
    return {round_scale(std::clamp(scale, -most, most), dtype),
            round_scale(std::clamp(bias, -most, most), dtype)};
  }
};

/// From the extremes, as MLX does, to the bit, and not rounded: its codes are those nearest to these, though what is
/// stored of them is rounded. The value farther from zero is met by a code, so that scales may be negative.
Affine affine_by_range(std::span<const float> values, const Scheme &scheme);

/// Searched for the smallest sum of importance * error^2 with scale and bias as they are stored; they are rounded.
/// Never worse than affine_by_range. `importance`: one for each value, or none: 1 each.
Affine search_affine(std::span<const float> values, std::span<const float> importance,
                     const Scheme &scheme);

} // namespace monoquant::quant
