// SplitMix64: numbers that look random and follow from a counter.
// Source: Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014.
// Integer arithmetic only: equal to the bit on every machine.
#pragma once

#include <cstdint>

namespace monoquant {

class SplitMix64 {
public:
  explicit constexpr SplitMix64(uint64_t state) : state_(state) {}

  constexpr uint64_t bits() {
    state_ += 0x9E3779B97F4A7C15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }

  /// From 0 to count - 1. Uneven by count / 2^32, which nobody sees; no division, which is slow in WebAssembly.
  constexpr uint32_t below(uint32_t count) {
    return static_cast<uint32_t>(((bits() >> 32U) * count) >> 32U);
  }

private:
  uint64_t state_;
};

} // namespace monoquant
