// Codes with a scale and a minimum.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/fits.h"

namespace monoquant::layout::gguf {
namespace {

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

} // namespace

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

} // namespace monoquant::layout::gguf
