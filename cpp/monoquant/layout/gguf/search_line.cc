// Codes with a scale and a minimum, which are searched for together.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/search_fits.h"

namespace monoquant::layout::gguf {

LineFit try_line(const SharedScale &of, const LineWay &way, float step, float minimum) {
  const WholeLevels levels{0, way.limit};
  const float factor = factor_of(step);
  LineFit fit{step, minimum};
  double squares = 0; // of weight * code * code
  double products = 0;
  for (size_t i = 0; i < of.count; ++i) {
    const double code = levels.next_to((of.values[i] - minimum) * factor);
    const double weight = of.weights[i];
    const double value = of.values[i];
    const double error = value - (double{step} * code + double{minimum});
    fit.error += weight * error * error;
    fit.weights += weight;
    fit.codes += weight * code;
    squares += weight * code * code;
    fit.values += weight * value;
    products += weight * code * value;
  }
  const double determinant = fit.weights * squares - fit.codes * fit.codes;
  fit.best_step =
      determinant > 0 ? (fit.weights * products - fit.codes * fit.values) / determinant : step;
  if (way.is_stored) {
    fit.best_step = as_f16(fit.best_step);
  }
  fit.best_minimum = fit.minimum_for(fit.best_step);
  if (way.is_downward && fit.best_minimum > 0) {
    fit.best_minimum = 0;
    fit.best_step = squares > 0 ? products / squares : step;
  }
  return fit;
}

LineFit settle_line(const SharedScale &of, const LineWay &way, LineFit fit, size_t rounds) {
  for (size_t round = 0; round < rounds; ++round) {
    const float step = way.is_stored ? as_f16(fit.best_step) : static_cast<float>(fit.best_step);
    const float minimum =
        way.is_stored ? as_f16(fit.best_minimum) : static_cast<float>(fit.best_minimum);
    const bool is_same = step == fit.step && minimum == fit.minimum;
    if (is_same || !std::isfinite(step) || !std::isfinite(minimum) ||
        (way.is_downward && step < 0)) {
      break;
    }
    const LineFit next = try_line(of, way, step, minimum);
    if (!(next.error < fit.error)) {
      break;
    }
    fit = next;
  }
  return fit;
}

LineFit search_line(const SharedScale &of, const LineWay &way) {
  constexpr size_t kTries = 6; // ends that are cut off, at each side
  constexpr float kApart = 0.04F;
  constexpr size_t kRounds = 8;
  const auto [lowest, highest] = std::minmax_element(of.values, of.values + of.count);
  const float from = way.is_downward ? std::min(*lowest, 0.0F) : *lowest;
  const float width = *highest - from;
  const float flat = way.is_stored ? as_f16(from) : from;
  LineFit best = settle_line(of, way, try_line(of, way, 0.0F, flat), 1);
  for (size_t low = 0; low < kTries && std::isfinite(width) && width > 0; ++low) {
    for (size_t high = 0; high < kTries; ++high) {
      const float minimum = from + width * kApart * static_cast<float>(low);
      const float end = *highest - width * kApart * static_cast<float>(high);
      const float step = (end - minimum) / way.limit;
      const float stored_step = way.is_stored ? as_f16(step) : step;
      const float stored_minimum = way.is_stored ? as_f16(minimum) : minimum;
      if (stored_step == 0 || !std::isfinite(stored_step) || !std::isfinite(stored_minimum)) {
        continue;
      }
      const LineFit fit = settle_line(of, way, try_line(of, way, stored_step, stored_minimum), 1);
      best = fit.error < best.error ? fit : best;
    }
  }
  return settle_line(of, way, best, kRounds);
}

} // namespace monoquant::layout::gguf
