#include "monoquant/quant/output_errors.h"

#include <vector>

#include "monoquant/quant/codebook.h"
#include "monoquant/quant/grid.h"

namespace monoquant::quant {
namespace {

/// Values with the nearest codes of a codebook.
void round_to_codebook(std::span<const float> values, const Scheme &scheme, float scale,
                       std::span<float> rounded) {
  std::vector<uint8_t> codes(values.size());
  nearest_codes(values, scheme.codebook, scale, codes);
  stored_values(codes, scheme.codebook, scale, rounded);
}

} // namespace

OutputErrors output_errors(const Values &values, size_t size, size_t count, const Scheme &scheme,
                           const QparamsArrays &qparams, std::span<const float> importance) {
  std::vector<float> scratch(values.dtype == Dtype::kF32 ? 0 : values.count());
  const std::span<const float> floats = decode_values(values.dtype, values.bytes, scratch);
  std::vector<float> rounded(scheme.has_kernels() ? 0 : size);
  RowGrids grids(scheme, qparams, count, size, size);
  OutputErrors sums;
  for (size_t scope = 0; scope < count; ++scope) {
    const Grid &grid = grids.of(scope, 0);
    if (!rounded.empty()) {
      round_to_codebook(floats.subspan(scope * size, size), scheme, grid.scale, rounded);
    }
    for (size_t i = scope * size; i < (scope + 1) * size; ++i) {
      const float value = floats[i];
      const auto weight = static_cast<double>(importance[i]);
      const auto exact = static_cast<double>(value);
      const float kept =
          rounded.empty() ? grid.code(value) * grid.scale : rounded[i - scope * size];
      const auto error = static_cast<double>(value - kept);
      sums.signal += weight * exact * exact;
      sums.noise += weight * error * error;
    }
  }
  return sums;
}

} // namespace monoquant::quant
