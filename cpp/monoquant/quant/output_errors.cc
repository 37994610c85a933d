#include "monoquant/quant/output_errors.h"

#include <vector>

#include "monoquant/quant/grid.h"

namespace monoquant::quant {

OutputErrors output_errors(const Values &values, size_t size, size_t count, const Scheme &scheme,
                           const QparamsArrays &qparams, std::span<const float> importance) {
  std::vector<float> scratch(values.dtype == Dtype::kF32 ? 0 : values.count());
  const std::span<const float> floats = decode_values(values.dtype, values.bytes, scratch);
  RowGrids grids(scheme, qparams, count, size, size);
  OutputErrors sums;
  for (size_t scope = 0; scope < count; ++scope) {
    const Grid &grid = grids.of(scope, 0);
    for (size_t i = scope * size; i < (scope + 1) * size; ++i) {
      const float value = floats[i];
      const auto weight = static_cast<double>(importance[i]);
      const auto exact = static_cast<double>(value);
      const auto error = static_cast<double>(value - grid.code(value) * grid.scale);
      sums.signal += weight * exact * exact;
      sums.noise += weight * error * error;
    }
  }
  return sums;
}

} // namespace monoquant::quant
