// IQ4_NL and IQ4_XS: codes of values that are not evenly spaced.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/block_encoders.h"
#include "monoquant/layout/gguf/block_layouts.h"
#include "monoquant/layout/gguf/fits.h"

namespace monoquant::layout::gguf {
namespace {

constexpr size_t kInPart = 32;
constexpr size_t kBetween = 15;

/// Half-way between neighbours of kIq4Values: from there on the upper one is chosen.
constexpr float kMiddles[kBetween] = {-115.5F, -93.5F, -74,   -57,   -42, -28.5F, -16, -4.5F,
                                      7,       19,     31.5F, 45.5F, 61,  79,     101};
constexpr float kGaps[kBetween] = {23, 21, 18, 16, 14, 13, 12, 11, 12, 12, 13, 15, 16, 20, 24};
constexpr float kLowest = -127;

/// The nearest value; NaN becomes the highest.
inline float nearest_value(float scaled) {
  float value = kLowest;
  for (size_t i = 0; i < kBetween; ++i) {
    value += scaled < kMiddles[i] ? 0.0F : kGaps[i];
  }
  return value;
}

void nearest_codes(const float *__restrict values, float factor, uint8_t *__restrict codes) {
  for (size_t i = 0; i < kInPart; ++i) {
    const float scaled = factor * values[i];
    int32_t code = 0;
    for (const float middle : kMiddles) {
      code += scaled < middle ? 0 : 1;
    }
    codes[i] = static_cast<uint8_t>(code);
  }
}

void put_codes_of_part(const uint8_t codes[kInPart], uint8_t *__restrict qs) {
  for (size_t j = 0; j < 16; ++j) {
    qs[j] = static_cast<uint8_t>(codes[j] | codes[j + 16] << 4);
  }
}

/// Tries: the plain one, which takes the extreme for 127, and 15 that take it for -134 to -120.
constexpr size_t kTableTries = 16;

float fit_part(const float *values, const float *weights) {
  const float extreme = extreme_of({values, kInPart});
  if (std::fabs(extreme) < kSmallestMagnitude) {
    return 0;
  }
  float factors[kTableTries];
  factors[0] = 1 / (-extreme / kLowest);
  for (size_t i = 1; i < kTableTries; ++i) {
    factors[i] = (static_cast<float>(i) - 8 + kLowest) / extreme;
  }
  float products[kTableTries] = {}; // sum of weight * code's value * value
  float squares[kTableTries] = {};  // sum of weight * code's value squared
  for (size_t i = 0; i < kInPart; ++i) {
    for (size_t lane = 0; lane < kTableTries; ++lane) {
      const float value = nearest_value(factors[lane] * values[i]);
      const float weighted = weights[i] * value;
      products[lane] += weighted * values[i];
      squares[lane] += weighted * value;
    }
  }
  float scale = squares[0] > 0 ? products[0] / squares[0] : 0;
  float best = scale * products[0];
  for (size_t i = 1; i < kTableTries; ++i) {
    if (squares[i] > 0 && products[i] * products[i] > best * squares[i]) {
      scale = products[i] / squares[i];
      best = scale * products[i];
    }
  }
  return scale;
}

/// How much errors count: by squares, or by importance and more for values that are large.
void weigh_part(const float *values, const float *importance, float mean_square,
                float weights[kInPart]) {
  for (size_t i = 0; i < kInPart; ++i) {
    const float square = values[i] * values[i];
    weights[i] = importance != nullptr ? importance[i] * std::sqrt(mean_square + square) : square;
  }
}

/// Twice the mean square of a block.
float doubled_mean_square(std::span<const float> block) {
  return sum_of_squares(block) * (2.0F / static_cast<float>(block.size()));
}

void encode_iq4_nl(std::span<const float> values, const float *importance, Iq4NlBlock &block) {
  float weights[kInPart];
  weigh_part(values.data(), importance, doubled_mean_square(values), weights);
  const float d = fit_part(values.data(), weights);
  store_le(block.d, f32_to_f16(d));
  uint8_t codes[kInPart];
  nearest_codes(values.data(), d != 0 ? 1 / d : 0, codes); // of the step before it is rounded
  put_codes_of_part(codes, block.qs);
}

void encode_iq4_xs(std::span<const float> values, const float *importance, Iq4XsBlock &block) {
  constexpr size_t kParts = 8;
  const float mean_square = doubled_mean_square(values);
  float scales[kParts];
  for (size_t part = 0; part < kParts; ++part) {
    const size_t at = part * kInPart;
    float weights[kInPart];
    weigh_part(values.data() + at, importance != nullptr ? importance + at : nullptr, mean_square,
               weights);
    scales[part] = fit_part(values.data() + at, weights);
  }
  const float d = -extreme_of(scales) / 32;
  const float factor = d != 0 ? 1 / d : 0;
  store_le(block.d, f32_to_f16(d));
  block.scales_h[0] = block.scales_h[1] = 0;
  std::fill_n(block.scales_l, 4, uint8_t{0});
  for (size_t part = 0; part < kParts; ++part) {
    const int32_t scale = clamped(nearest(factor * scales[part]), -32, 31);
    const float step = d * static_cast<float>(scale); // not as it is stored, as ggml has it
    uint8_t codes[kInPart];
    nearest_codes(values.data() + part * kInPart, step != 0 ? 1 / step : 0, codes);
    put_codes_of_part(codes, block.qs + 16 * part);
    const auto bits = static_cast<uint32_t>(scale + 32);
    block.scales_l[part / 2] |= static_cast<uint8_t>((bits & 15U) << (part % 2 * 4));
    block.scales_h[part / 4] |= static_cast<uint8_t>(bits >> 4U << (part % 4 * 2));
  }
}

template <typename Block, size_t kValues,
          void (*kEncode)(std::span<const float>, const float *, Block &)>
void encode_by_table(std::span<const float> row, std::span<const float> importance, uint8_t *to) {
  static_assert(alignof(Block) == 1);
  for (size_t at = 0; at < row.size(); at += kValues, to += sizeof(Block)) {
    kEncode(row.subspan(at, kValues), importance.empty() ? nullptr : importance.data() + at,
            *reinterpret_cast<Block *>(to));
  }
}

} // namespace

RowEncoder table_encoder(BlockType type) {
  switch (type) {
  case BlockType::kIq4Nl:
    return encode_by_table<Iq4NlBlock, 32, encode_iq4_nl>;
  case BlockType::kIq4Xs:
    return encode_by_table<Iq4XsBlock, 256, encode_iq4_xs>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
