// Runs two tables of kernels over the same inputs, random and adversarial, and compares every byte they make.
// It exists so that the native tests and the WebAssembly program check the same things; no test framework.
// Inputs follow from the seed. Output memory is watched before and behind what a kernel may write.
#pragma once

#include <cstdint>
#include <string>

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::test {

enum class SumsMatch : uint8_t {
  kToTheBit,
  kWithinRounding, // `expected` has exact sums, `actual` some rounding errors of f32
};

/// Each returns "" or the first difference in words.
std::string compare_decoding(const quant::Kernels &expected, const quant::Kernels &actual,
                             SumsMatch match);
std::string compare_measuring(const quant::Kernels &expected, const quant::Kernels &actual,
                              uint64_t seed);
std::string compare_codes(const quant::Kernels &expected, const quant::Kernels &actual,
                          uint64_t seed, SumsMatch match);
std::string compare_searching(const quant::Kernels &expected, const quant::Kernels &actual,
                              uint64_t seed, SumsMatch match);
std::string compare_narrowing(const quant::Kernels &expected, const quant::Kernels &actual,
                              uint64_t seed, SumsMatch match);
/// Everything that takes F16 or BF16, with all 65,536 of each that it takes.
std::string compare_all_halves(const quant::Kernels &expected, const quant::Kernels &actual,
                               SumsMatch match);

} // namespace monoquant::test
