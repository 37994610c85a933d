#include "monoquant/calibration/input_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "monoquant/quant/observers/range_choice.h"

namespace monoquant::calibration {
namespace {

double decibels(double ratio) { return 10.0 * std::log10(ratio); }

} // namespace

double estimated_sqnr_db(const ModuleStatistics &statistics, const quant::ActivationQparams &params,
                         const quant::ActivationScheme &scheme) {
  const auto step = static_cast<double>(params.scale);
  const double rounding = step * step / 12; // variance of an error between -step / 2 and step / 2
  double sum = 0;
  double signal = 0;
  size_t used = 0;
  for (size_t channel = 0; channel < statistics.squares.size(); ++channel) {
    const double moment = statistics.second_moment(channel);
    if (moment > 0) {
      sum += decibels(std::max(1.0, moment / rounding));
      signal += moment;
      ++used;
    }
  }
  if (used == 0) {
    return std::numeric_limits<double>::infinity();
  }
  double sqnr = sum / static_cast<double>(used);
  const double noise = quant::mean_squared_error(statistics.observer.histogram, params, scheme);
  if (noise > 0) {
    const double mean = signal / static_cast<double>(statistics.squares.size());
    sqnr = std::min(sqnr, decibels(mean / noise));
  }
  return std::round(sqnr * 100) / 100;
}

} // namespace monoquant::calibration
