// The kernels once more, in the plainest code: what kernels.h documents, element by element, sums in f64.
// They exist as the other opinion: they share no arithmetic with scalar.cc, lanes.h or float_convert.h.
// Codes and decoded values are exact; sums are better than the engine's, which are f32 for a while.
#pragma once

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::test {

const quant::Kernels &reference_kernels();

/// Bits of a magnitude in a float format with `mantissa` bits whose smallest normal number is
/// 2^`smallest_exponent`, rounded half to even.
uint32_t round_to_format(double magnitude, int mantissa, int smallest_exponent);

/// The value of a binary format: sign, exponent of `exponent` bits, `mantissa` bits. Infinities and NaN as
/// IEEE has them.
double value_of_format(uint32_t bits, int exponent, int mantissa);

} // namespace monoquant::test
