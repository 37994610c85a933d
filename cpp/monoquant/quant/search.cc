#include "monoquant/quant/search.h"

#include <bit>
#include <cmath>
#include <functional>

#include "monoquant/quant/level_search.h"

namespace monoquant::quant {
namespace {

constexpr size_t kBatch = 4; // candidates that are tried in one go

/// How scales are looked for. First down from that of the extremes, each `step` times the one before, a batch at
/// a time, as long as it may get better; then around the best one, more and more finely.
struct Ladder {
  float step;
  int fewest_batches;
  int zooms;
};

// Measured on Gaussian weights: SQNR in dB by scales tried in a scope. 4 bits, groups of 128, signed: rtn 19.11,
// 11 scales 20.26, 15: 20.30, these 19: 20.31, a grid of 400: 20.31. 8 bits, groups of 128: rtn 43.72, 17 scales
// with the steps of 4 bits 43.98, these 15: 44.16, a grid of 200: 44.21; rows of 2048: 41.67, 41.71, 41.79, 41.78.
// Errors of 4 bits are rounding everywhere; those of 8 bits are clipping soon below the extremes: smaller steps.
// The other widths need no steps of their own, groups of 128, signed below 8 bits: 2 bits 8.80 of 8.82, 3: 14.55 of
// 14.56, 5: 26.19 of 26.21, 6: 32.21 of 32.23, 7: 38.18 of 38.24.
// A scale tried costs 0.2 ns a weight in WebAssembly, a whole search 3 (rows) to 6 ns (groups of 128): LevelSearch
// comes first where it can, and leaves to this what is left.
constexpr Ladder kLadder4 = {0.92F, 2, 1};
constexpr Ladder kLadder8 = {0.96F, 1, 2};
constexpr int kMostBatches = 12; // 0.92^47 = 0.02: where the largest values do not count
constexpr float kZoom = 1.0F / 3;

/// Weights as they are, and a power of two that brings the largest near 1; no weights where all are alike.
Importance normalized(std::span<const float> weights, const Kernels &kernels) {
  if (std::adjacent_find(weights.begin(), weights.end(), std::not_equal_to<>()) == weights.end()) {
    return {};
  }
  uint32_t largest = 0;
  kernels.f32.magnitudes(weights.data(), weights.size(), 1, &largest);
  const uint32_t exponent = std::min(std::max(largest >> 23U, 1U), 253U);
  return {weights.data(), std::bit_cast<float>((254U - exponent) << 23U)};
}

class Search {
public:
  Search(std::span<const float> values, const Importance &importance, const Scheme &scheme,
         const Kernels &kernels)
      : values_(values), importance_(importance), scheme_(scheme), kernels_(kernels) {}

  [[nodiscard]] const Qparams &best() const { return best_; }

  /// Keeps the best of these and of what was tried before, the earlier one where they are equal. Returns its
  /// index, or `count` where it is none of these.
  size_t try_all(const Qparams *candidates, size_t count) {
    Trial trials[kBatch];
    double noise[kBatch];
    for (size_t i = 0; i < count; ++i) {
      trials[i] = trial(candidates[i]);
    }
    kernels_.try_codes(values_.data(), values_.size(), importance_, trials, count, noise);
    size_t kept = count;
    for (size_t i = 0; i < count; ++i) {
      kept = keep(candidates[i], noise[i]) ? i : kept;
    }
    return kept;
  }

  /// Tries `start` and smaller scales. Its sign, where that is free, makes the lowest code serve the longer tail.
  void descend(const Qparams &start, const Range &range, const Ladder &ladder) {
    Qparams base = start;
    if (scheme_.signed_scales && range.max > -range.min) {
      base.scale = -base.scale;
    }
    Qparams candidates[kBatch] = {start};
    size_t first = 1; // in the batch
    float ratio = 1.0F;
    for (int batch = 1; batch <= kMostBatches; ++batch) {
      for (size_t i = first; i < kBatch; ++i, ratio *= ladder.step) {
        candidates[i] = scaled(base, ratio);
      }
      first = 0;
      const size_t kept = try_all(candidates, kBatch);
      const bool falling = kept < kBatch && kept >= kBatch / 2;
      if (!falling && batch >= ladder.fewest_batches) {
        return;
      }
    }
  }

  /// Like try_all, with the best one's scale times each of the ratios.
  void try_around(const float (&ratios)[kBatch]) {
    const Qparams center = best_;
    Qparams candidates[kBatch];
    for (size_t i = 0; i < kBatch; ++i) {
      candidates[i] = scaled(center, ratios[i]);
    }
    try_all(candidates, kBatch);
  }

  /// The same range with the level that symmetric codes have more on one side on the other side, or with its
  /// neighbours' zero points.
  void try_shifted(float width) {
    const Qparams center = best_;
    Qparams candidates[kBatch];
    for (size_t i = 0; i < kBatch; ++i) {
      candidates[i] = scaled(center, 1.0F + (static_cast<float>(i) - 1.5F) * width);
      if (scheme_.symmetric) {
        candidates[i].scale = -candidates[i].scale;
      } else {
        candidates[i].zero_point = std::clamp(center.zero_point + (i % 2 == 0 ? -1 : 1),
                                              scheme_.lowest(), scheme_.highest());
      }
    }
    try_all(candidates, kBatch);
  }

  /// For fixed codes the best scale is known. With it the codes are at least as good again.
  void refit() {
    FitSums sums;
    kernels_.fit_codes(values_.data(), values_.size(), importance_, trial(best_), sums);
    if (sums.power > 0) {
      const auto ratio = static_cast<float>(1.0 + sums.cross / sums.power);
      const Qparams candidate = scaled(best_, ratio);
      try_all(&candidate, 1);
    }
  }

  [[nodiscard]] Qparams scaled(Qparams params, float ratio) const {
    const float magnitude = std::max(std::fabs(params.scale) * ratio, kSmallestScale);
    const float rounded = round_scale(magnitude, scheme_.scale_dtype);
    if (std::isfinite(rounded)) {
      params.scale = std::copysign(rounded, params.scale);
    }
    return params;
  }

private:
  [[nodiscard]] Trial trial(const Qparams &params) const {
    return {1.0F / params.scale, scheme_.lowest() - params.zero_point,
            scheme_.highest() - params.zero_point};
  }

  bool keep(const Qparams &params, double noise) {
    const auto scale = static_cast<double>(params.scale);
    const double error = noise * scale * scale;
    if (!(error < best_error_)) {
      return false;
    }
    best_ = params;
    best_error_ = error;
    return true;
  }

  std::span<const float> values_;
  Importance importance_;
  const Scheme &scheme_;
  const Kernels &kernels_;
  Qparams best_;
  double best_error_ = HUGE_VAL;
};

} // namespace

Qparams search_qparams(std::span<const float> values, std::span<const float> importance,
                       const Scheme &scheme, const Kernels &kernels) {
  Range range;
  kernels.f32.ranges(values.data(), values.size(), 1, &range);
  const Qparams start = choose_qparams(range, scheme);
  if (!(start.scale > kSmallestScale) || !std::isfinite(start.scale)) {
    return start;
  }
  const Importance weights = normalized(importance, kernels);
  Search search(values, weights, scheme, kernels);
  if (scheme.bits == 4 && scheme.symmetric && weights.weights == nullptr) {
    LevelSearch levels(values, range, kernels);
    const bool negative = scheme.signed_scales && range.max > -range.min;
    const float found = levels.find(start.scale, negative, scheme.signed_scales);
    if (found != 0) {
      const Qparams candidates[] = {start, search.scaled({found, 0}, 1)};
      if (levels.is_better(candidates[1].scale, start.scale)) {
        return candidates[1];
      }
      search.try_all(candidates, 2);
      search.refit();
      return search.best();
    }
  }
  const Ladder &ladder = scheme.bits == 4 ? kLadder4 : kLadder8;
  search.descend(start, range, ladder);
  float width = 1.0F - ladder.step;
  for (int i = 0; i < ladder.zooms; ++i) {
    width *= kZoom;
    search.try_around({1.0F - 2 * width, 1.0F - width, 1.0F + width, 1.0F + 2 * width});
  }
  if (scheme.signed_scales || !scheme.symmetric) {
    search.try_shifted(width);
  }
  search.refit();
  return search.best();
}

} // namespace monoquant::quant
