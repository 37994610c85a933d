// Random numbers that are the same on every machine.
// They exist because a property test must be able to fail again: every sequence follows from its seed.
// splitmix64; the distributions of the standard library differ between implementations.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace monoquant::test {

class Random {
public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t bits() {
    state_ += 0x9E3779B97F4A7C15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }

  /// From 0 to count - 1.
  uint64_t below(uint64_t count) { return bits() % count; }
  size_t index(size_t count) { return static_cast<size_t>(below(count)); }
  bool chance(uint64_t one_in) { return below(one_in) == 0; }

  /// From -1 to 1.
  float signed_unit() { return static_cast<float>(static_cast<int32_t>(bits() >> 32U)) * 0x1p-31F; }

  /// Roughly normal, as weights are, with rare outliers of up to eight times the rest.
  float weight() {
    const float sum = signed_unit() + signed_unit() + signed_unit() + signed_unit();
    return chance(200) ? sum * 8.0F : sum;
  }

  /// Any f32 that is neither infinite nor NaN, all exponents alike.
  float finite_bits() {
    const auto pattern = static_cast<uint32_t>(bits());
    return (pattern & 0x7F800000U) == 0x7F800000U ? 0.0F : std::bit_cast<float>(pattern);
  }

  template <typename T, size_t N> const T &pick(const T (&from)[N]) { return from[index(N)]; }
  template <typename T> const T &pick(std::span<const T> from) { return from[index(from.size())]; }

private:
  uint64_t state_;
};

} // namespace monoquant::test
