// What the encoders of blocks of 256 values share: where codes lie, and how much errors count.
// The places of codes are drawn in block_layouts.h.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

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

/// By importance, and more for values that are large.
inline void weigh_values(std::span<const float> values, const float *importance, float mean_square,
                         float *weights) {
  for (size_t i = 0; i < values.size(); ++i) {
    weights[i] = importance[i] * std::sqrt(mean_square + values[i] * values[i]);
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
