#include "monoquant/execute/activations.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/text.h"

namespace monoquant::execute {
namespace {

constexpr float kLowest = -128.0F;
constexpr float kHighest = 127.0F;

float largest_magnitude(std::span<const float> values) {
  float largest = 0.0F;
  for (const float x : values) {
    largest = std::max(largest, std::abs(x));
  }
  return largest;
}

/// Returns the scale. All codes are 0 where nothing is stored, and `to` is zero before.
float code_dynamically(std::span<const float> sample, int16_t *to) {
  const float magnitude = largest_magnitude(sample);
  if (magnitude < kSmallestMagnitude) {
    return 0.0F;
  }
  const float factor = kHighest / magnitude;
  for (size_t i = 0; i < sample.size(); ++i) {
    const float code = std::clamp(std::nearbyint(sample[i] * factor), kLowest, kHighest);
    to[i] = static_cast<int16_t>(code);
  }
  return magnitude / kHighest;
}

void code_statically(std::span<const float> values, const ActivationRule &rule, int16_t *to) {
  const auto zero_point = static_cast<float>(rule.zero_point);
  for (size_t i = 0; i < values.size(); ++i) {
    // Clamped as a float: a quotient may be far beyond all integers, or infinite.
    const float code =
        std::clamp(std::nearbyint(values[i] / rule.scale) + zero_point, kLowest, kHighest);
    to[i] = static_cast<int16_t>(code - zero_point);
  }
}

} // namespace

Result<void> check_activation_rule(const ActivationRule &rule) {
  if (rule.mode != ActivationMode::kStatic) {
    return {};
  }
  if (!std::isfinite(rule.scale) || rule.scale <= 0.0F) {
    return Error{ErrorCode::kMalformedFile,
                 "Expected a finite scale above 0 for static activations, found another in the "
                 "layer's input scale.",
                 "Calibrate and quantize the model again.",
                 {},
                 {}};
  }
  if (rule.zero_point < -128 || rule.zero_point > 127) {
    return Error{ErrorCode::kMalformedFile,
                 concat("Expected a zero point from -128 to 127 for static activations, found ",
                        rule.zero_point, " in the layer's input zero point."),
                 "Calibrate and quantize the model again.",
                 {},
                 {}};
  }
  return {};
}

CodedSamples::CodedSamples(std::span<const float> values, size_t width, const ActivationRule &rule)
    : width_(width), steps_(values.size()), scales_(values.size() / width, rule.scale) {
  if (rule.mode == ActivationMode::kStatic) {
    code_statically(values, rule, steps_.data());
    return;
  }
  for (size_t i = 0; i < scales_.size(); ++i) {
    scales_[i] = code_dynamically(values.subspan(i * width, width), steps_.data() + i * width);
  }
}

} // namespace monoquant::execute
