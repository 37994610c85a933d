// Q2_K, Q4_K and Q5_K: 256 values in parts, each with a scale and a minimum, which are coded themselves.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/block_encoders.h"
#include "monoquant/layout/gguf/block_layouts.h"
#include "monoquant/layout/gguf/fits.h"
#include "monoquant/layout/gguf/large_blocks.h"

namespace monoquant::layout::gguf {
namespace {

constexpr size_t kMostParts = 16;
constexpr size_t kMostInPart = 32;

struct PartFormat {
  size_t in_part;        // values
  int32_t scale_limit;   // of the codes of scales and minimums
  AffineTries plain;     // what is tried without an importance,
  AffineTries important; // and with one
  bool
      is_weighed_by_magnitude; // without an importance: by magnitude alone, else above the root mean square
  float mean_square_factor; // of that of a block, with an importance
};

struct Parts {
  float scales[kMostParts];
  float minimums[kMostParts];
  float weights[kMostParts]; // sums of those of their values
  uint8_t scale_codes[kMostParts];
  uint8_t minimum_codes[kMostParts];
  uint16_t d;    // F16
  uint16_t dmin; // F16
  uint8_t codes[kLargeBlock];
};

void fit_plain_parts(std::span<const float> values, const PartFormat &format, Parts &parts) {
  for (size_t at = 0, part = 0; at < kLargeBlock; at += format.in_part, ++part) {
    const std::span<const float> of = values.subspan(at, format.in_part);
    const float base = format.is_weighed_by_magnitude
                           ? 0
                           : std::sqrt(sum_of_squares(of) / static_cast<float>(format.in_part));
    float weights[kMostInPart];
    for (size_t i = 0; i < of.size(); ++i) {
      weights[i] = base + std::fabs(of[i]);
    }
    const AffineFit fit = fit_affine(of, weights, format.plain, parts.codes + at);
    parts.scales[part] = fit.scale;
    parts.minimums[part] = fit.minimum;
  }
}

void fit_important_parts(std::span<const float> values, const float *importance,
                         const PartFormat &format, Parts &parts) {
  const float mean_square =
      format.mean_square_factor * sum_of_squares(values) / static_cast<float>(kLargeBlock);
  for (size_t at = 0, part = 0; at < kLargeBlock; at += format.in_part, ++part) {
    const std::span<const float> of = values.subspan(at, format.in_part);
    float weights[kMostInPart];
    weigh_values(of, importance + at, mean_square, weights);
    parts.weights[part] = sum_of(weights, format.in_part);
    const AffineFit fit = fit_affine(of, weights, format.important, parts.codes + at);
    parts.scales[part] = fit.scale;
    parts.minimums[part] = fit.minimum;
  }
}

/// Codes from 0 to `limit` of numbers that are not negative, in steps of the largest. Returns the step as F16.
uint16_t code_by_largest(const float *numbers, size_t count, int32_t limit, uint8_t *codes) {
  const float most = std::max(0.0F, *std::max_element(numbers, numbers + count));
  const auto steps = static_cast<float>(limit);
  const float factor = most > 0 ? steps / most : 0;
  for (size_t i = 0; i < count; ++i) {
    const auto code = static_cast<uint8_t>(nearest(factor * numbers[i]));
    codes[i] = std::min(code, static_cast<uint8_t>(limit));
  }
  return f32_to_f16(most / steps);
}

/// Codes that are nearest with the scales as they are stored. Where a scale is 0, those of the fit stay.
void code_again(std::span<const float> values, const PartFormat &format, Parts &parts) {
  const float d = f16_to_f32(parts.d);
  const float dmin = f16_to_f32(parts.dmin);
  for (size_t at = 0, part = 0; at < kLargeBlock; at += format.in_part, ++part) {
    const float step = d * static_cast<float>(parts.scale_codes[part]);
    if (step == 0) {
      continue;
    }
    const float minimum = dmin * static_cast<float>(parts.minimum_codes[part]);
    for (size_t i = at; i < at + format.in_part; ++i) {
      const int32_t code = nearest((values[i] + minimum) / step);
      parts.codes[i] = static_cast<uint8_t>(clamped(code, 0, format.plain.limit));
    }
  }
}

/// A scale that rounding has made a little negative has a code like 255. Six bits cannot hold it and become the largest;
/// four bits spill into the minimum's. Both are what ggml does.
void limit_codes(size_t count, int32_t limit, Parts &parts) {
  for (size_t part = 0; part < count; ++part) {
    uint8_t &scale = parts.scale_codes[part];
    uint8_t &minimum = parts.minimum_codes[part];
    if (limit == 15) {
      minimum = static_cast<uint8_t>((scale >> 4 | minimum) & 15);
      scale &= 15U;
    } else {
      scale = std::min(scale, static_cast<uint8_t>(limit));
      minimum = std::min(minimum, static_cast<uint8_t>(limit));
    }
  }
}

/// All that is stored of a block.
void fit_parts(std::span<const float> values, const float *importance, const PartFormat &format,
               Parts &parts) {
  const size_t count = kLargeBlock / format.in_part;
  if (importance == nullptr) {
    fit_plain_parts(values, format, parts);
    parts.d = code_by_largest(parts.scales, count, format.scale_limit, parts.scale_codes);
    parts.dmin = code_by_largest(parts.minimums, count, format.scale_limit, parts.minimum_codes);
  } else {
    fit_important_parts(values, importance, format, parts);
    parts.d = f32_to_f16(
        fit_positive({parts.scales, count}, parts.weights, format.scale_limit, parts.scale_codes));
    parts.dmin = f32_to_f16(fit_positive({parts.minimums, count}, parts.weights, format.scale_limit,
                                         parts.minimum_codes));
    limit_codes(count, format.scale_limit, parts);
  }
  code_again(values, format, parts);
}

constexpr PartFormat kQ2Format{16,   15, {3, -0.5F, 0.1F, 15, true}, {3, -0.9F, 0.05F, 36, false},
                               true, 1};
constexpr PartFormat kQ4Format{
    32, 63, {15, -1.0F, 0.1F, 20, false}, {15, -0.9F, 0.05F, 36, false}, false, 2};
constexpr PartFormat kQ5Format{
    32, 63, {31, -0.5F, 0.1F, 15, false}, {31, -0.9F, 0.05F, 36, false}, false, 2};

void encode_q2_k(std::span<const float> values, const float *importance, Q2KBlock &block) {
  Parts parts{};
  fit_parts(values, importance, kQ2Format, parts);
  for (size_t part = 0; part < 16; ++part) {
    block.scales[part] =
        static_cast<uint8_t>(parts.scale_codes[part] | parts.minimum_codes[part] << 4);
  }
  put_two_bits(parts.codes, block.qs);
  store_le(block.d, parts.d);
  store_le(block.dmin, parts.dmin);
}

void encode_q4_k(std::span<const float> values, const float *importance, Q4KBlock &block) {
  Parts parts{};
  fit_parts(values, importance, kQ4Format, parts);
  store_le(block.d, parts.d);
  store_le(block.dmin, parts.dmin);
  put_six_bit_scales(parts.scale_codes, parts.minimum_codes, block.scales);
  put_four_bits_of_64(parts.codes, block.qs);
}

void encode_q5_k(std::span<const float> values, const float *importance, Q5KBlock &block) {
  Parts parts{};
  fit_parts(values, importance, kQ5Format, parts);
  store_le(block.d, parts.d);
  store_le(block.dmin, parts.dmin);
  put_six_bit_scales(parts.scale_codes, parts.minimum_codes, block.scales);
  put_one_bit(parts.codes, 4, block.qh);
  put_four_bits_of_64(parts.codes, block.qs);
}

} // namespace

RowEncoder affine_encoder(BlockType type) {
  switch (type) {
  case BlockType::kQ2K:
    return encode_large<Q2KBlock, encode_q2_k>;
  case BlockType::kQ4K:
    return encode_large<Q4KBlock, encode_q4_k>;
  case BlockType::kQ5K:
    return encode_large<Q5KBlock, encode_q5_k>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
