// Encodes one unit: some rows of a tensor from source bytes to codes.
// It exists apart from the stage because this is what threads do; it knows no file and keeps no state.
// A scope is what shares one scale: all scopes of a unit are complete in it unless `qparams` are given.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/plan/plan.h"
#include "monoquant/quant/error_sums.h"
#include "monoquant/quant/qparams.h"

namespace monoquant::run {

/// Bits of infinity: those of larger magnitudes are NaN.
inline constexpr uint32_t kInfinityBits = 0x7F800000U;

/// What a unit leaves behind besides its codes.
struct UnitResult {
  uint32_t magnitude = 0; // bits of the largest |value|; kInfinityBits and above: not finite
  quant::Range range;     // only from `measure`
  quant::ErrorSums sums;
  uint64_t edge_scales =
      0; // scales chosen at the edge of their dtype, for scopes that are not all zeros
};

/// The values of a unit as f32: `from` itself where it holds F32, else decoded into `scratch`.
std::span<const float> decode_unit(Dtype dtype, std::span<const uint8_t> from,
                                   std::span<float> scratch);

/// Largest magnitude and range of the values.
UnitResult measure(std::span<const float> values);

/// How a unit lies in its tensor: in pieces, each a whole row or a part of a long one.
struct UnitShape {
  size_t piece = 0;                       // values in each piece; the unit is a multiple of it
  bool knows_qparams = false;             // they were chosen in an earlier pass
  std::span<const float> importance = {}; // for searches: one for each value of a piece, or none
};

/// Makes the codes of one unit. `qparams`: those of its scopes in order (a group, else a piece; a single one
/// where the whole tensor shares it), chosen here unless they are known. Packed pieces are padded to words.
/// Stops early, with the magnitude that says so, at a value that is not finite.
UnitResult encode_unit(std::span<const float> values, const quant::Scheme &scheme, UnitShape shape,
                       quant::QparamsArrays qparams, uint8_t *codes);

/// F16 or BF16. A magnitude of at least `overflow_magnitude` means that the output is not valid.
UnitResult convert(std::span<const float> values, Dtype target, uint8_t *to);

/// Bits of the smallest f32 that the type rounds to infinity.
uint32_t overflow_magnitude(Dtype target);

} // namespace monoquant::run
