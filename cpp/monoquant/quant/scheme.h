// How the elements of one tensor become codes, scales and zero points.
// It exists so that planning, encoding and checking mean the same thing by "4 bits, groups of 128".
// A tensor is seen as a matrix: rows are output channels, columns everything that one output is summed over.
#pragma once

#include <cstdint>

#include "monoquant/base/dtype.h"

namespace monoquant::quant {

/// What shares one scale.
enum class Strategy : uint8_t { kTensor, kChannel, kGroup };

/// How a scale is chosen.
enum class Method : uint8_t {
  kRtn,  // from the extremes of the values: round to nearest
  kMse,  // searched for the smallest error
  kGptq, // likewise, and each weight makes up for the errors of those before it
};

/// What codes stand for, before the scale.
enum class Codebook : uint8_t {
  kIntegers, // lowest() to highest()
  kF8E4M3,   // floating-point numbers of one byte, at most 448
};

struct Scheme {
  Codebook codebook = Codebook::kIntegers;
  uint32_t bits = 8; // 4 or 8
  bool symmetric = true;
  Strategy strategy = Strategy::kChannel;
  uint64_t group_size = 0; // columns that share a scale, where the strategy is kGroup
  Dtype scale_dtype = Dtype::kF32;
  Method method = Method::kRtn;
  bool signed_scales =
      false; // a symmetric search may make scales negative: -8 then serves the upper tail

  /// What the largest magnitude of a symmetric scope becomes, in steps of its scale.
  [[nodiscard]] constexpr float reach() const {
    return codebook == Codebook::kF8E4M3 ? 448.0F : static_cast<float>(highest() - lowest()) / 2.0F;
  }
  /// Smallest and largest code, for instance -128 and 127.
  [[nodiscard]] constexpr int32_t lowest() const { return -(1 << (bits - 1)); }
  [[nodiscard]] constexpr int32_t highest() const { return (1 << (bits - 1)) - 1; }
};

} // namespace monoquant::quant
