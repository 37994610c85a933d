#include "monoquant/calibration/given_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "monoquant/base/bytes.h"
#include "monoquant/quant/values.h"

namespace monoquant::calibration {
namespace {

constexpr double kMostCounted = 9007199254740992.0; // 2^53

/// NaN for types that no statistic has.
double value_at(Dtype dtype, std::span<const uint8_t> element) {
  switch (dtype) {
  case Dtype::kF64:
    return load_le<double>(element.data());
  case Dtype::kI64:
  case Dtype::kU64:
    return static_cast<double>(load_le<int64_t>(element.data()));
  case Dtype::kI32:
    return static_cast<double>(load_le<int32_t>(element.data()));
  case Dtype::kU32:
    return static_cast<double>(load_le<uint32_t>(element.data()));
  default: {
    float value = 0;
    return dtype_is_quantizable(dtype)
               ? static_cast<double>(quant::decode_values(dtype, element, {&value, 1})[0])
               : std::numeric_limits<double>::quiet_NaN();
  }
  }
}

} // namespace

void GivenStatistics::add(Statistic statistic, const StatisticPlace &place,
                          std::span<const uint8_t> bytes, ModuleStatistics &module) {
  any_ = true;
  const size_t width = dtype_bits(place.dtype) / 8;
  for (size_t i = 0; i < bytes.size() / width; ++i) {
    add_value(statistic, place, place.first + i,
              value_at(place.dtype, bytes.subspan(i * width, width)), module);
  }
}

void GivenStatistics::add_value(Statistic statistic, const StatisticPlace &place, uint64_t element,
                                double value, ModuleStatistics &module) {
  const bool is_sum = std::isfinite(value);
  const auto add_to = [&](std::vector<double> &sums, uint64_t channel, bool is_sound) {
    is_sound_ = is_sound_ && is_sound;
    if (channel < sums.size()) { // none where they are not kept
      sums[static_cast<size_t>(channel)] += value;
    }
  };
  switch (statistic) {
  case Statistic::kSum:
    return add_to(module.sums, element, is_sum);
  case Statistic::kSquares:
    return add_to(module.squares, element, is_sum && value >= 0);
  case Statistic::kOuter: {
    const uint64_t row = element / place.block;
    const uint64_t column = element % place.block;
    if (row % place.block == column) { // the diagonal
      add_to(module.squares, row / place.block * place.block + column, is_sum && value >= 0);
    }
    return;
  }
  case Statistic::kCounts:
    is_sound_ = is_sound_ && value >= 0 && value <= kMostCounted;
    counts_ = is_sound_ ? static_cast<uint64_t>(value) : 0;
    return;
  default:
    is_sound_ = is_sound_ && !std::isnan(value);
    const auto end = static_cast<float>(value);
    range_ = united(range_, {end, end});
    std::vector<float> &ends = statistic == Statistic::kMin ? module.lows : module.highs;
    if (element < ends.size() && std::isfinite(end)) { // none where they are not kept
      float &kept = ends[static_cast<size_t>(element)];
      kept = statistic == Statistic::kMin ? std::min(kept, end) : std::max(kept, end);
    }
  }
}

void GivenStatistics::settle(quant::ObserverState seen, ModuleStatistics &module) const {
  module.observer = std::move(seen);
  if (any_) {
    module.samples += counts_;
    module.per_channel += counts_;
  }
  if (module.lacks.distribution) {
    const quant::ObservedRange range =
        module.lacks.range ? quant::ObservedRange() : united(module.observer.min_max, range_);
    module.observer = {};
    module.observer.min_max = range;
  }
}

} // namespace monoquant::calibration
