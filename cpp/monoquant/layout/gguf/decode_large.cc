// Blocks of 256 values whose scales are themselves coded, and ternary ones.
#include "monoquant/layout/gguf/block_decoders.h"
#include "monoquant/layout/gguf/block_layouts.h"

namespace monoquant::layout::gguf {
namespace {

void decode_q2_k(const Q2KBlock &block, float *__restrict to) {
  const float d = load_f16(block.d);
  const float dmin = load_f16(block.dmin);
  for (size_t part = 0; part < 16; ++part) {
    const float step = d * static_cast<float>(block.scales[part] & 15);
    const float minimum = dmin * static_cast<float>(block.scales[part] >> 4);
    const uint8_t *qs = block.qs + part / 8 * 32 + part % 2 * 16;
    const size_t shift = part % 8 / 2 * 2;
    for (size_t i = 0; i < 16; ++i) {
      to[16 * part + i] = step * static_cast<float>(qs[i] >> shift & 3) - minimum;
    }
  }
}

void decode_q3_k(const Q3KBlock &block, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t part = 0; part < 16; ++part) {
    const float step = d * static_cast<float>(load_q3_scale(block.scales, part));
    const uint8_t *qs = block.qs + part / 8 * 32 + part % 2 * 16;
    const uint8_t *high = block.hmask + part % 2 * 16;
    const size_t shift = part % 8 / 2 * 2;
    for (size_t i = 0; i < 16; ++i) {
      const int32_t code = (qs[i] >> shift & 3) + (high[i] >> (part / 2) & 1) * 4 - 4;
      to[16 * part + i] = step * static_cast<float>(code);
    }
  }
}

void decode_q4_k(const Q4KBlock &block, float *__restrict to) {
  const float d = load_f16(block.d);
  const float dmin = load_f16(block.dmin);
  for (size_t part = 0; part < 8; ++part) {
    const SixBits small = load_six_bits(block.scales, part);
    const float step = d * static_cast<float>(small.scale);
    const float minimum = dmin * static_cast<float>(small.minimum);
    const uint8_t *qs = block.qs + part / 2 * 32;
    const size_t shift = part % 2 * 4;
    for (size_t i = 0; i < 32; ++i) {
      to[32 * part + i] = step * static_cast<float>(qs[i] >> shift & 15) - minimum;
    }
  }
}

void decode_q5_k(const Q5KBlock &block, float *__restrict to) {
  const float d = load_f16(block.d);
  const float dmin = load_f16(block.dmin);
  for (size_t part = 0; part < 8; ++part) {
    const SixBits small = load_six_bits(block.scales, part);
    const float step = d * static_cast<float>(small.scale);
    const float minimum = dmin * static_cast<float>(small.minimum);
    const uint8_t *qs = block.qs + part / 2 * 32;
    const size_t shift = part % 2 * 4;
    for (size_t i = 0; i < 32; ++i) {
      const int32_t code = (qs[i] >> shift & 15) + (block.qh[i] >> part & 1) * 16;
      to[32 * part + i] = step * static_cast<float>(code) - minimum;
    }
  }
}

void decode_q6_k(const Q6KBlock &block, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t part = 0; part < 16; ++part) {
    const float step = d * static_cast<float>(static_cast<int8_t>(block.scales[part]));
    const size_t quarter = part % 8 / 2; // of a half of 128 values
    const uint8_t *low = block.ql + part / 8 * 64 + quarter % 2 * 32 + part % 2 * 16;
    const uint8_t *high = block.qh + part / 8 * 32 + part % 2 * 16;
    const size_t low_shift = quarter / 2 * 4;
    const size_t high_shift = quarter * 2;
    for (size_t i = 0; i < 16; ++i) {
      const int32_t code = (low[i] >> low_shift & 15) + (high[i] >> high_shift & 3) * 16 - 32;
      to[16 * part + i] = step * static_cast<float>(code);
    }
  }
}

void decode_q8_k(const Q8KBlock &block, float *__restrict to) {
  const auto d = load_le<float>(block.d);
  for (size_t i = 0; i < 256; ++i) {
    to[i] = d * static_cast<float>(static_cast<int8_t>(block.qs[i]));
  }
}

void decode_iq4_xs(const Iq4XsBlock &block, float *__restrict to) {
  const float d = load_f16(block.d);
  const uint32_t scales_h = load_le<uint16_t>(block.scales_h);
  for (size_t part = 0; part < 8; ++part) {
    const uint32_t scale =
        (block.scales_l[part / 2] >> (part % 2 * 4) & 15U) | (scales_h >> (2 * part) & 3U) << 4U;
    const float step = d * static_cast<float>(static_cast<int32_t>(scale) - 32);
    for (size_t j = 0; j < 16; ++j) {
      const uint8_t codes = block.qs[16 * part + j];
      to[32 * part + j] = step * static_cast<float>(kIq4Values[codes & 15]);
      to[32 * part + j + 16] = step * static_cast<float>(kIq4Values[codes >> 4]);
    }
  }
}

/// Digits of base 3 are in a byte as a fraction of 256, rounded up: multiplied with 3 they come out at the top, one after
/// the other.
float ternary_digit(uint8_t fraction) {
  return static_cast<float>((static_cast<int32_t>(fraction) * 3 >> 8) - 1);
}

/// `width` bytes have `digits` rows of `width` values.
float *decode_digits(const uint8_t *from, size_t width, size_t digits, float d, float *to) {
  uint32_t power = 1;
  for (size_t digit = 0; digit < digits; ++digit) {
    for (size_t i = 0; i < width; ++i) {
      *to++ = ternary_digit(static_cast<uint8_t>(from[i] * power)) * d;
    }
    power *= 3;
  }
  return to;
}

void decode_tq1_0(const Tq10Block &block, float *__restrict to) {
  const float d = load_f16(block.d);
  to = decode_digits(block.qs, 32, 5, d, to);
  to = decode_digits(block.qs + 32, 16, 5, d, to);
  decode_digits(block.qh, 4, 4, d, to);
}

void decode_tq2_0(const Tq20Block &block, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t row = 0; row < 8; ++row) { // of 32 values
    const uint8_t *qs = block.qs + row / 4 * 32;
    const size_t shift = row % 4 * 2;
    for (size_t i = 0; i < 32; ++i) {
      to[32 * row + i] = static_cast<float>((qs[i] >> shift & 3) - 1) * d;
    }
  }
}

} // namespace

BlockDecoder large_decoder(BlockType type) {
  switch (type) {
  case BlockType::kQ2K:
    return decode_each<Q2KBlock, 256, decode_q2_k>;
  case BlockType::kQ3K:
    return decode_each<Q3KBlock, 256, decode_q3_k>;
  case BlockType::kQ4K:
    return decode_each<Q4KBlock, 256, decode_q4_k>;
  case BlockType::kQ5K:
    return decode_each<Q5KBlock, 256, decode_q5_k>;
  case BlockType::kQ6K:
    return decode_each<Q6KBlock, 256, decode_q6_k>;
  case BlockType::kQ8K:
    return decode_each<Q8KBlock, 256, decode_q8_k>;
  case BlockType::kIq4Xs:
    return decode_each<Iq4XsBlock, 256, decode_iq4_xs>;
  case BlockType::kTq10:
    return decode_each<Tq10Block, 256, decode_tq1_0>;
  case BlockType::kTq20:
    return decode_each<Tq20Block, 256, decode_tq2_0>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
