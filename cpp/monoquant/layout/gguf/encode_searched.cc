// Q4_0, Q4_1, Q5_0 and Q5_1. Without an importance their steps follow from the extremes; with one they are searched for.
#include <algorithm>
#include <cmath>
#include <limits>

#include "monoquant/layout/gguf/block_encoders.h"
#include "monoquant/layout/gguf/block_layouts.h"
#include "monoquant/layout/gguf/fits.h"

namespace monoquant::layout::gguf {
namespace {

constexpr size_t kInBlock = 32;

/// All four have the same members, in the order d, m, qh, qs; see block_layouts.h.
struct Small {
  bool is_affine;      // has m, and codes from 0 to limit; else from -limit to limit - 1
  bool has_fifth_bits; // has qh
  int32_t limit;
};

constexpr Small kQ40Format{false, false, 8};
constexpr Small kQ41Format{true, false, 15};
constexpr Small kQ50Format{false, true, 16};
constexpr Small kQ51Format{true, true, 31};

/// What is stored of a block.
struct Coded {
  float d;
  float m;
  uint8_t codes[kInBlock]; // from 0 on
};

uint8_t *put_block(const Small &format, const Coded &coded, uint8_t *to) {
  store_le(to, f32_to_f16(coded.d));
  to += 2;
  if (format.is_affine) {
    store_le(to, f32_to_f16(coded.m));
    to += 2;
  }
  if (format.has_fifth_bits) {
    uint32_t high = 0;
    for (uint32_t j = 0; j < kInBlock; ++j) {
      high |= (coded.codes[j] >> 4 & 1U) << j;
    }
    store_le(to, high);
    to += 4;
  }
  for (size_t j = 0; j < 16; ++j) {
    to[j] = static_cast<uint8_t>((coded.codes[j] & 15) | coded.codes[j + 16] << 4);
  }
  return to + 16;
}

// ---- Without an importance -----------------------------------------------------------------------------------------

/// ggml keeps the lowest byte, and cuts it off above the highest code.
uint8_t code_of(float number, int32_t highest) {
  const auto byte = static_cast<int8_t>(truncated(number));
  return static_cast<uint8_t>(byte > highest ? highest : byte);
}

void code_signed(const float *__restrict values, int32_t limit, Coded &coded) {
  coded.d = extreme_of({values, kInBlock}) / static_cast<float>(-limit);
  const float factor = coded.d != 0 ? 1 / coded.d : 0; // of the step before it is rounded
  const float shift = static_cast<float>(limit) + 0.5F;
  for (size_t i = 0; i < kInBlock; ++i) {
    coded.codes[i] = code_of(values[i] * factor + shift, 2 * limit - 1);
  }
}

void code_affine(const float *__restrict values, int32_t limit, Coded &coded) {
  float minimum = std::numeric_limits<float>::max();
  float maximum = std::numeric_limits<float>::lowest();
  for (size_t i = 0; i < kInBlock; ++i) {
    minimum = values[i] < minimum ? values[i] : minimum;
    maximum = values[i] > maximum ? values[i] : maximum;
  }
  coded.d = (maximum - minimum) / static_cast<float>(limit);
  coded.m = minimum;
  const float factor = coded.d != 0 ? 1 / coded.d : 0;
  for (size_t i = 0; i < kInBlock; ++i) {
    coded.codes[i] = code_of((values[i] - minimum) * factor + 0.5F, limit);
  }
}

// ---- With one ------------------------------------------------------------------------------------------------------

void search_signed(std::span<const float> values, const float *weights, int32_t limit,
                   Coded &coded) {
  int8_t codes[kInBlock];
  coded.d = fit_signed(values, weights, limit, codes);
  for (size_t i = 0; i < kInBlock; ++i) {
    coded.codes[i] = static_cast<uint8_t>(codes[i] + limit);
  }
}

void search_affine(std::span<const float> values, const float *weights, int32_t limit,
                   Coded &coded) {
  const AffineFit fit = fit_affine(values, weights, {limit, -0.9F, 0.05F, 36, false}, coded.codes);
  coded.d = fit.scale;
  coded.m = -fit.minimum;
}

void search_row(const Small &format, std::span<const float> row, std::span<const float> importance,
                uint8_t *to) {
  const float mean_square = sum_of_squares(row) / static_cast<float>(row.size());
  for (size_t at = 0; at < row.size(); at += kInBlock) {
    const std::span<const float> values = row.subspan(at, kInBlock);
    float weights[kInBlock];
    weigh_values(values, importance.data() + at, mean_square, weights);
    Coded coded{};
    (format.is_affine ? search_affine : search_signed)(values, weights, format.limit, coded);
    to = put_block(format, coded, to);
  }
}

void code_row(const Small &format, std::span<const float> row, uint8_t *to) {
  for (size_t at = 0; at < row.size(); at += kInBlock) {
    Coded coded{};
    (format.is_affine ? code_affine : code_signed)(row.data() + at, format.limit, coded);
    to = put_block(format, coded, to);
  }
}

template <const Small &kFormat>
void encode_small(std::span<const float> row, std::span<const float> importance, uint8_t *to) {
  if (importance.empty()) {
    code_row(kFormat, row, to);
  } else {
    search_row(kFormat, row, importance, to);
  }
}

} // namespace

RowEncoder searched_encoder(BlockType type) {
  switch (type) {
  case BlockType::kQ40:
    return encode_small<kQ40Format>;
  case BlockType::kQ41:
    return encode_small<kQ41Format>;
  case BlockType::kQ50:
    return encode_small<kQ50Format>;
  case BlockType::kQ51:
    return encode_small<kQ51Format>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
