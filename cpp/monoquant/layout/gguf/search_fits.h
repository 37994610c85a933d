// The steps of searches for scales: nearest codes of a scale, the best scale of codes, and again.
// Sums are in f64 and in the order of values, so every machine finds the same.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "monoquant/base/float_convert.h"
#include "monoquant/layout/gguf/block_layouts.h"
#include "monoquant/layout/gguf/fits.h"

namespace monoquant::layout::gguf {

/// Values that share a scale, with how much their errors count.
struct SharedScale {
  const float *values;
  const float *weights;
  size_t count;
};

/// Codes that stand for whole numbers.
struct WholeLevels {
  float lowest;
  float highest;

  /// The level next to a number; NaN has the lowest.
  [[nodiscard]] float next_to(float scaled) const {
    const float above = scaled > lowest ? scaled : lowest;
    return static_cast<float>(nearest(above < highest ? above : highest));
  }
};

/// Codes that stand for the numbers of IQ4_NL.
struct TableLevels {
  float lowest = kIq4Values[0];
  float highest = kIq4Values[15];

  [[nodiscard]] float next_to(float scaled) const {
    size_t code = 0;
    for (size_t i = 1; i < 16; ++i) {
      const auto middle = static_cast<float>(kIq4Values[i - 1] + kIq4Values[i]) * 0.5F; // exact
      code += scaled >= middle ? 1U : 0U;
    }
    return kIq4Values[code];
  }
};

/// The code of a number of the table.
inline uint8_t code_of_level(float level) {
  uint8_t code = 0;
  while (code < 15 && static_cast<float>(kIq4Values[code]) < level) {
    ++code;
  }
  return code;
}

inline float as_f16(double number) { return f16_to_f32(f32_to_f16(static_cast<float>(number))); }

/// A number that a scale is divided by; 0 where there is no scale.
inline float factor_of(float step) { return step != 0 ? 1 / step : 0; }

// ---- A scale alone -------------------------------------------------------------------------------------------------

struct StepFit {
  float step = 0;
  double error = 0; // of nearest levels
  double best = 0;  // the step that is best for these levels
};

template <typename Levels>
StepFit try_step(const SharedScale &of, const Levels &levels, float step) {
  const float factor = factor_of(step);
  StepFit fit{step};
  double products = 0; // sum of weight * level * value
  double squares = 0;  // sum of weight * level * level
  for (size_t i = 0; i < of.count; ++i) {
    const double level = levels.next_to(of.values[i] * factor);
    const double weight = of.weights[i];
    const double error = double{of.values[i]} - double{step} * level;
    fit.error += weight * error * error;
    products += weight * level * of.values[i];
    squares += weight * level * level;
  }
  fit.best = squares > 0 ? products / squares : step;
  return fit;
}

/// Moves a step to what is best for its codes until nothing gets better. `kIsStored`: it is kept as F16.
template <bool kIsStored, typename Levels>
StepFit settle_step(const SharedScale &of, const Levels &levels, StepFit fit, size_t rounds) {
  for (size_t round = 0; round < rounds; ++round) {
    const float step = kIsStored ? as_f16(fit.best) : static_cast<float>(fit.best);
    if (step == fit.step || !std::isfinite(step)) {
      break;
    }
    const StepFit next = try_step(of, levels, step);
    if (!(next.error < fit.error)) {
      break;
    }
    fit = next;
  }
  return fit;
}

/// The best step of many tries: those that take the extreme value for the outermost levels, and for numbers inside and
/// outside of these.
template <bool kIsStored, typename Levels>
StepFit search_step(const SharedScale &of, const Levels &levels) {
  constexpr size_t kTries = 18;
  constexpr float kFirst = 0.8F;
  constexpr float kApart = 0.03F;
  constexpr size_t kRounds = 8;
  StepFit best = try_step(of, levels, 0.0F); // all are nothing
  const float extreme = extreme_of({of.values, of.count});
  for (const float outermost : {levels.lowest, levels.highest}) {
    for (size_t i = 0; i < kTries && extreme != 0; ++i) {
      const float taken = outermost * (kFirst + kApart * static_cast<float>(i));
      const float step = kIsStored ? as_f16(extreme / taken) : extreme / taken;
      if (step == 0 || !std::isfinite(step)) {
        continue;
      }
      const StepFit fit = settle_step<kIsStored>(of, levels, try_step(of, levels, step), 1);
      best = fit.error < best.error ? fit : best;
    }
  }
  return settle_step<kIsStored>(of, levels, best, kRounds);
}

// ---- A scale and a minimum -----------------------------------------------------------------------------------------

struct LineFit {
  float step = 0;
  float minimum = 0;
  double error = 0;
  double best_step = 0;
  double best_minimum = 0;
  double weights = 0; // sums: of weights,
  double codes = 0;   // of weight * code
  double values = 0;  // of weight * value

  /// The best minimum for these codes and another step.
  [[nodiscard]] double minimum_for(double other) const {
    return weights > 0 ? (values - other * codes) / weights : minimum;
  }
};

/// How a line is kept.
struct LineWay {
  float limit;      // codes are 0 to it
  bool is_stored;   // both numbers as F16
  bool is_downward; // the minimum is not above 0, and the step not below it
};

LineFit try_line(const SharedScale &of, const LineWay &way, float step, float minimum);
LineFit settle_line(const SharedScale &of, const LineWay &way, LineFit fit, size_t rounds);
LineFit search_line(const SharedScale &of, const LineWay &way);

} // namespace monoquant::layout::gguf
