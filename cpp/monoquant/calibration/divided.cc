#include "monoquant/calibration/divided.h"

namespace monoquant::calibration {
namespace {

float quotient(float value, double factor) {
  return static_cast<float>(static_cast<double>(value) / factor);
}

} // namespace

ModuleStatistics divided(const ModuleStatistics &statistics, std::span<const double> factors) {
  ModuleStatistics made = statistics;
  for (size_t i = 0; i < made.sums.size(); ++i) {
    made.sums[i] /= factors[i];
  }
  for (size_t i = 0; i < made.squares.size(); ++i) {
    made.squares[i] /= factors[i] * factors[i];
  }
  made.observer = {};
  made.lacks.distribution = true;
  made.lacks.range |= made.lows.empty();
  for (size_t i = 0; i < made.lows.size(); ++i) {
    made.lows[i] = quotient(made.lows[i], factors[i]);
    made.highs[i] = quotient(made.highs[i], factors[i]);
    made.observer.min_max = united(made.observer.min_max, {made.lows[i], made.highs[i]});
  }
  return made;
}

} // namespace monoquant::calibration
