// Numbers that look random and follow from a name.
// It exists so that a layer without captured inputs is executed on the same values wherever and whenever it is.
// Integer arithmetic and exact conversions only: equal to the bit on every machine.
#pragma once

#include <cstdint>
#include <string_view>

#include "monoquant/base/split_mix.h"

namespace monoquant::execute {

/// What the numbers are for: other purposes of the same name get other numbers.
enum class Purpose : uint8_t { kValues, kPositions };

/// SplitMix64, its state the 64-bit FNV-1a hash of the name's bytes and of one more byte, the purpose.
class SeededNumbers {
public:
  SeededNumbers(std::string_view name, Purpose purpose) : numbers_(hash(name, purpose)) {}

  uint64_t bits() { return numbers_.bits(); }

  /// From 0 to count - 1. Uneven by count / 2^64, which nobody sees.
  uint64_t below(uint64_t count) { return bits() % count; }

  /// Nearly standard normal: the sum of twelve uniforms of 16 bits (three draws of four), less its mean.
  /// Variance 1, no value beyond 6, a multiple of 2^-16: exact in f32.
  float normal() {
    int32_t sum = -12 * 65535 / 2;
    for (int draw = 0; draw < 3; ++draw) {
      const uint64_t four = bits();
      for (uint32_t shift = 0; shift < 64; shift += 16) {
        sum += static_cast<int32_t>((four >> shift) & 0xFFFFU);
      }
    }
    return static_cast<float>(sum) * 0x1p-16F;
  }

private:
  static uint64_t hash(std::string_view name, Purpose purpose) {
    constexpr uint64_t kPrime = 0x100000001B3ULL;
    uint64_t hash = 0xCBF29CE484222325ULL;
    for (const char letter : name) {
      hash = (hash ^ static_cast<uint8_t>(letter)) * kPrime;
    }
    return (hash ^ static_cast<uint8_t>(purpose)) * kPrime;
  }

  SplitMix64 numbers_;
};

} // namespace monoquant::execute
