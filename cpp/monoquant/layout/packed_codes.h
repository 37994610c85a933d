// Rows of values to integer codes, a byte each or packed: what all layouts of integers have in common.
// It exists so that the kernels, and what they cannot, are called in one place: widths without kernels are made plainly.
#pragma once

#include <cstdint>

#include "monoquant/layout/stored.h"
#include "monoquant/quant/error_sums.h"
#include "monoquant/quant/kernels/kernels.h"
#include "monoquant/quant/qparams.h"
#include "monoquant/quant/values.h"

namespace monoquant::layout {

/// Codes at whose multiples words begin that are not shared with the codes before. For 4 and 8 bits alike.
constexpr uint64_t codes_in_words(uint32_t bits) {
  return bits % 4 == 0 ? 8 : bits % 2 == 0 ? 16 : 32;
}

/// Bytes of so many codes, one bit behind the other in whole 32-bit words.
uint64_t packed_bytes(uint64_t codes, uint32_t bits);

/// Codes one behind the other, the first in the lowest bits.
class BitPacker {
public:
  BitPacker(uint8_t *to, uint32_t bits) : to_(to), bits_(bits) {}

  void add(uint32_t code) {
    waiting_ |= code << held_;
    for (held_ += bits_; held_ >= 8; held_ -= 8, waiting_ >>= 8U) {
      *to_++ = static_cast<uint8_t>(waiting_);
    }
  }
  uint8_t *end() {
    if (held_ > 0) {
      *to_++ = static_cast<uint8_t>(waiting_);
    }
    return to_;
  }

private:
  uint8_t *to_;
  uint32_t bits_;
  uint32_t waiting_ = 0;
  uint32_t held_ = 0;
};

/// As RowCodec::encode: the codes nearest to `count` scopes of `size` values each. `packed`: lowest bits first, one code
/// behind the other, 2^(bits-1) added; else a signed byte each. Only the last scope may end within a byte. Returns the
/// end of the last byte.
uint8_t *encode_integers(const quant::Values &values, size_t size, size_t count,
                         const quant::Scheme &scheme, bool packed,
                         const quant::QparamsArrays &qparams, uint8_t *to, quant::ErrorSums &sums);

/// The same of any width from 1 to 8 bits, packed, without kernels, for factors and steps that are known.
uint8_t *encode_plainly(const quant::Values &values, size_t size, size_t count,
                        const quant::Scheme &scheme, const quant::Scopes &scopes, uint8_t *to,
                        quant::ErrorSums &sums);

} // namespace monoquant::layout
