// How the elements of one tensor become codes, scales and zero points.
// It exists so that planning, encoding and checking mean the same thing by "4 bits, groups of 128".
// A tensor is seen as a matrix: rows are output channels, columns everything that one output is summed over.
#pragma once

#include <cstdint>

#include "monoquant/base/dtype.h"

namespace monoquant::quant {

/// What shares one scale.
enum class Strategy : uint8_t {
  kTensor,
  kChannel,
  kGroup,
  kBlock, // some columns of some rows
};

/// How a scale is chosen.
enum class Method : uint8_t {
  kRtn,  // from the extremes of the values: round to nearest
  kMse,  // searched for the smallest error
  kGptq, // likewise, and each weight makes up for the errors of those before it
};

/// What codes stand for, before the scale.
enum class Codebook : uint8_t {
  kIntegers,     // lowest() to highest()
  kF8E4M3,       // floating-point numbers of one byte, at most 448
  kF4E2M1,       // the same of four bits, at most 6
  kNf4,          // bitsandbytes' quantiles of a normal distribution, -1 to 1
  kFp4,          // bitsandbytes' floats of four bits, -1 to 1
  kFractions,    // of 127: -127 / 127 to 127 / 127
  kEvenIntegers, // as many below zero as above: -127 to 127
};

/// A number for each tensor that its scales are stored beside.
enum class Outer : uint8_t {
  kNone,
  kDivisor, // scales are those stored over it, so that the largest is the largest of their type (NVFP4)
};

struct Scheme {
  Codebook codebook = Codebook::kIntegers;
  uint32_t bits = 8; // 2 to 8
  bool symmetric = true;
  Strategy strategy = Strategy::kChannel;
  uint64_t group_size = 0; // columns that share a scale, where the strategy is kGroup or kBlock
  uint64_t block_rows = 0; // rows that share one, where the strategy is kBlock
  Dtype scale_dtype = Dtype::kF32;
  Method method = Method::kRtn;
  bool has_bias = false; // code * scale + bias, codes from 0 on: quant/affine.h
  bool signed_scales =
      false; // a symmetric search may make scales negative: -8 then serves the upper tail

  Outer outer = Outer::kNone;
  bool nested =
      false; // scales are codes themselves, of the whole tensor's (bitsandbytes' double quantization)
  uint32_t rotation =
      0; // neighbours of a row that are rotated together before they become codes; 0: none

  /// What the largest magnitude of a symmetric scope becomes, in steps of its scale.
  [[nodiscard]] constexpr float reach() const {
    switch (codebook) {
    case Codebook::kF8E4M3:
      return 448.0F;
    case Codebook::kF4E2M1:
      return 6.0F;
    case Codebook::kNf4:
    case Codebook::kFp4:
    case Codebook::kFractions:
      return 1.0F;
    default:
      return static_cast<float>(highest() - lowest()) / 2.0F;
    }
  }
  /// Whether kernels make its codes, and searches for integers its scales; see codebook.h for all others.
  [[nodiscard]] constexpr bool has_kernels() const { return codebook == Codebook::kIntegers; }
  /// Whether each row has scales of its own for some of its columns.
  [[nodiscard]] constexpr bool cuts_rows() const {
    return strategy == Strategy::kGroup || strategy == Strategy::kBlock;
  }
  /// Smallest and largest code, for instance -128 and 127.
  [[nodiscard]] constexpr int32_t lowest() const {
    return codebook == Codebook::kEvenIntegers ? -highest() : -(1 << (bits - 1));
  }
  [[nodiscard]] constexpr int32_t highest() const { return (1 << (bits - 1)) - 1; }
};

} // namespace monoquant::quant
