// Conversions between f32 and the narrow float types, one value at a time.
// They are the reference: the SIMD kernels give the same bits.
// Decoding is exact; encoding rounds half to even. NaN becomes the canonical quiet NaN with its sign kept.
#pragma once

#include <bit>
#include <cstdint>

namespace monoquant {

/// IEEE binary16 to f32.
inline float f16_to_f32(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16U;
  const uint32_t exponent = (half >> 10U) & 0x1FU;
  const uint32_t mantissa = half & 0x3FFU;
  if (exponent == 0) { // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t bits = exponent == 31 ? 0x7F800000U | (mantissa << 13U)
                                       : ((exponent + 112U) << 23U) | (mantissa << 13U);
  return std::bit_cast<float>(bits | sign);
}

/// f32 to IEEE binary16; values of at least 65520 become infinity.
inline uint16_t f32_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16U) & 0x8000U;
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) {
    return static_cast<uint16_t>(sign | 0x7E00U);
  }
  if (magnitude >= 0x477FF000U) { // 65520: half-way to 2^16
    return static_cast<uint16_t>(sign | 0x7C00U);
  }
  if (magnitude <
      0x38800000U) { // below 2^-14: the sum's last bit is worth 2^-24, so it rounds for us
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - 0x3F000000U));
  }
  const uint32_t odd = (magnitude >> 13U) & 1U;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13U));
}

inline float bf16_to_f32(uint16_t brain) {
  return std::bit_cast<float>(static_cast<uint32_t>(brain) << 16U);
}

inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
    return static_cast<uint16_t>(((bits >> 16U) & 0x8000U) | 0x7FC0U);
  }
  const uint32_t odd = (bits >> 16U) & 1U;
  return static_cast<uint16_t>((bits + 0x7FFFU + odd) >> 16U);
}

/// F8_E4M3 (the "fn" kind): bias 7, no infinity, 0x7F and 0xFF are NaN.
inline float f8_e4m3_to_f32(uint8_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 0x80U) << 24U;
  const uint32_t exponent = (code >> 3U) & 0xFU;
  const uint32_t mantissa = code & 7U;
  uint32_t bits = ((exponent + 120U) << 23U) | (mantissa << 20U);
  if (exponent == 0) {
    bits = std::bit_cast<uint32_t>(static_cast<float>(mantissa) * 0x1p-9F);
  } else if ((code & 0x7FU) == 0x7FU) {
    bits = 0x7FC00000U;
  }
  return std::bit_cast<float>(bits | sign);
}

/// Rounds half to even. What is larger than 448, infinity too, becomes 448; NaN stays NaN.
inline uint8_t f32_to_f8_e4m3(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  const uint32_t sign = bits >> 24U & 0x80U;
  uint32_t code = 0;
  if (magnitude > 0x7F800000U) {
    code = 0x7F;
  } else if (magnitude >= std::bit_cast<uint32_t>(448.0F)) {
    code = 0x7E;
  } else if (magnitude < std::bit_cast<uint32_t>(0x1p-6F)) {
    // Steps of 2^-9, which are those of f32 from 2^14 on: adding that rounds.
    code = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0x1p14F) & 0xFU;
  } else {
    code = ((magnitude + 0x7FFFFU + (magnitude >> 20U & 1U)) >> 20U) - (120U << 3U);
  }
  return static_cast<uint8_t>(sign | code);
}

/// F8_E5M2 is the upper byte of a binary16.
inline float f8_e5m2_to_f32(uint8_t code) {
  return f16_to_f32(static_cast<uint16_t>(static_cast<uint32_t>(code) << 8U));
}

} // namespace monoquant
