#include "support/kernel_outputs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"

namespace monoquant::test {
namespace {

using quant::ErrorSums;

constexpr size_t kMargin = 32; // watched bytes before and behind an output
constexpr uint8_t kUntouched = 0xEE;

/// The largest half whose magnitude is not larger.
uint16_t towards_zero(float value, Dtype dtype) {
  if (dtype == Dtype::kBF16) {
    return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16U);
  }
  const float finite = std::clamp(value, -65504.0F, 65504.0F);
  const uint16_t half = f32_to_f16(finite);
  return std::fabs(f16_to_f32(half)) > std::fabs(finite) ? static_cast<uint16_t>(half - 1) : half;
}

} // namespace

std::vector<size_t> sizes() {
  std::vector<size_t> all;
  for (size_t size = 0; size <= 70; ++size) {
    all.push_back(size);
  }
  all.insert(all.end(), {127, 128, 1008, 1023, 1024, 1025, 1039, 2048, 2063, 3001});
  return all;
}

Output::Output(size_t bytes, size_t shift)
    : memory(bytes + 2 * kMargin + shift, kUntouched), begin(kMargin + shift) {}

std::string difference(std::string_view kernel, size_t size, size_t count, const Output &expected,
                       const Output &actual) {
  const auto [one, other] =
      std::mismatch(expected.memory.begin(), expected.memory.end(), actual.memory.begin());
  if (one == expected.memory.end()) {
    return {};
  }
  const auto at = (one - expected.memory.begin()) - static_cast<std::ptrdiff_t>(expected.begin);
  return concat(kernel, ", ", count, " scopes of ", size, ": byte ", at,
                " of the output should be ", static_cast<uint32_t>(*one), " and is ",
                static_cast<uint32_t>(*other));
}

void Slack::add(double y, double error, double step) {
  const double off = std::fabs(y) * 0x1p-22 + 0x1p-140; // of the product and of the difference
  const double squared = step * step;
  signal += squared * (y * y * 0x1p-16 + 0x1p-126);
  noise += squared * (error * error * 0x1p-16 + 2 * std::fabs(error) * off + off * off + 0x1p-126);
  peak = std::max(peak, step * (std::fabs(error) * 0x1p-20 + off + 0x1p-63));
}

bool is_near(double a, double b, double slack) { return std::fabs(a - b) <= slack; }

std::string sums_difference(std::string_view kernel, size_t size, size_t count,
                            const ErrorSums &expected, const ErrorSums &actual, SumsMatch match,
                            const Slack &slack) {
  const bool same =
      std::bit_cast<uint64_t>(expected.signal) == std::bit_cast<uint64_t>(actual.signal) &&
      std::bit_cast<uint64_t>(expected.noise) == std::bit_cast<uint64_t>(actual.noise) &&
      std::bit_cast<uint32_t>(expected.peak) == std::bit_cast<uint32_t>(actual.peak);
  const bool near = is_near(expected.signal, actual.signal, slack.signal) &&
                    is_near(expected.noise, actual.noise, slack.noise) &&
                    is_near(expected.peak, actual.peak, slack.peak);
  if (match == SumsMatch::kToTheBit ? same : near) {
    return {};
  }
  char text[256];
  std::snprintf(text, sizeof(text),
                ": sums should be %.17g, %.17g, %.9g and are %.17g, %.17g, %.9g", expected.signal,
                expected.noise, static_cast<double>(expected.peak), actual.signal, actual.noise,
                static_cast<double>(actual.peak));
  return concat(kernel, ", ", count, " scopes of ", size, text);
}

Stored::Stored(Dtype stored_as, std::span<const float> values, size_t shifted)
    : dtype(stored_as), shift(shifted), bytes(shifted + values.size() * dtype_bits(stored_as) / 8) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == Dtype::kF32) {
      std::memcpy(bytes.data() + shift + 4 * i, &values[i], 4);
    } else {
      const uint16_t half = towards_zero(values[i], dtype);
      std::memcpy(bytes.data() + shift + 2 * i, &half, 2);
    }
  }
}

Stored::Stored(Dtype stored_as, std::span<const uint16_t> halves, size_t shifted)
    : dtype(stored_as), shift(shifted), bytes(shifted + halves.size_bytes()) {
  if (!halves.empty()) {
    std::memcpy(bytes.data() + shift, halves.data(), halves.size_bytes());
  }
}

size_t Stored::count() const { return (bytes.size() - shift) * 8 / dtype_bits(dtype); }

std::vector<float> Stored::values() const {
  std::vector<float> all(count());
  for (size_t i = 0; i < all.size(); ++i) {
    if (dtype == Dtype::kF32) {
      std::memcpy(&all[i], bytes.data() + shift + 4 * i, 4);
    } else {
      uint16_t half = 0;
      std::memcpy(&half, bytes.data() + shift + 2 * i, 2);
      all[i] = dtype == Dtype::kF16 ? f16_to_f32(half) : bf16_to_f32(half);
    }
  }
  return all;
}

} // namespace monoquant::test
