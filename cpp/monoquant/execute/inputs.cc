#include "monoquant/execute/inputs.h"

#include <cmath>

#include "monoquant/base/text.h"
#include "monoquant/execute/seeded_numbers.h"

namespace monoquant::execute {

Result<Inputs> Inputs::of_width(uint64_t width) {
  if (most_samples(width) == 0) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Expected a layer with 1 to ", kMostInputValues,
                        " inputs to execute, found one with ", width, "."),
                 "Leave this layer out of the run.",
                 {},
                 {}};
  }
  return Inputs(static_cast<size_t>(width));
}

Result<Inputs> Inputs::seeded(std::string_view layer, uint64_t width, size_t samples) {
  Result<Inputs> inputs = of_width(width);
  if (!inputs) {
    return inputs;
  }
  std::vector<float> &values = inputs.value().values_;
  values.resize(std::min(samples, most_samples(width)) * static_cast<size_t>(width));
  SeededNumbers numbers(layer, Purpose::kValues);
  for (float &value : values) {
    value = numbers.normal();
  }
  return inputs;
}

void Inputs::scale(std::span<const float> factors) {
  for (size_t i = 0; i < values_.size(); ++i) {
    values_[i] *= factors[i % width_];
  }
}

Result<void> Inputs::add(std::span<const float> values) {
  if (values.size() % width_ != 0) {
    return Error{ErrorCode::kInternal,
                 concat("Expected whole samples of ", width_, " values, found ", values.size(),
                        " values in captured inputs."),
                 {},
                 {},
                 {}};
  }
  for (size_t begin = 0; begin < values.size() && !is_full(); begin += width_) {
    const std::span<const float> sample = values.subspan(begin, width_);
    if (std::all_of(sample.begin(), sample.end(), [](float x) { return std::isfinite(x); })) {
      values_.insert(values_.end(), sample.begin(), sample.end());
    } else {
      ++left_out_;
    }
  }
  return {};
}

std::vector<uint64_t> spread_positions(std::string_view layer, uint64_t total, size_t count) {
  const auto taken = static_cast<size_t>(std::min<uint64_t>(total, count));
  std::vector<uint64_t> positions(taken);
  SeededNumbers numbers(layer, Purpose::kPositions);
  uint64_t begin = 0;
  for (size_t i = 0; i < taken; ++i) {
    // The first `total % taken` stretches are one longer.
    const uint64_t length = total / taken + (i < total % taken ? 1 : 0);
    positions[i] = begin + numbers.below(length);
    begin += length;
  }
  return positions;
}

} // namespace monoquant::execute
