// Q2_K to Q6_K: 256 values in parts, whose scales and minimums are fitted and then coded themselves.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/block_encoders.h"
#include "monoquant/layout/gguf/block_layouts.h"
#include "monoquant/layout/gguf/fits.h"

namespace monoquant::layout::gguf {
namespace {

constexpr size_t kValues = 256; // of a block
constexpr size_t kMostParts = 16;
constexpr size_t kMostInPart = 32;

// ---- Codes in a block ----------------------------------------------------------------------------------------------

/// 128 values share 32 bytes: see block_layouts.h.
void put_two_bits(const uint8_t *__restrict codes, uint8_t *__restrict qs) {
  for (size_t i = 0; i < 64; ++i) {
    const uint8_t *from = codes + i / 32 * 128 + i % 32;
    qs[i] = static_cast<uint8_t>((from[0] & 3) | (from[32] & 3) << 2 | (from[64] & 3) << 4 |
                                 (from[96] & 3) << 6);
  }
}

void put_four_bits_of_64(const uint8_t *__restrict codes, uint8_t *__restrict qs) {
  for (size_t i = 0; i < 128; ++i) {
    const uint8_t *from = codes + i / 32 * 64 + i % 32;
    qs[i] = static_cast<uint8_t>((from[0] & 15) | (from[32] & 15) << 4);
  }
}

/// One bit of each code: value i has that of byte i % 32 at i / 32.
void put_one_bit(const uint8_t *__restrict codes, uint32_t bit, uint8_t *__restrict to) {
  for (size_t i = 0; i < 32; ++i) {
    uint32_t byte = 0;
    for (size_t part = 0; part < 8; ++part) {
      byte |= (codes[32 * part + i] >> bit & 1U) << part;
    }
    to[i] = static_cast<uint8_t>(byte);
  }
}

void put_six_bits(const uint8_t *__restrict codes, Q6KBlock &block) {
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t *from = codes + 128 * half;
    uint8_t *low = block.ql + 64 * half;
    for (size_t i = 0; i < 64; ++i) {
      low[i] = static_cast<uint8_t>((from[i] & 15) | (from[i + 64] & 15) << 4);
    }
    uint8_t *high = block.qh + 32 * half;
    for (size_t i = 0; i < 32; ++i) {
      high[i] = static_cast<uint8_t>(from[i] >> 4 | from[i + 32] >> 4 << 2 |
                                     from[i + 64] >> 4 << 4 | from[i + 96] >> 4 << 6);
    }
  }
}

// ---- Weights -------------------------------------------------------------------------------------------------------

/// By importance, and more for values that are large.
void weigh_values(std::span<const float> values, const float *importance, float mean_square,
                  float *weights) {
  for (size_t i = 0; i < values.size(); ++i) {
    weights[i] = importance[i] * std::sqrt(mean_square + values[i] * values[i]);
  }
}

float sum_of(const float *numbers, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += numbers[i];
  }
  return sum;
}

// ---- Parts with a scale and a minimum: Q2_K, Q4_K, Q5_K ------------------------------------------------------------

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
  uint8_t codes[kValues];
};

void fit_plain_parts(std::span<const float> values, const PartFormat &format, Parts &parts) {
  for (size_t at = 0, part = 0; at < kValues; at += format.in_part, ++part) {
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
      format.mean_square_factor * sum_of_squares(values) / static_cast<float>(kValues);
  for (size_t at = 0, part = 0; at < kValues; at += format.in_part, ++part) {
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
  for (size_t at = 0, part = 0; at < kValues; at += format.in_part, ++part) {
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
  const size_t count = kValues / format.in_part;
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

/// As load_six_bits() takes them.
void put_six_bit_scales(const Parts &parts, uint8_t scales[12]) {
  for (size_t i = 0; i < 4; ++i) {
    const uint32_t scale = parts.scale_codes[i + 4];
    const uint32_t minimum = parts.minimum_codes[i + 4];
    scales[i] = static_cast<uint8_t>(parts.scale_codes[i] | scale >> 4U << 6U);
    scales[i + 4] = static_cast<uint8_t>(parts.minimum_codes[i] | minimum >> 4U << 6U);
    scales[i + 8] = static_cast<uint8_t>((scale & 15U) | minimum << 4U);
  }
}

void encode_block(std::span<const float> values, const float *importance, Q2KBlock &block) {
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

void encode_block(std::span<const float> values, const float *importance, Q4KBlock &block) {
  Parts parts{};
  fit_parts(values, importance, kQ4Format, parts);
  store_le(block.d, parts.d);
  store_le(block.dmin, parts.dmin);
  put_six_bit_scales(parts, block.scales);
  put_four_bits_of_64(parts.codes, block.qs);
}

void encode_block(std::span<const float> values, const float *importance, Q5KBlock &block) {
  Parts parts{};
  fit_parts(values, importance, kQ5Format, parts);
  store_le(block.d, parts.d);
  store_le(block.dmin, parts.dmin);
  put_six_bit_scales(parts, block.scales);
  put_one_bit(parts.codes, 4, block.qh);
  put_four_bits_of_64(parts.codes, block.qs);
}

// ---- Parts with a scale: Q3_K, Q6_K --------------------------------------------------------------------------------

constexpr size_t kInSignedPart = 16;
constexpr size_t kSignedParts = kValues / kInSignedPart;

struct SignedParts {
  float scales[kSignedParts];
  int8_t scale_codes[kSignedParts];
  uint16_t d;             // F16
  uint8_t codes[kValues]; // from 0 on
};

/// Codes that are nearest with the scales as they are stored, as above.
void code_again(std::span<const float> values, int32_t limit, SignedParts &parts) {
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

/// As load_q3_scale() takes them.
void put_q3_scales(const int8_t codes[kSignedParts], uint8_t scales[12]) {
  std::fill_n(scales, 12, uint8_t{0});
  for (size_t part = 0; part < kSignedParts; ++part) {
    const auto code = static_cast<uint32_t>(codes[part] + 32);
    scales[part % 8] |= static_cast<uint8_t>((code & 15U) << (part / 8 * 4));
    scales[8 + part % 4] |= static_cast<uint8_t>(code >> 4U << (part / 4 * 2));
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
  const float mean_square = 2 * sum_of_squares(values) / static_cast<float>(kValues);
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

void encode_block(std::span<const float> values, const float *importance, Q3KBlock &block) {
  SignedParts parts{};
  if (importance == nullptr) {
    fit_q3(values, parts);
  } else {
    fit_important_q3(values, importance, parts);
  }
  code_again(values, kQ3Limit, parts);
  put_one_bit(parts.codes, 2, block.hmask);
  put_two_bits(parts.codes, block.qs);
  put_q3_scales(parts.scale_codes, block.scales);
  store_le(block.d, parts.d);
}

void encode_block(std::span<const float> values, const float *importance, Q6KBlock &block) {
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
  code_again(values, kQ6Limit, parts);
  put_six_bits(parts.codes, block);
  store_le(block.d, parts.d);
}

template <typename Block>
void encode_large(std::span<const float> row, std::span<const float> importance, uint8_t *to) {
  static_assert(alignof(Block) == 1);
  for (size_t at = 0; at < row.size(); at += kValues, to += sizeof(Block)) {
    encode_block(row.subspan(at, kValues), importance.empty() ? nullptr : importance.data() + at,
                 *reinterpret_cast<Block *>(to));
  }
}

} // namespace

RowEncoder large_encoder(BlockType type) {
  switch (type) {
  case BlockType::kQ2K:
    return encode_large<Q2KBlock>;
  case BlockType::kQ3K:
    return encode_large<Q3KBlock>;
  case BlockType::kQ4K:
    return encode_large<Q4KBlock>;
  case BlockType::kQ5K:
    return encode_large<Q5KBlock>;
  case BlockType::kQ6K:
    return encode_large<Q6KBlock>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
