// Numbers that look random and follow from a name.
// It exists so that a layer without captured inputs is executed on the same values wherever and whenever it is.
// Integer arithmetic and exact conversions only: equal to the bit on every machine.
#pragma once

#include <cstdint>
#include <string_view>

namespace monoquant::execute {

/// What the numbers are for: other purposes of the same name get other numbers.
enum class Purpose : uint8_t { kValues, kPositions };

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), its state the 64-bit
/// FNV-1a hash of the name's bytes and of one more byte, the purpose.
class SeededNumbers {
public:
  SeededNumbers(std::string_view name, Purpose purpose) {
    for (const char letter : name) {
      hash(static_cast<uint8_t>(letter));
    }
    hash(static_cast<uint8_t>(purpose));
  }

  uint64_t bits() {
    state_ += 0x9E3779B97F4A7C15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }

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
  void hash(uint8_t byte) { state_ = (state_ ^ byte) * 0x100000001B3ULL; }

  uint64_t state_ = 0xCBF29CE484222325ULL;
};

} // namespace monoquant::execute
