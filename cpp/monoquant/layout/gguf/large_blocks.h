// What the encoders of blocks of 256 values share: where codes lie in a block, as drawn in block_layouts.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "monoquant/layout/gguf/block_layouts.h"

namespace monoquant::layout::gguf {

inline constexpr size_t kLargeBlock = 256; // values

/// 128 values share 32 bytes.
inline void put_two_bits(const uint8_t *__restrict codes, uint8_t *__restrict qs) {
  for (size_t i = 0; i < 64; ++i) {
    const uint8_t *from = codes + i / 32 * 128 + i % 32;
    qs[i] = static_cast<uint8_t>((from[0] & 3) | (from[32] & 3) << 2 | (from[64] & 3) << 4 |
                                 (from[96] & 3) << 6);
  }
}

inline void put_four_bits_of_64(const uint8_t *__restrict codes, uint8_t *__restrict qs) {
  for (size_t i = 0; i < 128; ++i) {
    const uint8_t *from = codes + i / 32 * 64 + i % 32;
    qs[i] = static_cast<uint8_t>((from[0] & 15) | (from[32] & 15) << 4);
  }
}

/// One bit of each code: value i has that of byte i % 32 at i / 32.
inline void put_one_bit(const uint8_t *__restrict codes, uint32_t bit, uint8_t *__restrict to) {
  for (size_t i = 0; i < 32; ++i) {
    uint32_t byte = 0;
    for (size_t part = 0; part < 8; ++part) {
      byte |= (codes[32 * part + i] >> bit & 1U) << part;
    }
    to[i] = static_cast<uint8_t>(byte);
  }
}

/// Codes of a Q6_K, 0 to 63.
inline void put_six_bits(const uint8_t *__restrict codes, Q6KBlock &block) {
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

/// As load_q3_scale() takes them.
inline void put_q3_scales(const int8_t codes[16], uint8_t scales[12]) {
  for (size_t i = 0; i < 12; ++i) {
    scales[i] = 0;
  }
  for (size_t part = 0; part < size_t{16}; ++part) {
    const auto code = static_cast<uint32_t>(codes[part] + 32);
    scales[part % 8] |= static_cast<uint8_t>((code & 15U) << (part / 8 * 4));
    scales[8 + part % 4] |= static_cast<uint8_t>(code >> 4U << (part / 4 * 2));
  }
}

/// As load_six_bits() takes them.
inline void put_six_bit_scales(const uint8_t *codes, const uint8_t *minimums, uint8_t scales[12]) {
  for (size_t i = 0; i < 4; ++i) {
    const uint32_t scale = codes[i + 4];
    const uint32_t minimum = minimums[i + 4];
    scales[i] = static_cast<uint8_t>(codes[i] | scale >> 4U << 6U);
    scales[i + 4] = static_cast<uint8_t>(minimums[i] | minimum >> 4U << 6U);
    scales[i + 8] = static_cast<uint8_t>((scale & 15U) | minimum << 4U);
  }
}

inline float sum_of(const float *numbers, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += numbers[i];
  }
  return sum;
}

/// Encodes blocks one after the other. The importance of a block is null if there is none.
template <typename Block, void (*kEncode)(std::span<const float>, const float *, Block &)>
void encode_large(std::span<const float> row, std::span<const float> importance, uint8_t *to) {
  static_assert(alignof(Block) == 1);
  for (size_t at = 0; at < row.size(); at += kLargeBlock, to += sizeof(Block)) {
    kEncode(row.subspan(at, kLargeBlock), importance.empty() ? nullptr : importance.data() + at,
            *reinterpret_cast<Block *>(to));
  }
}

} // namespace monoquant::layout::gguf
