#include "generate/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "monoquant/calibration/calibration.h"
#include "monoquant/calibration/layers.h"
#include "support/random.h"

namespace monoquant::fuzz {
namespace {

using test::Random;

/// Values of one batch; the last of them may be odd.
std::vector<float> make_values(Choices &choices, Random &random, size_t count) {
  constexpr float kMagnitudes[] = {1.0F, 1e-6F, 1e30F, 1e-40F, 0.0F};
  constexpr float kOdd[] = {std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(), 3e38F, -3e38F};
  const float magnitude = choices.pick(kMagnitudes);
  const bool positive = choices.flag();
  std::vector<float> values(count);
  for (float &value : values) {
    value = random.weight() * magnitude;
    value = positive ? std::fabs(value) : value;
  }
  if (choices.chance(4)) {
    values.back() = choices.pick(kOdd);
  }
  return values;
}

calibration::ModuleStatistics make_statistics(Choices &choices, Random &random, uint64_t channels) {
  constexpr uint64_t kMostChannels = 4096;
  channels = std::min(channels, kMostChannels);
  const uint64_t samples = choices.between(1, 3);
  quant::TensorObserver observer;
  calibration::ModuleStatistics statistics;
  statistics.samples = samples;
  statistics.sums.resize(static_cast<size_t>(channels));
  statistics.squares.resize(static_cast<size_t>(channels));
  for (uint64_t batches = choices.between(1, 2); batches > 0; --batches) {
    const auto values = make_values(choices, random, static_cast<size_t>(channels * samples));
    observer.begin_batch();
    observer.look(values);
    if (observer.wants_second_pass()) {
      observer.count(values);
    }
    require(observer.end_batch().has_value(), "a batch without NaN is observed");
    for (size_t i = 0; i < values.size(); ++i) {
      const double value = std::isfinite(values[i]) ? static_cast<double>(values[i]) : 0;
      statistics.sums[i % statistics.sums.size()] += value;
      statistics.squares[i % statistics.squares.size()] += value * value;
    }
    statistics.per_channel += samples;
  }
  statistics.observer = observer.state();
  statistics.lacks.outer = true; // the inputs themselves are not there
  if (choices.chance(4)) {       // as a file of statistics leaves it
    statistics.lacks.distribution = true;
    choices.flag();
    statistics.lacks.range = choices.flag();
    const quant::ObservedRange range = statistics.observer.min_max;
    statistics.observer = {};
    statistics.observer.min_max = statistics.lacks.range ? quant::ObservedRange() : range;
    statistics.lacks.squares = choices.chance(4);
    if (statistics.lacks.squares) {
      statistics.squares.clear();
    }
  }
  return statistics;
}

} // namespace

Json make_calibration(Choices &choices, const catalog::Catalog &catalog) {
  Random random(choices.below(256));
  calibration::Calibration calibration;
  for (const auto &[name, layer] : calibration::layers_of(catalog)) {
    if (calibration.modules.size() == 2) {
      break; // the statistics of one are 2048 counts
    }
    switch (choices.below(6)) {
    case 4:
      calibration.left_out.emplace(name);
      break;
    case 5:
      break;
    default: {
      const uint64_t groups = layer.is_convolution ? std::max<uint64_t>(1, layer.most_groups) : 1;
      const uint64_t width =
          layer.width * (choices.flag() ? groups : 1) + (choices.chance(8) ? 1 : 0);
      if (width > 0) {
        calibration.modules.emplace(name, make_statistics(choices, random, width));
      }
    }
    }
  }
  if (choices.chance(8)) {
    calibration.modules.emplace("no.such.layer", make_statistics(choices, random, 3));
  }
  return parse_json(calibration::calibration_json(calibration));
}

} // namespace monoquant::fuzz
