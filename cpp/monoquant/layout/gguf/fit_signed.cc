// Codes with a scale alone: signed ones, and those of scales themselves.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/fits.h"

namespace monoquant::layout::gguf {
namespace {

// ---- Tries of factors ----------------------------------------------------------------------------------------------

constexpr size_t kSignedTries = 19;
constexpr size_t kSignedLanes = 20; // a multiple of four, which processors add at once

struct SignedSums {
  float factors[kSignedLanes] = {};
  float products[kSignedLanes] = {}; // sum of weight * value * code
  float squares[kSignedLanes] = {};  // sum of weight * code * code
};

int32_t signed_code(float factor, float value, int32_t limit) {
  return clamped(nearest(factor * value), -limit, limit - 1);
}

/// The first try is the plain one, the others go from -0.9 to 0.9 steps.
void make_factors(float extreme, int32_t limit, SignedSums &sums) {
  const auto most = static_cast<float>(limit);
  sums.factors[0] = -most / extreme;
  size_t at = 1;
  for (int32_t i = -9; i <= 9; ++i) {
    if (i != 0) {
      sums.factors[at++] = -(most + 0.1F * static_cast<float>(i)) / extreme;
    }
  }
}

void sum_tries(std::span<const float> values, const float *weights, int32_t limit,
               SignedSums &sums) {
  for (size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    const float weight = weights != nullptr ? weights[i] : value * value;
    const float product = weight * value;
    for (size_t lane = 0; lane < kSignedLanes; ++lane) {
      const auto code = static_cast<float>(signed_code(sums.factors[lane], value, limit));
      sums.products[lane] += product * code;
      sums.squares[lane] += weight * code * code;
    }
  }
}

/// The factor whose codes leave the smallest error, of the plain one and eight others.
float best_positive_factor(std::span<const float> values, const float *weights, int32_t limit,
                           float maximum) {
  constexpr size_t kTries = 9;
  constexpr int32_t kTenths[kTries] = {0, -4, -3, -2, -1, 1, 2, 3, 4};
  float best = 0;
  float least = 0;
  for (size_t i = 0; i < kTries; ++i) {
    const float factor =
        (0.1F * static_cast<float>(kTenths[i]) + static_cast<float>(limit)) / maximum;
    const float scale = 1 / factor;
    float error = 0;
    for (size_t j = 0; j < values.size(); ++j) {
      const int32_t code = nearest(factor * values[j]);
      // A scale can be a little below zero by rounding. ggml keeps the first codes in bytes, where -1 is 255.
      const auto kept = static_cast<float>(i == 0 ? code & 0xFF : std::min(limit, code));
      const float difference = values[j] - scale * kept;
      error += weights[j] * difference * difference;
    }
    if (i == 0 || error < least) {
      least = error;
      best = factor;
    }
  }
  return best;
}

// ---- Moving one code after the other -------------------------------------------------------------------------------

struct CodeSums {
  float products = 0; // of weight * value * code
  float squares = 0;  // of weight * code * code

  void add(float weight, float value, float code) {
    products += weight * value * code;
    squares += weight * code * code;
  }
  [[nodiscard]] float scale() const { return squares > 0 ? products / squares : 0; }
};

/// Moves a code if that is better with the scale that is then best, in five sweeps at most. Weights: null for the squares
/// of the values.
template <typename Code>
void descend(std::span<const float> values, const float *weights, int32_t lowest, int32_t highest,
             Code *codes, CodeSums &sums) {
  bool is_changed = true;
  for (int32_t sweep = 0; sweep < 5 && is_changed; ++sweep) {
    is_changed = false;
    for (size_t i = 0; i < values.size(); ++i) {
      const float value = values[i];
      const float weight = weights != nullptr ? weights[i] : value * value;
      const auto code = static_cast<float>(codes[i]);
      CodeSums others{sums.products - weight * value * code, sums.squares - weight * code * code};
      if (!(others.products > 0) || (weights != nullptr && !(others.squares > 0))) {
        continue;
      }
      const int32_t moved =
          clamped(nearest(value * others.squares / others.products), lowest, highest);
      if (moved == codes[i]) {
        continue;
      }
      others.add(weight, value, static_cast<float>(moved));
      if (others.squares > 0 && others.products * others.products * sums.squares >
                                    sums.products * sums.products * others.squares) {
        codes[i] = static_cast<Code>(moved);
        sums = others;
        is_changed = true;
      }
    }
  }
}

} // namespace

float fit_signed(std::span<const float> values, const float *weights, int32_t limit,
                 int8_t *codes) {
  const float extreme = extreme_of(values);
  if (std::fabs(extreme) < kSmallestMagnitude) {
    std::fill_n(codes, values.size(), static_cast<int8_t>(-limit));
    return 0;
  }
  SignedSums sums;
  make_factors(extreme, limit, sums);
  sum_tries(values, weights, limit, sums);
  size_t chosen = 0;
  float scale = sums.squares[0] != 0 ? sums.products[0] / sums.squares[0] : 0;
  float best = scale * sums.products[0];
  for (size_t i = 1; i < kSignedTries; ++i) {
    if (sums.squares[i] > 0 && sums.products[i] * sums.products[i] > best * sums.squares[i]) {
      chosen = i;
      scale = sums.products[i] / sums.squares[i];
      best = scale * sums.products[i];
    }
  }
  for (size_t i = 0; i < values.size(); ++i) {
    codes[i] = static_cast<int8_t>(signed_code(sums.factors[chosen], values[i], limit));
  }
  return scale;
}

float fit_signed_by_descent(std::span<const float> values, int32_t limit, int8_t *codes) {
  const float extreme = extreme_of(values);
  if (std::fabs(extreme) < kSmallestMagnitude) {
    std::fill_n(codes, values.size(), static_cast<int8_t>(-limit));
    return 0;
  }
  const float factor = static_cast<float>(-limit) / extreme;
  CodeSums sums;
  for (size_t i = 0; i < values.size(); ++i) {
    codes[i] = static_cast<int8_t>(signed_code(factor, values[i], limit));
    sums.add(values[i] * values[i], values[i], static_cast<float>(codes[i]));
  }
  descend(values, nullptr, -limit, limit - 1, codes, sums);
  return sums.scale();
}

float fit_positive(std::span<const float> values, const float *weights, int32_t limit,
                   uint8_t *codes) {
  float maximum = 0;
  for (const float value : values) {
    maximum = value > maximum ? value : maximum;
  }
  if (maximum < kSmallestMagnitude) {
    std::fill_n(codes, values.size(), uint8_t{0});
    return 0;
  }
  const float factor = best_positive_factor(values, weights, limit, maximum);
  CodeSums sums;
  for (size_t i = 0; i < values.size(); ++i) {
    const int32_t code = std::min(limit, nearest(factor * values[i]));
    codes[i] = static_cast<uint8_t>(code);
    sums.add(weights[i], values[i], static_cast<float>(code));
  }
  descend(values, weights, INT32_MIN, limit, codes, sums);
  return sums.scale();
}

} // namespace monoquant::layout::gguf
