#include "monoquant/layout/gguf/fits.h"

#include <algorithm>
#include <cmath>

namespace monoquant::layout::gguf {
namespace {

// ---- Signed codes --------------------------------------------------------------------------------------------------

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

// ---- Codes and a minimum -------------------------------------------------------------------------------------------

constexpr size_t kAffineLanes = 8;

struct AffineTry {
  float factors[kAffineLanes];
  float scales[kAffineLanes];
  float minimums[kAffineLanes];
  float errors[kAffineLanes];
  bool is_solved[kAffineLanes];
};

struct Weighted {
  std::span<const float> values;
  const float *weights;
  float sum_of_weights;
  float sum_of_values; // weighted
};

int32_t affine_code(float factor, float value, float minimum, int32_t limit) {
  return clamped(nearest(factor * (value - minimum)), 0, limit);
}

template <bool kIsAbsolute> float error_of(float difference) {
  return kIsAbsolute ? std::fabs(difference) : difference * difference;
}

/// Scale and minimum that are best for the codes of some factors, and the errors that they leave.
template <bool kIsAbsolute>
void try_factors(const Weighted &of, float minimum, int32_t limit, AffineTry &tries) {
  float codes[kMostFitted][kAffineLanes];
  float sums[kAffineLanes] = {};     // of weight * code
  float squares[kAffineLanes] = {};  // of weight * code * code
  float products[kAffineLanes] = {}; // of weight * code * value
  for (size_t i = 0; i < of.values.size(); ++i) {
    const float value = of.values[i];
    const float weight = of.weights[i];
    for (size_t lane = 0; lane < kAffineLanes; ++lane) {
      const auto code = static_cast<float>(affine_code(tries.factors[lane], value, minimum, limit));
      codes[i][lane] = code;
      const float weighted = weight * code;
      sums[lane] += weighted;
      squares[lane] += weighted * code;
      products[lane] += weighted * value;
    }
  }
  for (size_t lane = 0; lane < kAffineLanes; ++lane) {
    const float determinant = of.sum_of_weights * squares[lane] - sums[lane] * sums[lane];
    tries.is_solved[lane] = determinant > 0;
    float scale =
        (of.sum_of_weights * products[lane] - of.sum_of_values * sums[lane]) / determinant;
    float least = (squares[lane] * of.sum_of_values - sums[lane] * products[lane]) / determinant;
    if (least > 0) {
      least = 0;
      scale = products[lane] / squares[lane];
    }
    tries.scales[lane] = scale;
    tries.minimums[lane] = least;
    tries.errors[lane] = 0;
  }
  for (size_t i = 0; i < of.values.size(); ++i) {
    const float value = of.values[i];
    const float weight = of.weights[i];
    for (size_t lane = 0; lane < kAffineLanes; ++lane) {
      const float difference = tries.scales[lane] * codes[i][lane] + tries.minimums[lane] - value;
      tries.errors[lane] += weight * error_of<kIsAbsolute>(difference);
    }
  }
}

struct Best {
  float factor; // the codes are those of it and of `codes_minimum`
  float codes_minimum;
  float scale;
  float minimum;
  float error;
};

/// A better minimum counts for the codes of all later tries: those that were made side by side with its own are made
/// again.
template <bool kIsAbsolute>
void search_affine(const Weighted &of, const AffineTries &tries, float maximum, Best &best) {
  const auto limit = static_cast<float>(tries.limit);
  AffineTry side_by_side{};
  for (int32_t at = 0; at <= tries.steps;) {
    for (size_t lane = 0; lane < kAffineLanes; ++lane) {
      const auto step = static_cast<float>(at + static_cast<int32_t>(lane));
      side_by_side.factors[lane] =
          (tries.first + tries.step * step + limit) / (maximum - best.minimum);
    }
    const float minimum = best.minimum;
    try_factors<kIsAbsolute>(of, minimum, tries.limit, side_by_side);
    for (size_t lane = 0; lane < kAffineLanes && at <= tries.steps; ++lane) {
      ++at;
      if (side_by_side.is_solved[lane] && side_by_side.errors[lane] < best.error) {
        best = {side_by_side.factors[lane], minimum, side_by_side.scales[lane],
                side_by_side.minimums[lane], side_by_side.errors[lane]};
        if (best.minimum != minimum) {
          break;
        }
      }
    }
  }
}

/// The first try: steps from the minimum to the maximum.
Best first_affine(const Weighted &of, const AffineTries &tries, float minimum, float maximum) {
  const float factor = static_cast<float>(tries.limit) / (maximum - minimum);
  Best best{factor, minimum, 1 / factor, minimum, 0};
  for (size_t i = 0; i < of.values.size(); ++i) {
    const auto code = static_cast<float>(affine_code(factor, of.values[i], minimum, tries.limit));
    const float difference = best.scale * code + minimum - of.values[i];
    best.error += of.weights[i] *
                  (tries.is_absolute ? error_of<true>(difference) : error_of<false>(difference));
  }
  return best;
}

// ---- Positive codes ------------------------------------------------------------------------------------------------

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
  float products = 0; // sum of weight * value * code
  float squares = 0;  // sum of weight * code * code
  for (size_t i = 0; i < values.size(); ++i) {
    codes[i] = static_cast<int8_t>(signed_code(factor, values[i], limit));
    const float weight = values[i] * values[i];
    const auto code = static_cast<float>(codes[i]);
    products += weight * values[i] * code;
    squares += weight * code * code;
  }
  bool is_changed = true;
  for (int32_t sweep = 0; sweep < 5 && is_changed; ++sweep) {
    is_changed = false;
    for (size_t i = 0; i < values.size(); ++i) {
      const float value = values[i];
      const float weight = value * value;
      const auto old_code = static_cast<float>(codes[i]);
      float other_products = products - weight * value * old_code;
      if (!(other_products > 0)) {
        continue;
      }
      float other_squares = squares - weight * old_code * old_code;
      const int32_t moved =
          clamped(nearest(value * other_squares / other_products), -limit, limit - 1);
      if (moved == codes[i]) {
        continue;
      }
      const auto code = static_cast<float>(moved);
      other_products += weight * value * code;
      other_squares += weight * code * code;
      if (other_squares > 0 &&
          other_products * other_products * squares > products * products * other_squares) {
        codes[i] = static_cast<int8_t>(moved);
        products = other_products;
        squares = other_squares;
        is_changed = true;
      }
    }
  }
  return squares > 0 ? products / squares : 0;
}

AffineFit fit_affine(std::span<const float> values, const float *weights, const AffineTries &tries,
                     uint8_t *codes) {
  Weighted of{values, weights, weights[0], weights[0] * values[0]};
  float minimum = values[0];
  float maximum = values[0];
  for (size_t i = 1; i < values.size(); ++i) {
    minimum = values[i] < minimum ? values[i] : minimum;
    maximum = values[i] > maximum ? values[i] : maximum;
    of.sum_of_weights += weights[i];
    of.sum_of_values += weights[i] * values[i];
  }
  minimum = minimum > 0 ? 0 : minimum;
  if (maximum <= minimum) {
    std::fill_n(codes, values.size(), uint8_t{0});
    return {0, -minimum};
  }
  Best best = first_affine(of, tries, minimum, maximum);
  if (tries.is_absolute) {
    search_affine<true>(of, tries, maximum, best);
  } else {
    search_affine<false>(of, tries, maximum, best);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    codes[i] =
        static_cast<uint8_t>(affine_code(best.factor, values[i], best.codes_minimum, tries.limit));
  }
  return {best.scale, -best.minimum};
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
  float products = 0;
  float squares = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const int32_t nearest_code = std::min(limit, nearest(factor * values[i]));
    codes[i] = static_cast<uint8_t>(nearest_code);
    const auto code = static_cast<float>(nearest_code);
    products += weights[i] * values[i] * code;
    squares += weights[i] * code * code;
  }
  bool is_changed = true;
  for (int32_t sweep = 0; sweep < 5 && is_changed; ++sweep) {
    is_changed = false;
    for (size_t i = 0; i < values.size(); ++i) {
      const float value = values[i];
      const float weight = weights[i];
      const auto old_code = static_cast<float>(codes[i]);
      float other_products = products - weight * value * old_code;
      float other_squares = squares - weight * old_code * old_code;
      if (!(other_products > 0 && other_squares > 0)) {
        continue;
      }
      const int32_t moved = std::min(limit, nearest(value * other_squares / other_products));
      if (moved == codes[i]) {
        continue;
      }
      const auto code = static_cast<float>(moved);
      other_products += weight * value * code;
      other_squares += weight * code * code;
      if (other_products * other_products * squares > products * products * other_squares) {
        codes[i] = static_cast<uint8_t>(moved);
        products = other_products;
        squares = other_squares;
        is_changed = true;
      }
    }
  }
  return squares > 0 ? products / squares : 0;
}

} // namespace monoquant::layout::gguf
