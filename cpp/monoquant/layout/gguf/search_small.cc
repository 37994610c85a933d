// Searches for blocks of 32 values: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL.
#include "monoquant/layout/gguf/search.h"
#include "monoquant/layout/gguf/search_fits.h"

namespace monoquant::layout::gguf {

namespace {

constexpr size_t kInSmall = 32;

/// As drawn in block_layouts.h: halves, and fifth bits where there are some. Returns the end.
uint8_t *put_small_codes(const uint8_t codes[kInSmall], bool has_fifth_bits, uint8_t *to) {
  if (has_fifth_bits) {
    uint32_t high = 0;
    for (uint32_t j = 0; j < kInSmall; ++j) {
      high |= (codes[j] >> 4 & 1U) << j;
    }
    store_le(to, high);
    to += 4;
  }
  for (size_t j = 0; j < 16; ++j) {
    to[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
  }
  return to + 16;
}

template <int kLimit>
bool search_signed_block(const float *values, const float *weights, uint8_t *to) {
  const WholeLevels levels{-kLimit, kLimit - 1};
  const StepFit fit = search_step<true>({values, weights, kInSmall}, levels);
  const float factor = factor_of(fit.step);
  store_le(to, f32_to_f16(fit.step));
  uint8_t codes[kInSmall];
  for (size_t i = 0; i < kInSmall; ++i) {
    codes[i] = static_cast<uint8_t>(levels.next_to(values[i] * factor) + kLimit);
  }
  put_small_codes(codes, kLimit > 8, to + 2);
  return true;
}

template <int kLimit>
bool search_line_block(const float *values, const float *weights, uint8_t *to) {
  const WholeLevels levels{0, kLimit};
  const LineFit fit = search_line({values, weights, kInSmall}, {kLimit, true, false});
  const float factor = factor_of(fit.step);
  store_le(to, f32_to_f16(fit.step));
  store_le(to + 2, f32_to_f16(fit.minimum));
  uint8_t codes[kInSmall];
  for (size_t i = 0; i < kInSmall; ++i) {
    codes[i] = static_cast<uint8_t>(levels.next_to((values[i] - fit.minimum) * factor));
  }
  put_small_codes(codes, kLimit > 15, to + 4);
  return true;
}

bool search_q8_0(const float *values, const float *weights, uint8_t *to) {
  const WholeLevels levels{-127, 127};
  const StepFit fit = search_step<true>({values, weights, kInSmall}, levels);
  const float factor = factor_of(fit.step);
  store_le(to, f32_to_f16(fit.step));
  for (size_t i = 0; i < kInSmall; ++i) {
    to[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(levels.next_to(values[i] * factor)));
  }
  return true;
}

bool search_iq4_nl(const float *values, const float *weights, uint8_t *to) {
  const TableLevels levels;
  const StepFit fit = search_step<true>({values, weights, kInSmall}, levels);
  const float factor = factor_of(fit.step);
  store_le(to, f32_to_f16(fit.step));
  uint8_t codes[kInSmall];
  for (size_t i = 0; i < kInSmall; ++i) {
    codes[i] = code_of_level(levels.next_to(values[i] * factor));
  }
  put_small_codes(codes, false, to + 2);
  return true;
}

} // namespace

BlockSearch small_search(BlockType type) {
  switch (type) {
  case BlockType::kQ40:
    return search_signed_block<8>;
  case BlockType::kQ41:
    return search_line_block<15>;
  case BlockType::kQ50:
    return search_signed_block<16>;
  case BlockType::kQ51:
    return search_line_block<31>;
  case BlockType::kQ80:
    return search_q8_0;
  case BlockType::kIq4Nl:
    return search_iq4_nl;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
