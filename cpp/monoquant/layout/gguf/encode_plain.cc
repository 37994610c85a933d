// Numbers, and blocks whose scale follows from their largest value.
#include <cmath>
#include <cstring>

#include "monoquant/layout/gguf/block_encoders.h"
#include "monoquant/layout/gguf/block_layouts.h"
#include "monoquant/layout/gguf/fits.h"

namespace monoquant::layout::gguf {
namespace {

// ---- Numbers -------------------------------------------------------------------------------------------------------

void encode_f32(std::span<const float> row, std::span<const float> /*importance*/, uint8_t *to) {
  std::memcpy(to, row.data(), row.size_bytes());
}

void encode_f16(std::span<const float> row, std::span<const float> /*importance*/, uint8_t *to) {
  for (size_t i = 0; i < row.size(); ++i) {
    store_le(to + 2 * i, f32_to_f16(row[i]));
  }
}

void encode_bf16(std::span<const float> row, std::span<const float> /*importance*/, uint8_t *to) {
  for (size_t i = 0; i < row.size(); ++i) {
    store_le(to + 2 * i, f32_to_bf16(row[i]));
  }
}

// ---- Steps of the largest magnitude --------------------------------------------------------------------------------

void encode_q8_0(const float *__restrict values, Q80Block &block) {
  const float d = largest_magnitude({values, 32}) / 127;
  const float factor = d != 0 ? 1 / d : 0; // of the step before it is rounded
  store_le(block.d, f32_to_f16(d));
  for (size_t i = 0; i < 32; ++i) {
    block.qs[i] = static_cast<uint8_t>(nearest_away(values[i] * factor));
  }
}

/// Digits 0 to 2 of -1 to 1.
struct Ternary {
  float factor;
  uint32_t digit(float value) const {
    return static_cast<uint32_t>(nearest_away(value * factor)) + 1U;
  }
};

template <typename Block> Ternary begin_ternary(const float *values, Block &block) {
  const float d = largest_magnitude({values, 256});
  store_le(block.d, f32_to_f16(d));
  return {d != 0 ? 1 / d : 0};
}

/// `digits` rows of `width` values, as fractions of 256 that are rounded up. Rows that are missing are digits 0.
const float *encode_digits(const float *from, size_t width, size_t digits, Ternary ternary,
                           uint8_t *to) {
  for (size_t i = 0; i < width; ++i) {
    uint32_t number = 0;
    for (size_t digit = 0; digit < 5; ++digit) {
      number = number * 3 + (digit < digits ? ternary.digit(from[digit * width + i]) : 0);
    }
    number &= 0xFFU; // as ggml keeps it; a number of five digits is at most 242
    to[i] = static_cast<uint8_t>((number * 256 + 242) / 243);
  }
  return from + width * digits;
}

void encode_tq1_0(const float *__restrict values, Tq10Block &block) {
  const Ternary ternary = begin_ternary(values, block);
  values = encode_digits(values, 32, 5, ternary, block.qs);
  values = encode_digits(values, 16, 5, ternary, block.qs + 32);
  encode_digits(values, 4, 4, ternary, block.qh);
}

void encode_tq2_0(const float *__restrict values, Tq20Block &block) {
  const Ternary ternary = begin_ternary(values, block);
  for (size_t i = 0; i < 64; ++i) {
    const float *from = values + i / 32 * 128 + i % 32;
    uint32_t codes = 0;
    for (size_t digit = 0; digit < 4; ++digit) {
      codes |= (ternary.digit(from[32 * digit]) & 3U) << (2 * digit);
    }
    block.qs[i] = static_cast<uint8_t>(codes);
  }
}

// ---- Nearest of sixteen FP4 numbers --------------------------------------------------------------------------------

/// Of 16 values. Of two numbers that are equally near, the one of the lower code. Both signs are alike, so magnitudes
/// decide.
void nearest_fp4(const float *__restrict from, float d, uint8_t *__restrict codes) {
  float least[16];
  uint32_t nearest_codes[16];
  for (size_t i = 0; i < 16; ++i) {
    least[i] = std::fabs(from[i]);
    nearest_codes[i] = 0;
  }
  for (uint32_t code = 1; code < 8; ++code) {
    const float value = static_cast<float>(kFp4Values[code]) * d;
    for (size_t i = 0; i < 16; ++i) {
      const float error = std::fabs(value - std::fabs(from[i]));
      nearest_codes[i] = error < least[i] ? code : nearest_codes[i];
      least[i] = error < least[i] ? error : least[i];
    }
  }
  for (size_t i = 0; i < 16; ++i) {
    const bool is_negative = from[i] < 0 && nearest_codes[i] != 0; // 0 has one code
    codes[i] = static_cast<uint8_t>(nearest_codes[i] | (is_negative ? 8U : 0U));
  }
}

/// The first half of the codes in the low halves of bytes, the second in the high ones.
void pack_halves(const uint8_t *__restrict codes, size_t bytes, uint8_t *__restrict to) {
  for (size_t j = 0; j < bytes; ++j) {
    to[j] = static_cast<uint8_t>(codes[j] | codes[j + bytes] << 4);
  }
}

/// The whole part of the base-2 logarithm, where that is first rounded to F32: a little below a power of two it is already
/// the power's. `value` is positive and finite.
int32_t whole_logarithm(float value) {
  int exponent = 0;
  const float fraction = std::frexp(value, &exponent); // 0.5 to 1, without 1
  // log2(fraction), near 1. The next term of the series is below 1e-10 here, and far from it nothing is rounded up.
  constexpr double kLogarithmOfE = 1.4426950408889634;
  const double below = (static_cast<double>(fraction) - 1) * kLogarithmOfE;
  const bool is_rounded_up =
      fraction > 0.99999F && static_cast<float>(exponent + below) == static_cast<float>(exponent);
  return is_rounded_up ? exponent : exponent - 1;
}

void encode_mxfp4(const float *__restrict values, Mxfp4Block &block) {
  const float most = largest_magnitude({values, 32});
  // 6, the largest FP4 number, has the exponent 2. The byte wraps around for what is below 2^-125, as ggml's does.
  block.e = most > 0 && most < INFINITY ? static_cast<uint8_t>(whole_logarithm(most) - 2 + 127) : 0;
  uint8_t codes[32];
  const float d = half_of_e8m0(block.e);
  nearest_fp4(values, d, codes);
  nearest_fp4(values + 16, d, codes + 16);
  pack_halves(codes, 16, block.qs);
}

/// ggml's rounding to an unsigned E4M3: half up, and from 256 on all are 448.
uint8_t rounded_ue4m3(float value) {
  if (!(value > 0)) {
    return 0;
  }
  if (value < 0x1p-6F) { // steps of 2^-9
    const int32_t mantissa = truncated(value * 512 + 0.5F);
    return static_cast<uint8_t>(mantissa > 7 ? 7 : mantissa);
  }
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t code = (bits >> 20U) - (120U << 3U) + (bits >> 19U & 1U);
  return static_cast<uint8_t>(code >= 0x78U ? 0x7EU : code);
}

void encode_nvfp4(const float *__restrict values, Nvfp4Block &block) {
  for (size_t part = 0; part < 4; ++part) {
    const float *from = values + 16 * part;
    block.d[part] = rounded_ue4m3(largest_magnitude({from, 16}) / 6);
    uint8_t codes[16];
    nearest_fp4(from, half_of_ue4m3(block.d[part]), codes);
    pack_halves(codes, 8, block.qs + 8 * part);
  }
}

} // namespace

RowEncoder plain_encoder(BlockType type) {
  switch (type) {
  case BlockType::kF32:
    return encode_f32;
  case BlockType::kF16:
    return encode_f16;
  case BlockType::kBF16:
    return encode_bf16;
  case BlockType::kQ80:
    return encode_each<Q80Block, 32, encode_q8_0>;
  case BlockType::kTq10:
    return encode_each<Tq10Block, 256, encode_tq1_0>;
  case BlockType::kTq20:
    return encode_each<Tq20Block, 256, encode_tq2_0>;
  case BlockType::kMxfp4:
    return encode_each<Mxfp4Block, 32, encode_mxfp4>;
  case BlockType::kNvfp4:
    return encode_each<Nvfp4Block, 64, encode_nvfp4>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
