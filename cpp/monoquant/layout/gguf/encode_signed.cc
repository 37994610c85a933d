// Q3_K and Q6_K: 256 values in 16 parts, each with a scale, which is coded itself.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/block_encoders.h"
#include "monoquant/layout/gguf/block_layouts.h"
#include "monoquant/layout/gguf/fits.h"
#include "monoquant/layout/gguf/large_blocks.h"

namespace monoquant::layout::gguf {
namespace {

constexpr size_t kInSignedPart = 16;
constexpr size_t kSignedParts = kLargeBlock / kInSignedPart;

struct SignedParts {
  float scales[kSignedParts];
  int8_t scale_codes[kSignedParts];
  uint16_t d;                 // F16
  uint8_t codes[kLargeBlock]; // from 0 on
};

/// Codes that are nearest with the scales as they are stored, as above.
void code_signed_again(std::span<const float> values, int32_t limit, SignedParts &parts) {
  const float d = f16_to_f32(parts.d);
  for (size_t part = 0; part < kSignedParts; ++part) {
    const float step = d * static_cast<float>(parts.scale_codes[part]);
    if (step == 0) {
      continue;
    }
    for (size_t i = part * kInSignedPart; i < (part + 1) * kInSignedPart; ++i) {
      parts.codes[i] =
          static_cast<uint8_t>(clamped(nearest(values[i] / step), -limit, limit - 1) + limit);
    }
  }
}

void take_signed(const int8_t *codes, int32_t limit, uint8_t *to) {
  for (size_t i = 0; i < kInSignedPart; ++i) {
    to[i] = static_cast<uint8_t>(codes[i] + limit);
  }
}

constexpr int32_t kQ3Limit = 4;
constexpr int32_t kQ3ScaleLimit = 32;
constexpr int32_t kQ6Limit = 32;

void fit_q3(std::span<const float> values, SignedParts &parts) {
  for (size_t part = 0; part < kSignedParts; ++part) {
    const size_t at = part * kInSignedPart;
    int8_t codes[kInSignedPart];
    parts.scales[part] = fit_signed_by_descent(values.subspan(at, kInSignedPart), kQ3Limit, codes);
    take_signed(codes, kQ3Limit, parts.codes + at);
  }
  const float extreme = extreme_of(parts.scales);
  const float factor = extreme != 0 ? static_cast<float>(-kQ3ScaleLimit) / extreme : 0;
  for (size_t part = 0; part < kSignedParts; ++part) {
    // Without any scale they are all 0 in the file, which is -32.
    parts.scale_codes[part] =
        static_cast<int8_t>(extreme != 0 ? clamped(nearest(factor * parts.scales[part]),
                                                   -kQ3ScaleLimit, kQ3ScaleLimit - 1)
                                         : -kQ3ScaleLimit);
  }
  parts.d = f32_to_f16(extreme != 0 ? 1 / factor : 0);
}

void fit_important_q3(std::span<const float> values, const float *importance, SignedParts &parts) {
  const float mean_square = 2 * sum_of_squares(values) / static_cast<float>(kLargeBlock);
  float sums[kSignedParts];
  for (size_t part = 0; part < kSignedParts; ++part) {
    const size_t at = part * kInSignedPart;
    const std::span<const float> of = values.subspan(at, kInSignedPart);
    float weights[kInSignedPart];
    int8_t codes[kInSignedPart];
    weigh_values(of, importance + at, mean_square, weights);
    sums[part] = sum_of(weights, kInSignedPart);
    parts.scales[part] = fit_signed(of, weights, kQ3Limit, codes);
    take_signed(codes, kQ3Limit, parts.codes + at);
  }
  parts.d = f32_to_f16(fit_signed(parts.scales, sums, kQ3ScaleLimit, parts.scale_codes));
}

void encode_q3_k(std::span<const float> values, const float *importance, Q3KBlock &block) {
  SignedParts parts{};
  if (importance == nullptr) {
    fit_q3(values, parts);
  } else {
    fit_important_q3(values, importance, parts);
  }
  code_signed_again(values, kQ3Limit, parts);
  put_one_bit(parts.codes, 2, block.hmask);
  put_two_bits(parts.codes, block.qs);
  put_q3_scales(parts.scale_codes, block.scales);
  store_le(block.d, parts.d);
}

void encode_q6_k(std::span<const float> values, const float *importance, Q6KBlock &block) {
  SignedParts parts{};
  for (size_t part = 0; part < kSignedParts; ++part) {
    const size_t at = part * kInSignedPart;
    int8_t codes[kInSignedPart];
    parts.scales[part] =
        fit_signed(values.subspan(at, kInSignedPart),
                   importance != nullptr ? importance + at : nullptr, kQ6Limit, codes);
    take_signed(codes, kQ6Limit, parts.codes + at);
  }
  const float extreme = extreme_of(parts.scales);
  if (std::fabs(extreme) < kSmallestMagnitude) {
    block = {};
    return;
  }
  const float factor = -128 / extreme;
  parts.d = f32_to_f16(1 / factor);
  for (size_t part = 0; part < kSignedParts; ++part) {
    parts.scale_codes[part] =
        static_cast<int8_t>(std::min(127, nearest(factor * parts.scales[part])));
    block.scales[part] = static_cast<uint8_t>(parts.scale_codes[part]);
  }
  code_signed_again(values, kQ6Limit, parts);
  put_six_bits(parts.codes, block);
  store_le(block.d, parts.d);
}

} // namespace

RowEncoder signed_encoder(BlockType type) {
  switch (type) {
  case BlockType::kQ3K:
    return encode_large<Q3KBlock, encode_q3_k>;
  case BlockType::kQ6K:
    return encode_large<Q6KBlock, encode_q6_k>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
