// The search of symmetric codes of 4 bits whose errors count alike, on values as whole numbers: see LevelTrials.
// It exists because these are the default, and a tenth of a nanosecond a scale and weight is what they can afford.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "monoquant/quant/kernels/kernels.h"
#include "monoquant/quant/qparams.h"

namespace monoquant::quant {

/// For symmetric codes of 4 bits whose errors count alike. Scales are tried as ratios: how many times smaller they
/// are than the one whose lowest code is the largest value. Each is judged with the best scale for its codes, so few
/// are needed: four from that of the extremes down, then four nearer to each other around the best one.
class LevelSearch {
public:
  LevelSearch(std::span<const float> values, const Range &range, const Kernels &kernels)
      : values_(values), unit_(static_cast<float>(kMostLevel) / std::max(-range.min, range.max)),
        kernels_(kernels) {}

  /// The best scale, with its sign, or 0 if it is too small to be found here. `negative` is tried first.
  [[nodiscard]] float find(float start, bool negative, bool signed_scales) {
    float ratio = kLevelsPerCode / (start * unit_);
    size_t kept = try_some(ratio, false, negative);
    signal_ = sums_.signal;
    rtn_ = {sums_.cross[0], sums_.power[0]};
    while (kept == kLevelTrials - 1) {
      ratio += kLevelTrials * step(false);
      if (ratio >= kMostRatio) {
        return 0;
      }
      kept = try_some(ratio, false, negative);
    }
    const auto center = static_cast<float>(kLevelsPerCode * best_.power / best_.cross);
    ratio = center - 1.5F * step(true);
    if (ratio >= kMostRatio) {
      return 0;
    }
    try_some(ratio, true, negative);
    if (signed_scales && values_.size() > kOneTail) {
      try_some(ratio, true, !negative);
    }
    const auto scale = static_cast<float>(best_.cross / best_.power) / unit_;
    return best_.negative ? -scale : scale;
  }

  /// Whether levels show that the best codes with `scale` lose less than those of `start`, and that they lose something.
  [[nodiscard]] bool is_better(float scale, float start) const {
    // Levels are half a level wrong at most, ties of codes less than four, and errors of `start` half a code large.
    const double margin = static_cast<double>(values_.size()) * 8 * kLevelsPerCode;
    const double noise = best_.noise(std::fabs(scale) * unit_);
    return noise + margin < rtn_.noise(start * unit_) && signal_ + noise > margin;
  }

private:
  static constexpr float kMostRatio = 1.9F; // first is less than 2^15
  static constexpr size_t kOneTail = 256; // in more values, clipping the longer tail may be better

  static constexpr float step(bool fine) {
    return 1.0F / static_cast<float>(1 << LevelTrials::step_shift(fine));
  }

  struct Fit {
    double cross = 0;
    double power = 1;
    bool negative = false;

    /// With the best scale for the codes, that saves cross^2 / power.
    [[nodiscard]] bool saves_more(const Fit &other) const {
      return cross * cross * other.power > other.cross * other.cross * power;
    }
    /// Without the signal.
    [[nodiscard]] double noise(float scale) const {
      const auto levels = static_cast<double>(scale);
      return levels * (levels * power - 2 * cross);
    }
  };

  /// Returns the index of the best one, if it is better than all before.
  size_t try_some(float ratio, bool fine, bool negative) {
    const auto first = static_cast<int16_t>((ratio - 1) * 0x1p15F);
    kernels_.try_levels(values_.data(), values_.size(), {negative ? -unit_ : unit_, first, fine},
                        sums_);
    size_t kept = kLevelTrials;
    for (size_t i = 0; i < kLevelTrials; ++i) {
      const Fit fit{sums_.cross[i], sums_.power[i], negative};
      if (fit.saves_more(best_)) {
        best_ = fit;
        kept = i;
      }
    }
    return kept;
  }

  std::span<const float> values_;
  float unit_;
  const Kernels &kernels_;
  LevelSums sums_;
  double signal_ = 0;
  Fit rtn_;
  Fit best_;
};

} // namespace monoquant::quant
