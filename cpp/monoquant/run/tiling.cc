#include "monoquant/run/tiling.h"

#include <bit>

#include "monoquant/base/checked.h"
#include "monoquant/quant/method.h"
#include "monoquant/quant/search.h"

namespace monoquant::run {
namespace {

// The plan promises searches of all rows up to that length: they must not be cut.
static_assert(kLongRow == quant::kLongestSearch);

/// Rows whose codes fill whole words, of any width. Where bands need more at once, it is because of odd matrices.
constexpr uint64_t kLargestQuantum = 32;

/// Elements that have nothing to do with each other: pseudo-rows of a unit's size.
Tiling cut_flat(uint64_t elements, uint32_t element_bytes) {
  Tiling tiling;
  tiling.elements = elements;
  tiling.element_bytes = element_bytes;
  tiling.columns = kUnitElements;
  tiling.rows = divide_up(elements, kUnitElements);
  tiling.units = tiling.rows;
  tiling.units_per_band = kBandBytes / (kUnitElements * element_bytes);
  return tiling;
}

/// The same in whole rows, of which none is long.
Tiling cut_flat_rows(uint64_t elements, uint32_t element_bytes, uint64_t columns) {
  Tiling tiling = cut_flat(elements, element_bytes);
  tiling.columns = columns;
  tiling.rows = elements / columns;
  tiling.rows_per_unit = std::max<uint64_t>(1, kUnitElements / columns);
  tiling.units = divide_up(tiling.rows, tiling.rows_per_unit);
  tiling.units_per_band =
      std::max<uint64_t>(1, kBandBytes / (tiling.rows_per_unit * columns * element_bytes));
  return tiling;
}

Tiling cut_rows(const catalog::Tensor &tensor, const layout::Stored &stored, uint64_t quantum) {
  Tiling tiling;
  tiling.elements = stored.matrices * stored.rows * stored.columns; // of those that are kept
  tiling.element_bytes = dtype_bits(tensor.dtype) / 8;
  tiling.rows = stored.matrices * stored.rows;
  tiling.columns = stored.columns;
  if (tiling.columns > kLongRow) {
    tiling.parts_per_row = divide_up(tiling.columns, kUnitElements);
  } else if (quantum <= kLargestQuantum) {
    // What is needed of a layer's inputs is as large as several rows: it is to serve many.
    const bool feeds_back = quant::facts_of(stored.scheme.method).needs_moments;
    tiling.rows_per_unit =
        std::max<uint64_t>(1, (feeds_back ? kLongRow : kUnitElements) / tiling.columns);
    if (tiling.rows_per_unit >= 8) {
      tiling.rows_per_unit -= tiling.rows_per_unit % 8;
    }
  } else if (std::has_single_bit(quantum)) { // blocks of rows, which units divide
    const uint64_t rows = std::max<uint64_t>(1, kUnitElements / tiling.columns);
    tiling.rows_per_unit = std::min(std::bit_floor(rows), quantum);
  }
  tiling.units = tiling.parts_per_row > 1 ? tiling.rows * tiling.parts_per_row
                                          : divide_up(tiling.rows, tiling.rows_per_unit);
  if (stored.shares_scale() || stored.has_outer() || stored.scheme.nested) {
    tiling.passes = 2;
    tiling.units_per_band = tiling.units;
    return tiling;
  }
  const bool long_channel =
      tiling.parts_per_row > 1 && stored.scheme.strategy == quant::Strategy::kChannel;
  const bool is_block = stored.scheme.strategy == quant::Strategy::kBlock;
  tiling.passes = long_channel || is_block ? 2 : 1;
  // Whole rows, and as many of them as the quantum asks for.
  const uint64_t units_of_rows = tiling.rows_per_unit % quantum == 0 ? 1
                                 : is_block && quantum % tiling.rows_per_unit == 0
                                     ? quantum / tiling.rows_per_unit
                                     : quantum;
  const uint64_t step = units_of_rows * tiling.parts_per_row;
  const uint64_t step_elements =
      step / tiling.parts_per_row * tiling.rows_per_unit * tiling.columns;
  const uint64_t step_scales = step / tiling.parts_per_row * tiling.rows_per_unit * stored.groups();
  const bool is_held = stored.blocks && stored.blocks->change == layout::RowChange::kInterleave;
  const uint64_t steps =
      std::min((is_held ? kHeldBandBytes : kBandBytes) / (step_elements * tiling.element_bytes),
               kBandScales / std::max<uint64_t>(1, step_scales));
  tiling.units_per_band = std::max<uint64_t>(1, steps) * step;
  return tiling;
}

} // namespace

Tiling cut_tensor(const plan::Plan &plan, size_t index) {
  const plan::TensorPlan &entry = plan.tensors[index];
  const catalog::Tensor &tensor = plan.catalog->tensors[entry.source];
  switch (entry.decision()) {
  case plan::Decision::kQuantize: {
    const layout::Stored &stored = entry.quantize()->stored;
    return cut_rows(tensor, stored, plan.layout->make_codec(stored)->row_quantum());
  }
  case plan::Decision::kConvert:
    if (entry.change && entry.change->zeros > 0) {
      return cut_flat_rows(tensor.elements, dtype_bits(tensor.dtype) / 8, entry.change->columns);
    }
    return cut_flat(tensor.elements, dtype_bits(tensor.dtype) / 8);
  case plan::Decision::kCopy:
    return cut_flat(tensor.bytes, 1);
  case plan::Decision::kTie:
  case plan::Decision::kDrop:
  case plan::Decision::kCorrect: // with the weight's rows
    break;
  }
  return cut_flat(0, 1); // nothing to do
}

} // namespace monoquant::run
