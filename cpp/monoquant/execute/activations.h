// How a runtime treats the inputs of a quantized layer: as INT8 codes, dynamic or static, or as floats.
// It exists because runtimes differ in small things, and this is the one place that says which of them is meant.
// Codes are -128 to 127 and stay within them; value = (code - zero_point) * scale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::execute {

enum class ActivationMode : uint8_t {
  kDynamic,     // INT8, symmetric, one scale a sample ("per token"), from the sample itself
  kStatic,      // INT8, the stored scale and zero point of the layer's input
  kWeightsOnly, // floats, times dequantized weights
};

/// By ActivationMode: the same words as in js/api/schemes.ts.
inline constexpr std::string_view kActivationWords[] = {"dynamic", "static", "weights-only"};

struct ActivationRule {
  ActivationMode mode = ActivationMode::kDynamic;
  // Of kStatic alone.
  float scale = 1.0F;
  int32_t zero_point = 0;
};

/// An error where a static scale is not finite and positive, or its zero point no code of INT8.
Result<void> check_activation_rule(const ActivationRule &rule);

/// Samples as the integers that a runtime multiplies with, their zero point already subtracted: -255 to 255.
///
/// Dynamic: scale = m / 127, code = round_half_even(x * (127 / m)), m = max |x| of the sample, all in f32. This is
/// what vLLM's kernel does, the one that multiplies these files' integers. (compressed-tensors' simulation in
/// PyTorch divides by 127.5, as observers do: its steps are 0.4 % finer, and m itself is clipped by half a step.)
/// A sample whose m is below kSmallestMagnitude becomes zeros, with the scale 0.
///
/// Static: code = clamp(round_half_even(x / scale) + zero_point) in f32, as vLLM does it; PyTorch and
/// compressed-tensors add the zero point before they round, which is the same but for exact halves.
class CodedSamples {
public:
  /// `values`: whole samples of `width`, finite. `rule`: checked, not kWeightsOnly.
  CodedSamples(std::span<const float> values, size_t width, const ActivationRule &rule);

  [[nodiscard]] size_t samples() const { return scales_.size(); }
  /// The codes of a sample, less the zero point.
  [[nodiscard]] std::span<const int16_t> steps(size_t sample) const {
    return std::span(steps_).subspan(sample * width_, width_);
  }
  [[nodiscard]] float scale(size_t sample) const { return scales_[sample]; }

private:
  size_t width_;
  std::vector<int16_t> steps_;
  std::vector<float> scales_;
};

/// From here on neither m / 127 nor 127 / m leaves the normal numbers of f32.
inline constexpr float kSmallestMagnitude = 0x1p-119F;

} // namespace monoquant::execute
