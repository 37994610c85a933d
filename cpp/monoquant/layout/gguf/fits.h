// Searches for a scale: the codes times it, plus a minimum in some, are near given values.
// They are those of ggml, and give the same floats: tries, the order of sums and of comparisons are facts of the format's
// reference quantizers. Tries that do not depend on each other are made side by side, each with its sums in order.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace monoquant::layout::gguf {

/// Rounds half to even, by the bits of a sum. Beyond 2^22 the number is arbitrary, as ggml's is, but the same everywhere.
inline int32_t nearest(float value) {
  return (std::bit_cast<int32_t>(value + 0x1.8p23F) & 0x7FFFFF) - 0x400000;
}

inline int32_t clamped(int32_t value, int32_t lowest, int32_t highest) {
  value = value < lowest ? lowest : value;
  return value > highest ? highest : value;
}

/// Rounds half away from zero. What has no place in 31 bits, NaN too, becomes the lowest integer, as on x86.
inline int32_t nearest_away(float value) {
  if (!(value > -0x1p31F && value < 0x1p31F)) {
    return INT32_MIN;
  }
  const auto whole = static_cast<int32_t>(value);
  const float rest = value - static_cast<float>(whole); // exact
  return whole + (rest >= 0.5F ? 1 : 0) - (rest <= -0.5F ? 1 : 0);
}

/// Towards zero; otherwise as above.
inline int32_t truncated(float value) {
  return value > -0x1p31F && value < 0x1p31F ? static_cast<int32_t>(value) : INT32_MIN;
}

/// Values whose magnitudes are all below it become zeros.
inline constexpr float kSmallestMagnitude = 1e-15F;
inline constexpr size_t kMostFitted = 32; // values in one fit

/// Bits of a magnitude: they are in the order of magnitudes. NaN counts as 0.
inline uint32_t magnitude_bits(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value) & 0x7FFFFFFFU;
  return bits > 0x7F800000U ? 0 : bits;
}

inline float largest_magnitude(std::span<const float> values) {
  uint32_t most = 0; // integers, of which processors compare several at once
  for (const float value : values) {
    const uint32_t bits = magnitude_bits(value);
    most = bits > most ? bits : most;
  }
  return std::bit_cast<float>(most);
}

/// The value of the largest magnitude, the first of them; 0 without its sign if there is none but zeros and NaN. Not of
/// nothing.
inline float extreme_of(std::span<const float> values) {
  const uint32_t most = magnitude_bits(largest_magnitude(values));
  const auto count = static_cast<uint32_t>(values.size());
  uint32_t first = count - 1;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t at = magnitude_bits(values[i]) == most ? i : count;
    first = at < first ? at : first;
  }
  return most == 0 ? 0 : values[first];
}

inline float sum_of_squares(std::span<const float> values) {
  float sum = 0;
  for (const float value : values) {
    sum += value * value;
  }
  return sum;
}

/// Codes from -limit to limit - 1, of 19 tries. Weights: null for the squares of the values. Returns the scale, which is 0
/// for values that are all next to nothing; their codes are then the lowest.
float fit_signed(std::span<const float> values, const float *weights, int32_t limit, int8_t *codes);

/// The same by moving one code after the other, weighted by squares.
float fit_signed_by_descent(std::span<const float> values, int32_t limit, int8_t *codes);

/// Factors that are tried: (limit + first + i * step) / (maximum - minimum), for i = 0 to steps.
struct AffineTries {
  int32_t limit; // codes are 0 to limit
  float first;
  float step;
  int32_t steps;
  bool is_absolute; // errors count as they are, not their squares
};

struct AffineFit {
  float scale;
  float minimum; // with its sign turned: values are code * scale - minimum
};

AffineFit fit_affine(std::span<const float> values, const float *weights, const AffineTries &tries,
                     uint8_t *codes);

/// Codes from 0 to limit of values that are not negative: those of scales of parts. At most 16 values.
float fit_positive(std::span<const float> values, const float *weights, int32_t limit,
                   uint8_t *codes);

} // namespace monoquant::layout::gguf
