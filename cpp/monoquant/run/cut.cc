#include "monoquant/run/cut.h"

#include "monoquant/base/checked.h"
#include "monoquant/quant/search.h"

namespace monoquant::run {
namespace {

// The plan promises searches of all rows up to that length: they must not be cut.
static_assert(kLongRow == quant::kLongestSearch);

/// Elements that have nothing to do with each other: pseudo-rows of a unit's size.
Cut cut_flat(uint64_t elements, uint32_t element_bytes) {
  Cut cut;
  cut.elements = elements;
  cut.element_bytes = element_bytes;
  cut.columns = kUnitElements;
  cut.rows = divide_up(elements, kUnitElements);
  cut.units = cut.rows;
  cut.units_per_band = kBandBytes / (kUnitElements * element_bytes);
  return cut;
}

Cut cut_rows(const catalog::Tensor &tensor, const layout::Stored &stored, uint64_t quantum) {
  Cut cut;
  cut.elements = tensor.elements;
  cut.element_bytes = dtype_bits(tensor.dtype) / 8;
  cut.rows = stored.matrices * stored.rows;
  cut.columns = stored.columns;
  if (cut.columns > kLongRow) {
    cut.parts_per_row = divide_up(cut.columns, kUnitElements);
  } else if (quantum <= 8) {
    cut.rows_per_unit = std::max<uint64_t>(1, kUnitElements / cut.columns);
    if (cut.rows_per_unit >= 8) {
      cut.rows_per_unit -= cut.rows_per_unit % 8;
    }
  }
  cut.units =
      cut.parts_per_row > 1 ? cut.rows * cut.parts_per_row : divide_up(cut.rows, cut.rows_per_unit);
  if (stored.shares_scale()) {
    cut.passes = 2;
    cut.units_per_band = cut.units;
    return cut;
  }
  const bool long_channel =
      cut.parts_per_row > 1 && stored.scheme.strategy == quant::Strategy::kChannel;
  cut.passes = long_channel ? 2 : 1;
  // Whole rows, and as many of them as the quantum asks for.
  const uint64_t step =
      cut.rows_per_unit % quantum == 0 ? cut.parts_per_row : quantum * cut.parts_per_row;
  const uint64_t step_elements = step / cut.parts_per_row * cut.rows_per_unit * cut.columns;
  const uint64_t step_scales = step / cut.parts_per_row * cut.rows_per_unit * stored.groups();
  const uint64_t steps =
      std::min(kBandBytes / (step_elements * cut.element_bytes), kBandScales / step_scales);
  cut.units_per_band = std::max<uint64_t>(1, steps) * step;
  return cut;
}

} // namespace

Cut cut_tensor(const plan::Plan &plan, size_t index) {
  const plan::TensorPlan &entry = plan.tensors[index];
  const catalog::Tensor &tensor = plan.catalog.tensors[entry.source];
  switch (entry.decision()) {
  case plan::Decision::kQuantize: {
    const layout::Stored &stored = entry.quantize()->stored;
    return cut_rows(tensor, stored, plan.layout->make_codec(stored)->row_quantum());
  }
  case plan::Decision::kConvert:
    return cut_flat(tensor.elements, dtype_bits(tensor.dtype) / 8);
  case plan::Decision::kCopy:
    return cut_flat(tensor.bytes, 1);
  case plan::Decision::kTie:
  case plan::Decision::kDrop:
    break;
  }
  return cut_flat(0, 1); // nothing to do
}

} // namespace monoquant::run
