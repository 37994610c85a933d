// Arithmetic on sizes that come from files.
// It exists because every such number is a lie until checked, and wrapping around is how lies win.
// The functions return nothing instead of a wrong number.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace monoquant {

inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return std::nullopt;
  }
  return sum;
}

inline std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    return std::nullopt;
  }
  return product;
}

/// The number of elements of a shape; 1 for an empty shape (a scalar).
inline std::optional<uint64_t> checked_product(std::span<const uint64_t> shape) {
  uint64_t product = 1;
  for (const uint64_t extent : shape) {
    if (extent == 0) {
      return 0; // a zero anywhere makes the tensor empty, however large the rest claims to be
    }
  }
  for (const uint64_t extent : shape) {
    const auto next = checked_mul(product, extent);
    if (!next) {
      return std::nullopt;
    }
    product = *next;
  }
  return product;
}

inline constexpr uint64_t divide_up(uint64_t a, uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

} // namespace monoquant
