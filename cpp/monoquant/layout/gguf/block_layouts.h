// How blocks lie in files, for the two directions.
// Members are bytes, so that a block may begin anywhere; numbers in them are little-endian. "d", "dmin" and "m" are
// F16: the step between values, the step between minimums, and a minimum.
// Source: ggml's block structures; names of members are ggml's, so that the two can be compared.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"

namespace monoquant::layout::gguf {

// ---- Blocks of 32 values -------------------------------------------------------------------------------------------
// Codes of four bits: qs[j] has value j in its low half and value j + 16 in its high half. qh has bit 4 of value j in
// its bit j.
//
//   Q4_0    | d 2 | qs 16 |                 d * (code - 8)
//   Q4_1    | d 2 | m 2 | qs 16 |           d * code + m
//   Q5_0    | d 2 | qh 4 | qs 16 |          d * (code - 16)
//   Q5_1    | d 2 | m 2 | qh 4 | qs 16 |    d * code + m
//   Q8_0    | d 2 | qs 32 |                 d * code, which is an i8
//   Q8_1    | d 2 | s 2 | qs 32 |           the same; s is d * the sum of codes
//   IQ4_NL  | d 2 | qs 16 |                 d * kIq4Values[code]
//   MXFP4   | e 1 | qs 16 |                 2^(e - 128) * kFp4Values[code]

struct Q40Block {
  uint8_t d[2];
  uint8_t qs[16];
};
struct Q41Block {
  uint8_t d[2];
  uint8_t m[2];
  uint8_t qs[16];
};
struct Q50Block {
  uint8_t d[2];
  uint8_t qh[4];
  uint8_t qs[16];
};
struct Q51Block {
  uint8_t d[2];
  uint8_t m[2];
  uint8_t qh[4];
  uint8_t qs[16];
};
struct Q80Block {
  uint8_t d[2];
  uint8_t qs[32];
};
struct Q81Block {
  uint8_t d[2];
  uint8_t s[2];
  uint8_t qs[32];
};
struct Iq4NlBlock {
  uint8_t d[2];
  uint8_t qs[16];
};
struct Mxfp4Block {
  uint8_t e;
  uint8_t qs[16];
};

/// Not evenly spaced: finer near zero.
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};
/// Twice the numbers of FP4 (E2M1), so that they are whole. Code 8, its -0, is 0.
inline constexpr int8_t kFp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// ---- Blocks of 64 and of 128 values --------------------------------------------------------------------------------
//
//   NVFP4   | d 4 | qs 32 |   4 times 16 values, each with 8 bytes of qs: value j in the low, j + 8 in the high half;
//                             half of d as an unsigned E4M3 * kFp4Values[code]
//   Q1_0    | d 2 | qs 16 |   128 values of one bit, the lowest first: -d or d
//   Q2_0    | d 2 | qs 16 |   64 values of two bits, the lowest first: d * (code - 1)

struct Nvfp4Block {
  uint8_t d[4];
  uint8_t qs[32];
};
struct Q10Block {
  uint8_t d[2];
  uint8_t qs[16];
};
struct Q20Block {
  uint8_t d[2];
  uint8_t qs[16];
};

// ---- Blocks of 256 values ------------------------------------------------------------------------------------------
// Parts of 16 or 32 values have a small scale each, and some have a small minimum.
//
//   Q2_K    | scales 16 | qs 64 | d 2 | dmin 2 |               16 parts: scale in the low, minimum in the high half
//   Q3_K    | hmask 32 | qs 64 | scales 12 | d 2 |             16 parts: 16 scales of 6 bits, less 32
//   Q4_K    | d 2 | dmin 2 | scales 12 | qs 128 |              8 parts: 8 scales and 8 minimums of 6 bits
//   Q5_K    | d 2 | dmin 2 | scales 12 | qh 32 | qs 128 |      the same
//   Q6_K    | ql 128 | qh 64 | scales 16 | d 2 |               16 parts: scales are i8
//   Q8_K    | d 4 (f32) | qs 256 | bsums 32 |                  codes are i8; bsums are their sums, for products
//   IQ4_XS  | d 2 | scales_h 2 | scales_l 4 | qs 128 |         8 parts: scales of 6 bits, less 32
//   TQ1_0   | qs 48 | qh 4 | d 2 |                             d * -1, 0 or 1: five of them a byte, in base 3
//   TQ2_0   | qs 64 | d 2 |                                    the same in two bits each
//
// Codes of two bits (Q2_K, Q3_K, TQ2_0): a half of 128 values has 32 bytes; value i is in byte i % 32, at bit i / 32 * 2.
// Codes of four bits (Q4_K, Q5_K): 64 values have 32 bytes; value i is in byte i % 32, in the low or high half.
// Fifth bits (Q5_K) and third ones (Q3_K): value i is in byte i % 32, at bit i / 32.
// Q6_K: a half of 128 has 64 bytes of ql, value i in byte i % 64, in the low or high half; and 32 of qh, as two bits are.

struct Q2KBlock {
  uint8_t scales[16];
  uint8_t qs[64];
  uint8_t d[2];
  uint8_t dmin[2];
};
struct Q3KBlock {
  uint8_t hmask[32]; // a bit that is not set means 4 less
  uint8_t qs[64];
  uint8_t scales[12];
  uint8_t d[2];
};
struct Q4KBlock {
  uint8_t d[2];
  uint8_t dmin[2];
  uint8_t scales[12];
  uint8_t qs[128];
};
struct Q5KBlock {
  uint8_t d[2];
  uint8_t dmin[2];
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};
struct Q6KBlock {
  uint8_t ql[128];
  uint8_t qh[64];
  uint8_t scales[16];
  uint8_t d[2];
};
struct Q8KBlock {
  uint8_t d[4];
  uint8_t qs[256];
  uint8_t bsums[32];
};
struct Iq4XsBlock {
  uint8_t d[2];
  uint8_t scales_h[2]; // two bits a part
  uint8_t scales_l[4]; // four bits a part
  uint8_t qs[128];     // 8 times the 16 bytes of an IQ4_NL
};
struct Tq10Block {
  uint8_t qs[48];
  uint8_t qh[4];
  uint8_t d[2];
};
struct Tq20Block {
  uint8_t qs[64];
  uint8_t d[2];
};

// ---- Blocks of 256 values whose codes are points of a grid ---------------------------------------------------------
// A part is 32 values: four times eight, of a point of eight values or two points of four. Signs are bits of a byte,
// or seven of them, with an eighth that makes their number even.
//
//   IQ2_XXS | d 2 | qs 64 |                                    a part: 4 bytes of points, then a word of four times seven
//                                                              signs and a scale of 4 bits
//   IQ2_XS  | d 2 | qs 64 | scales 8 |                         two bytes for eight values: 9 bits of the point, 7 of signs
//   IQ2_S   | d 2 | qs 32 | signs 32 | qh 8 | scales 8 |       a point: 8 bits in qs, 2 in qh
//   IQ3_XXS | d 2 | qs 64 | signs 32 |                         as IQ2_XXS, with the words behind the points
//   IQ3_S   | d 2 | qs 64 | qh 8 | signs 32 | scales 4 |       a point: 8 bits in qs, 1 in qh
//   IQ1_S   | d 2 | qs 32 | qh 16 |                            a part: 16 bits of qh for 3 bits of four points, a scale
//                                                              of 3 bits, the sign of the shift
//   IQ1_M   | qs 32 | qh 16 | scales 8 |                       4 bits of qh a point: 3 of its number, the sign of its
//                                                              shift; 16 scales of 3 bits, and in the upper 4 bits of
//                                                              each two bytes a quarter of the F16 "d"

struct Iq2XxsBlock {
  uint8_t d[2];
  uint8_t qs[64];
};
struct Iq2XsBlock {
  uint8_t d[2];
  uint8_t qs[64];
  uint8_t scales[8];
};
struct Iq2SBlock {
  uint8_t d[2];
  uint8_t qs[32];
  uint8_t signs[32];
  uint8_t qh[8];
  uint8_t scales[8];
};
struct Iq3XxsBlock {
  uint8_t d[2];
  uint8_t qs[64];
  uint8_t signs[32];
};
struct Iq3SBlock {
  uint8_t d[2];
  uint8_t qs[64];
  uint8_t qh[8];
  uint8_t signs[32];
  uint8_t scales[4];
};
struct Iq1SBlock {
  uint8_t d[2];
  uint8_t qs[32];
  uint8_t qh[16];
};
struct Iq1MBlock {
  uint8_t qs[32];
  uint8_t qh[16];
  uint8_t scales[8];
};

// ---- Numbers in blocks ---------------------------------------------------------------------------------------------

/// ggml's conversion multiplies, which makes every NaN a quiet one.
inline float quiet_f16_to_f32(uint16_t half) {
  const float value = f16_to_f32(half);
  return value == value ? value
                        : std::bit_cast<float>(std::bit_cast<uint32_t>(value) | 0x00400000U);
}

inline float load_f16(const uint8_t from[2]) { return quiet_f16_to_f32(load_le<uint16_t>(from)); }

/// 2^(exponent - 128); the two lowest are subnormal.
inline float half_of_e8m0(uint8_t exponent) {
  return std::bit_cast<float>(exponent < 2 ? 0x00200000U << exponent : (exponent - 1U) << 23U);
}

/// Half of an unsigned E4M3 (bias 7). Its NaN is 0 for ggml, which looks at the sign's bit only to see that.
inline float half_of_ue4m3(uint8_t code) {
  const uint32_t exponent = code >> 3U & 15U;
  const uint32_t mantissa = code & 7U;
  if (code == 0x7F) {
    return 0;
  }
  return exponent == 0 ? static_cast<float>(mantissa) * 0x1p-10F
                       : std::bit_cast<float>((exponent + 119U) << 23U | mantissa << 20U);
}

/// Small scale and minimum of one of the 8 parts of a Q4_K or Q5_K:
///
///   byte 0 to 3   scale of part 0 to 3 in the low six bits, the upper two bits of that of part 4 to 7 above
///   byte 4 to 7   minimums, likewise
///   byte 8 to 11  of part 4 to 7: the low four bits of the scale, and of the minimum above
struct SixBits {
  uint8_t scale;
  uint8_t minimum;
};

inline SixBits load_six_bits(const uint8_t scales[12], size_t part) {
  uint32_t scale = scales[part % 4];
  uint32_t minimum = scales[part % 4 + 4];
  if (part < 4) {
    scale &= 63U;
    minimum &= 63U;
  } else {
    const uint32_t low = scales[part + 4];
    scale = (low & 15U) | scale >> 6U << 4U;
    minimum = low >> 4U | minimum >> 6U << 4U;
  }
  return {static_cast<uint8_t>(scale), static_cast<uint8_t>(minimum)};
}

/// Scale of one of the 16 parts of a Q3_K, -32 to 31. The low four bits of part j are in byte j % 8, in the low or high
/// half; the upper two in byte 8 + j % 4, at bit j / 4 * 2.
inline int32_t load_q3_scale(const uint8_t scales[12], size_t part) {
  const uint32_t low = scales[part % 8] >> (part / 8 * 4) & 15U;
  const uint32_t high = scales[8 + part % 4] >> (part / 4 * 2) & 3U;
  return static_cast<int32_t>(low | high << 4U) - 32;
}

} // namespace monoquant::layout::gguf
