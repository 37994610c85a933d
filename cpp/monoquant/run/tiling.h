// How a tensor is cut for working on it: units, bands, passes.
// It exists so that results never depend on how the host reads: where a cut may lie follows from the plan
// alone, blocks and threads only choose how many units are handled at once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "monoquant/base/checked.h"
#include "monoquant/plan/plan.h"

namespace monoquant::run {

//  tensor  |---------------------------------------------------------------|   bytes in the file
//  bands   |------------------------|------------------------|-------------|   independent of each other
//  slices  |---------|---------|----|---------|---------|----|---------|---|   what one block holds
//  units   |--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|    what one thread takes
//
// A unit is some whole rows; or a part of a very long row; or, where elements have nothing to do with each
// other, just some elements.

/// Elements of a usual unit. Its f32 values fill 64 KiB, which stays in a core's cache.
inline constexpr uint64_t kUnitElements = 16384;
/// Rows longer than this are cut into parts of kUnitElements.
inline constexpr uint64_t kLongRow = 65536;
/// No unit has more bytes than this (a row of kLongRow F64 values), so a block must hold so many.
inline constexpr uint64_t kMaxUnitBytes = kLongRow * 8;
/// Source bytes of a usual band.
inline constexpr uint64_t kBandBytes = 16ULL << 20U;
/// The same where rows change places: what becomes of such a band is kept until it is complete.
inline constexpr uint64_t kHeldBandBytes = 1ULL << 20U;
/// Scales of a usual band: bounds what is kept until the band is complete.
inline constexpr uint64_t kBandScales = 65536;

struct Tiling {
  uint64_t elements = 0;      // of the tensor
  uint32_t element_bytes = 0; // in the source
  uint64_t rows = 1;          // of all matrices
  uint64_t columns = 0;
  uint64_t rows_per_unit = 1;
  uint64_t parts_per_row = 1; // more than one: rows are long, and rows_per_unit is 1
  uint64_t units = 0;
  uint64_t units_per_band = 1;
  uint32_t passes = 1; // 2: the range of all values is needed before the first code

  [[nodiscard]] uint64_t unit_begin(uint64_t unit) const { // first element
    if (parts_per_row > 1) {
      return unit / parts_per_row * columns + unit % parts_per_row * kUnitElements;
    }
    return std::min(unit * rows_per_unit * columns, elements);
  }
  [[nodiscard]] uint64_t unit_end(uint64_t unit) const {
    return unit + 1 >= units ? elements : unit_begin(unit + 1);
  }
  [[nodiscard]] uint64_t unit_row(uint64_t unit) const {
    return unit / parts_per_row * rows_per_unit;
  }
  /// Rows that a block of this size can touch, whole or in part, at most.
  [[nodiscard]] uint64_t rows_in(uint64_t block_bytes) const {
    return std::min(rows, block_bytes / element_bytes / columns + 2);
  }
  /// Units that a block of this size can hold at most. The last part of a long row may be short.
  [[nodiscard]] uint64_t units_in(uint64_t block_bytes) const {
    return std::min(units, divide_up(rows_in(block_bytes), rows_per_unit) * parts_per_row + 1);
  }
  [[nodiscard]] uint64_t bands() const { return units == 0 ? 0 : (units - 1) / units_per_band + 1; }
  [[nodiscard]] uint64_t bytes(uint64_t first_unit, uint64_t end_unit) const {
    return (unit_end(end_unit - 1) - unit_begin(first_unit)) * element_bytes;
  }
};

/// `index`: of a TensorPlan.
Tiling cut_tensor(const plan::Plan &plan, size_t index);

} // namespace monoquant::run
