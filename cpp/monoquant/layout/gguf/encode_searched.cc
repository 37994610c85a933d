// Q4_0, Q4_1, Q5_0 and Q5_1. Without an importance their steps follow from the extremes; with one they are searched for.
#include <algorithm>
#include <cmath>
#include <limits>

#include "monoquant/layout/gguf/block_encoders.h"
#include "monoquant/layout/gguf/block_layouts.h"
#include "monoquant/layout/gguf/fits.h"

namespace monoquant::layout::gguf {
namespace {

// ---- Codes of 32 values in a block ---------------------------------------------------------------------------------

void put_four_bits(const uint8_t *__restrict codes, uint8_t *__restrict qs) {
  for (size_t j = 0; j < 16; ++j) {
    qs[j] = static_cast<uint8_t>((codes[j] & 15) | codes[j + 16] << 4);
  }
}

void put_five_bits(const uint8_t *__restrict codes, uint8_t qh[4], uint8_t *__restrict qs) {
  uint32_t high = 0;
  for (uint32_t j = 0; j < 32; ++j) {
    high |= (codes[j] >> 4 & 1U) << j;
  }
  store_le(qh, high);
  put_four_bits(codes, qs);
}

void put_codes(const uint8_t *__restrict codes, Q40Block &block) { put_four_bits(codes, block.qs); }
void put_codes(const uint8_t *__restrict codes, Q41Block &block) { put_four_bits(codes, block.qs); }
void put_codes(const uint8_t *__restrict codes, Q50Block &block) {
  put_five_bits(codes, block.qh, block.qs);
}
void put_codes(const uint8_t *__restrict codes, Q51Block &block) {
  put_five_bits(codes, block.qh, block.qs);
}

/// The lowest byte of what is left of a number's fraction; then, as ggml has it, not above the limit.
uint8_t code_of(float number, int32_t limit) {
  const auto byte = static_cast<uint8_t>(truncated(number));
  return static_cast<int8_t>(byte) > limit ? static_cast<uint8_t>(limit) : byte;
}

// ---- Without an importance -----------------------------------------------------------------------------------------

template <typename Block, int32_t kLimit>
void encode_signed(const float *__restrict values, Block &block) {
  const float d = extreme_of({values, 32}) / static_cast<float>(-kLimit);
  const float factor = d != 0 ? 1 / d : 0; // of the step before it is rounded
  store_le(block.d, f32_to_f16(d));
  uint8_t codes[32];
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = code_of(values[i] * factor + (static_cast<float>(kLimit) + 0.5F), 2 * kLimit - 1);
  }
  put_codes(codes, block);
}

template <typename Block, int32_t kLimit>
void encode_affine(const float *__restrict values, Block &block) {
  float minimum = std::numeric_limits<float>::max();
  float maximum = std::numeric_limits<float>::lowest();
  for (size_t i = 0; i < 32; ++i) {
    minimum = values[i] < minimum ? values[i] : minimum;
    maximum = values[i] > maximum ? values[i] : maximum;
  }
  const float d = (maximum - minimum) / static_cast<float>(kLimit);
  const float factor = d != 0 ? 1 / d : 0;
  store_le(block.d, f32_to_f16(d));
  store_le(block.m, f32_to_f16(minimum));
  uint8_t codes[32];
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = code_of((values[i] - minimum) * factor + 0.5F, kLimit);
  }
  put_codes(codes, block);
}

// ---- With one ------------------------------------------------------------------------------------------------------

/// How much errors of 32 values count.
void weigh(const float *values, const float *importance, float mean_square, float weights[32]) {
  for (size_t i = 0; i < 32; ++i) {
    weights[i] = importance[i] * std::sqrt(mean_square + values[i] * values[i]);
  }
}

float mean_square_of(std::span<const float> row) {
  return sum_of_squares(row) / static_cast<float>(row.size());
}

template <typename Block, int32_t kLimit>
void search_signed(std::span<const float> row, std::span<const float> importance, uint8_t *to) {
  const float mean_square = mean_square_of(row);
  for (size_t at = 0; at < row.size(); at += 32, to += sizeof(Block)) {
    auto &block = *reinterpret_cast<Block *>(to);
    float weights[32];
    int8_t signed_codes[32];
    weigh(row.data() + at, importance.data() + at, mean_square, weights);
    store_le(block.d, f32_to_f16(fit_signed(row.subspan(at, 32), weights, kLimit, signed_codes)));
    uint8_t codes[32];
    for (size_t i = 0; i < 32; ++i) {
      codes[i] = static_cast<uint8_t>(signed_codes[i] + kLimit);
    }
    put_codes(codes, block);
  }
}

template <typename Block, int32_t kLimit>
void search_affine_row(std::span<const float> row, std::span<const float> importance, uint8_t *to) {
  constexpr AffineTries kTries{kLimit, -0.9F, 0.05F, 36, false};
  const float mean_square = mean_square_of(row);
  for (size_t at = 0; at < row.size(); at += 32, to += sizeof(Block)) {
    auto &block = *reinterpret_cast<Block *>(to);
    float weights[32];
    uint8_t codes[32];
    weigh(row.data() + at, importance.data() + at, mean_square, weights);
    const AffineFit fit = fit_affine(row.subspan(at, 32), weights, kTries, codes);
    store_le(block.d, f32_to_f16(fit.scale));
    store_le(block.m, f32_to_f16(-fit.minimum));
    put_codes(codes, block);
  }
}

/// One or the other.
template <RowEncoder kPlain, RowEncoder kSearched>
void encode_either(std::span<const float> row, std::span<const float> importance, uint8_t *to) {
  (importance.empty() ? kPlain : kSearched)(row, importance, to);
}

} // namespace

RowEncoder searched_encoder(BlockType type) {
  switch (type) {
  case BlockType::kQ40:
    return encode_either<encode_each<Q40Block, 32, encode_signed<Q40Block, 8>>,
                         search_signed<Q40Block, 8>>;
  case BlockType::kQ41:
    return encode_either<encode_each<Q41Block, 32, encode_affine<Q41Block, 15>>,
                         search_affine_row<Q41Block, 15>>;
  case BlockType::kQ50:
    return encode_either<encode_each<Q50Block, 32, encode_signed<Q50Block, 16>>,
                         search_signed<Q50Block, 16>>;
  case BlockType::kQ51:
    return encode_either<encode_each<Q51Block, 32, encode_affine<Q51Block, 31>>,
                         search_affine_row<Q51Block, 31>>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
