#include "monoquant/quant/codebook.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "monoquant/base/float_convert.h"

namespace monoquant::quant {
namespace {

using Table = std::array<float, 16>;

// Source: bitsandbytes' functional.get_4bit_type.
constexpr Table kNf4 = {-1.0F,
                        -0.6961928009986877F,
                        -0.5250730514526367F,
                        -0.39491748809814453F,
                        -0.28444138169288635F,
                        -0.18477343022823334F,
                        -0.09105003625154495F,
                        0.0F,
                        0.07958029955625534F,
                        0.16093020141124725F,
                        0.24611230194568634F,
                        0.33791524171829224F,
                        0.44070982933044434F,
                        0.5626170039176941F,
                        0.7229568362236023F,
                        1.0F};
// A sign, two bits of exponent and one of mantissa, in an order of its own, over the largest. Source: as above.
constexpr Table kFp4 = {
    0.0F, 0.0625F / 12,  8.0F / 12,  12.0F / 12,  4.0F / 12,  6.0F / 12,  2.0F / 12,  3.0F / 12,
    0.0F, -0.0625F / 12, -8.0F / 12, -12.0F / 12, -4.0F / 12, -6.0F / 12, -2.0F / 12, -3.0F / 12};
// Source: OCP Microscaling, 5.3.3.
constexpr Table kE2M1 = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                         -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};

// As bitsandbytes multiplies with it. Source: int8_vectorwise_dequant.
constexpr float kOneOf127 = 7.874015718698502e-3F;
constexpr float k127 = 127.0F;
/// Below this bitsandbytes takes it for the largest magnitude of its blocks.
constexpr float kLeastMagnitude = 1e-38F;

/// Codes of a table by their values, and the limits between them: what is at one belongs to the lower code.
struct Sorted {
  std::array<uint8_t, 16> codes;
  std::array<float, 15> limits;
};

constexpr Sorted sorted(const Table &table) {
  Sorted result{};
  for (uint8_t code = 0; code < 16; ++code) {
    size_t at = code;
    for (; at > 0 && table[result.codes[at - 1]] > table[code]; --at) {
      result.codes[at] = result.codes[at - 1];
    }
    result.codes[at] = code;
  }
  for (size_t i = 0; i < result.limits.size(); ++i) {
    result.limits[i] = (table[result.codes[i]] + table[result.codes[i + 1]]) / 2;
  }
  return result;
}

constexpr Sorted kSortedNf4 = sorted(kNf4);
constexpr Sorted kSortedFp4 = sorted(kFp4);

/// In four steps, each of which halves what is left.
uint8_t code_in(const Sorted &table, float value) {
  size_t at = 0;
  for (size_t step = 8; step > 0; step /= 2) {
    at += value > table.limits[at + step - 1] ? step : 0;
  }
  return table.codes[at];
}

/// Ties go to the even code. Source: compressed-tensors' cast_to_fp4, which makes -0 a zero without a sign.
uint8_t code_of_e2m1(float value) {
  const float magnitude = std::fabs(value);
  const int code = (magnitude > 0.25F ? 1 : 0) + (magnitude >= 0.75F ? 1 : 0) +
                   (magnitude > 1.25F ? 1 : 0) + (magnitude >= 1.75F ? 1 : 0) +
                   (magnitude > 2.5F ? 1 : 0) + (magnitude >= 3.5F ? 1 : 0) +
                   (magnitude > 5.0F ? 1 : 0);
  return static_cast<uint8_t>(code | (value < 0 ? 8 : 0));
}

/// Half to even; far away from all codes, what f32 cannot round does not matter.
uint8_t code_of_integer(float value) {
  const float bounded = std::min(std::max(value, -k127), k127);
  return static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(bounded)));
}

template <typename CodeOf>
void each(std::span<const float> values, std::span<uint8_t> codes, CodeOf code_of) {
  for (size_t i = 0; i < values.size(); ++i) {
    codes[i] = code_of(values[i]);
  }
}

/// 2^(byte - 127).
float exponent_value(uint32_t byte) {
  return byte == 0 ? 0x1p-127F : std::bit_cast<float>(byte << 23U);
}

/// What the largest magnitude leaves for a power of two: the largest power below it, or the one above where three
/// bits of mantissa would round up to it. Source: compressed-tensors' generate_mx_scales.
uint32_t exponent_byte(float magnitude, Codebook codebook) {
  constexpr uint32_t kRoundsUp = 1U << 21U;                      // of f32's mantissa: from 1.75 on
  const uint32_t offset = codebook == Codebook::kF8E4M3 ? 8 : 2; // of the codebook's largest power
  const uint32_t exponent = (std::bit_cast<uint32_t>(magnitude) + kRoundsUp) >> 23U & 0xFFU;
  return std::min(exponent > offset ? exponent - offset : 0U, 254U);
}

/// Of scales that PyTorch rounds to zero, and of zeros: its finfo(dtype).eps.
float least_scale(Dtype dtype) {
  return dtype == Dtype::kBF16 ? 0x1p-7F : dtype == Dtype::kF16 ? 0x1p-10F : kSmallestScale;
}

constexpr float kLeastOfComfy = 1e-30F; // of comfy-kitchen's quantize_int8_rowwise
constexpr float kLeastE4M3 = 0.125F;    // the same of scales of one byte

float e4m3_scale(float scale, float outer) {
  const float stored = f8_e4m3_to_f32(f32_to_f8_e4m3(scale));
  return (stored == 0 ? kLeastE4M3 : stored) / outer;
}

/// Scales that are tried, in parts of that of the largest magnitude. Measured on normally distributed values, in dB by
/// the number of scales tried in all: NF4 in blocks of 64, 1: 20.71, 2: 21.08, these 6: 21.29, 200: 21.42; NVFP4, whose
/// steps are uneven, so that room above the largest value may pay, 1: 20.41, 6: 21.64, these 8: 21.7, 200: 21.78.
constexpr float kTableRatios[] = {0.95F, 0.9F, 0.85F, 0.8F, 1.05F};
constexpr float kFloatRatios[] = {0.9F, 0.8F, 1.1F, 1.2F, 1.3F, 1.4F, 1.5F};

// What values become, in steps of their scale: as nearest_codes and codebook_value say, without the codes.

/// Adding 1.5 * 2^23 steps, and taking them off again, rounds to a whole number of them, half to even.
float rounded_to(float magnitude, float rounder) { return (magnitude + rounder) - rounder; }

float kept_of_e2m1(float value) {
  const float magnitude = std::min(std::fabs(value), 6.0F);
  const float rounder = magnitude < 2 ? 0x1.8p22F : magnitude < 4 ? 0x1.8p23F : 0x1.8p24F;
  return std::copysign(rounded_to(magnitude, rounder), value);
}

float kept_of_e4m3(float value) {
  constexpr uint32_t kSmallest =
      121; // exponent of the smallest normal number, below which steps stay
  constexpr uint32_t kToRounder = 20; // from that of a number with three bits of mantissa
  const float magnitude = std::min(std::fabs(value), 448.0F);
  const uint32_t exponent = std::max(std::bit_cast<uint32_t>(magnitude) >> 23U, kSmallest);
  const auto rounder = std::bit_cast<float>((exponent + kToRounder) << 23U | 1U << 22U);
  return std::copysign(rounded_to(magnitude, rounder), value);
}

float kept_of_integer(float value) {
  return rounded_to(std::min(std::max(value, -k127), k127), 0x1.8p23F);
}

/// Sums in eight lanes, which are added up after so many values: the same in every build.
template <typename Kept>
double sum_of_losses(std::span<const float> values, std::span<const float> importance, Kept kept) {
  constexpr size_t kAtOnce = 128;
  constexpr size_t kLanes = 8;
  double loss = 0;
  for (size_t begin = 0; begin < values.size(); begin += kAtOnce) {
    const size_t end = std::min(values.size(), begin + kAtOnce);
    float lanes[kLanes] = {};
    for (size_t i = begin; i < end; ++i) {
      const float error = values[i] - kept(values[i]);
      lanes[i % kLanes] += error * error * (importance.empty() ? 1.0F : importance[i]);
    }
    for (const float lane : lanes) {
      loss += static_cast<double>(lane);
    }
  }
  return loss;
}

double loss_of(std::span<const float> values, std::span<const float> importance, Codebook codebook,
               float scale) {
  const auto sum = [&](auto kept) { return sum_of_losses(values, importance, kept); };
  const float factor = 1.0F / std::max(scale, kLeastMagnitude);
  switch (codebook) {
  case Codebook::kF8E4M3:
    return sum([=](float value) { return kept_of_e4m3(value / scale) * scale; });
  case Codebook::kF4E2M1:
    return sum([=](float value) { return kept_of_e2m1(value / scale) * scale; });
  case Codebook::kNf4:
    return sum([=](float value) { return kNf4[code_in(kSortedNf4, value * factor)] * scale; });
  case Codebook::kFp4:
    return sum([=](float value) { return kFp4[code_in(kSortedFp4, value * factor)] * scale; });
  case Codebook::kFractions:
    return sum(
        [=](float value) { return kept_of_integer(value * factor * k127) * scale * kOneOf127; });
  default:
    return sum([=](float value) { return kept_of_integer(value / scale) * scale; });
  }
}

} // namespace

std::span<const float, 16> codebook_table(Codebook codebook) {
  return codebook == Codebook::kNf4 ? kNf4 : codebook == Codebook::kFp4 ? kFp4 : kE2M1;
}

float codebook_value(Codebook codebook, uint8_t code) {
  switch (codebook) {
  case Codebook::kF8E4M3:
    return f8_e4m3_to_f32(code);
  case Codebook::kFractions:
  case Codebook::kEvenIntegers:
  case Codebook::kIntegers:
    return static_cast<float>(static_cast<int8_t>(code));
  default:
    return codebook_table(codebook)[code & 15U];
  }
}

void nearest_codes(std::span<const float> values, Codebook codebook, float scale,
                   std::span<uint8_t> codes) {
  const float factor = 1.0F / std::max(scale, kLeastMagnitude);
  switch (codebook) {
  case Codebook::kF8E4M3:
    return each(values, codes, [=](float value) { return f32_to_f8_e4m3(value / scale); });
  case Codebook::kF4E2M1:
    return each(values, codes, [=](float value) { return code_of_e2m1(value / scale); });
  case Codebook::kNf4:
    return each(values, codes, [=](float value) { return code_in(kSortedNf4, value * factor); });
  case Codebook::kFp4:
    return each(values, codes, [=](float value) { return code_in(kSortedFp4, value * factor); });
  case Codebook::kFractions: {
    // As PyTorch divides a number by a tensor: by its reciprocal.
    const float steps = std::min(1.0F / std::max(scale, 0x1p-120F) * k127, 0x1p126F);
    return each(values, codes, [=](float value) { return code_of_integer(value * steps); });
  }
  case Codebook::kEvenIntegers:
  case Codebook::kIntegers:
    return each(values, codes, [=](float value) { return code_of_integer(value / scale); });
  }
}

void stored_values(std::span<const uint8_t> codes, Codebook codebook, float scale,
                   std::span<float> values) {
  const auto each_of = [&](auto value_of) {
    for (size_t i = 0; i < codes.size(); ++i) {
      values[i] = value_of(codes[i]);
    }
  };
  switch (codebook) {
  case Codebook::kF8E4M3:
    return each_of([=](uint8_t code) { return f8_e4m3_to_f32(code) * scale; });
  case Codebook::kFractions:
    return each_of([=](uint8_t code) {
      return static_cast<float>(static_cast<int8_t>(code)) * scale * kOneOf127;
    });
  case Codebook::kEvenIntegers:
  case Codebook::kIntegers:
    return each_of(
        [=](uint8_t code) { return static_cast<float>(static_cast<int8_t>(code)) * scale; });
  default: {
    const auto table = codebook_table(codebook);
    return each_of([=](uint8_t code) { return table[code & 15U] * scale; });
  }
  }
}

float outer_number(float magnitude, const Scheme &scheme) {
  constexpr float kLargestScale = 448.0F; // of one byte
  // Source: compressed-tensors' generate_gparam.
  const float number = kLargestScale * scheme.reach() / std::max(magnitude, 0x1p-126F);
  return std::isfinite(number) ? number : 1.0F;
}

float codebook_scale(float magnitude, const Scheme &scheme, float outer) {
  if (scheme.scale_dtype == Dtype::kF8E8M0) {
    return exponent_value(exponent_byte(magnitude, scheme.codebook));
  }
  const float scale = magnitude / scheme.reach();
  if (scheme.scale_dtype == Dtype::kF8E4M3) {
    return e4m3_scale(outer * scale, outer);
  }
  if (scheme.reach() == 1.0F) {
    return scale; // largest magnitudes, which are none where all is zero
  }
  if (scheme.codebook == Codebook::kEvenIntegers) {
    return std::max(scale, kLeastOfComfy);
  }
  const float rounded = round_scale(scale, scheme.scale_dtype);
  return rounded == 0 ? least_scale(scheme.scale_dtype) : rounded;
}

float search_codebook_scale(std::span<const float> values, std::span<const float> importance,
                            const Scheme &scheme, float outer) {
  float magnitude = 0;
  for (const float value : values) {
    magnitude = std::max(magnitude, std::fabs(value));
  }
  const float start = codebook_scale(magnitude, scheme, outer);
  if (magnitude == 0) {
    return start;
  }
  float best = start;
  double least = loss_of(values, importance, scheme.codebook, start);
  const auto attempt = [&](float scale) {
    if (!(scale > 0) || !std::isfinite(scale)) {
      return;
    }
    const double loss = loss_of(values, importance, scheme.codebook, scale);
    if (loss < least) {
      least = loss;
      best = scale;
    }
  };
  if (scheme.scale_dtype == Dtype::kF8E8M0) { // the neighbours: all others are far off
    attempt(start * 2);
    attempt(start / 2);
    return best;
  }
  for (const float ratio : scheme.reach() == 1.0F ? std::span<const float>(kTableRatios)
                                                  : std::span<const float>(kFloatRatios)) {
    const float scale = magnitude / scheme.reach() * ratio;
    attempt(scheme.scale_dtype == Dtype::kF8E4M3 ? e4m3_scale(outer * scale, outer)
                                                 : round_scale(scale, scheme.scale_dtype));
  }
  return best;
}

} // namespace monoquant::quant
