// Encodes one unit: some rows of a tensor from source bytes to codes.
// It exists apart from the stage because this is what threads do; it knows no file and keeps no state.
// A scope is what shares one scale: all scopes of a unit are complete in it unless `qparams` are given.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/layout/row_codec.h"
#include "monoquant/quant/error_feedback.h"
#include "monoquant/quant/error_sums.h"
#include "monoquant/quant/kernels/kernels.h"
#include "monoquant/quant/pruning.h"
#include "monoquant/quant/qparams.h"
#include "monoquant/quant/values.h"

namespace monoquant::run {

using quant::kInfinityBits;
using quant::Values;

/// Bits of the smallest magnitude that does not become codes. From 2^126 on scales, rounded up, may make the outermost
/// codes stand for more than f32 holds; below 2^18 they are at most 2 * 2^18 / 15, which F16 holds.
inline constexpr uint32_t too_large_for_codes(Dtype scale_dtype) {
  return scale_dtype == Dtype::kF16 ? 0x48800000U : 0x7E800000U;
}

/// What a unit leaves behind besides its codes.
struct UnitResult {
  uint32_t magnitude = 0; // bits of the largest |value|; kInfinityBits and above: not finite
  quant::Range range;     // only from `measure`
  quant::ErrorSums sums;
  uint64_t edge_scales =
      0; // scales chosen at the edge of their dtype, for scopes that are not all zeros
};

/// Largest magnitude and range of the values.
UnitResult measure(const Values &values);

/// Asks how far the errors of a unit's pieces move the means of outputs.
struct MeanErrors {
  std::span<const float> means =
      {};                  // of the inputs of all columns, for one group of rows after the other
  size_t columns = 0;      // of the tensor
  size_t first_column = 0; // of the pieces
  uint64_t first_row = 0;  // of the first of them
  uint64_t rows_per_group = 1;
  std::span<double> sums = {}; // one a piece; none: nobody asks

  [[nodiscard]] std::span<const float> of(size_t piece, size_t first, size_t count) const {
    const auto group = static_cast<size_t>((first_row + piece) / rows_per_group);
    return means.subspan(group * columns + first_column + first, count);
  }
};

/// How a unit lies in its tensor: in pieces, each a whole row or a part of a long one.
struct UnitShape {
  size_t write = 0;                       // values in each piece; the unit is a multiple of it
  bool knows_qparams = false;             // they were chosen in an earlier pass
  std::span<const float> importance = {}; // for searches: one for each value of a piece, or none
  const quant::ErrorFeedback *feedback = nullptr; // for methods that need moments: of whole rows
  bool takes_any = false;                         // of blocks: also values that are not finite
  MeanErrors mean_errors = {};
  // What whole rows were before some of their weights became zeros, which the values of the unit are; null: the same.
  const quant::PrunedRows *pruned = nullptr;
};

/// Stores one unit. `qparams`: those of its scopes in order (a group, else a piece; a single one where the whole tensor
/// shares it), chosen here unless they are known. Pieces are padded with zeros.
/// Stops early, with the magnitude that says so, at a value that is not finite. Errors are those of the original rows.
UnitResult encode_unit(const Values &values, const quant::Scheme &scheme,
                       const layout::RowCodec &codec, UnitShape shape, quant::QparamsArrays qparams,
                       uint8_t *to);

/// Stores whole rows, or parts of one long row, as blocks, whose scales are the layout's affair. `values` are F32. The
/// largest finite magnitude means that something stored is not finite.
UnitResult encode_blocks(const Values &values, const layout::RowCodec &codec,
                         const UnitShape &shape, uint8_t *to);

/// F16 or BF16; of F32 also F32. A magnitude of at least `overflow_magnitude` means that the output is not valid.
UnitResult convert(const Values &values, Dtype target, uint8_t *to);

/// Bits of the smallest f32 that the type rounds to infinity.
uint32_t overflow_magnitude(Dtype target);

} // namespace monoquant::run
