#include "monoquant/quant/output_errors.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "monoquant/quant/affine.h"
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

/// Calls `take(index, exact, error)` for each value, in order.
template <typename Take>
void for_each_error(const Values &values, size_t size, size_t count, const Scheme &scheme,
                    const QparamsArrays &qparams, const Take &take) {
  std::vector<float> scratch(values.dtype == Dtype::kF32 ? 0 : values.count());
  const std::span<const float> floats = decode_values(values.dtype, values.bytes, scratch);
  std::vector<float> rounded(scheme.has_kernels() ? 0 : size);
  RowGrids grids(scheme, qparams, count, size, size);
  for (size_t scope = 0; scope < count; ++scope) {
    const Grid &grid = grids.of(scope, 0);
    if (!rounded.empty()) {
      round_to_codebook(floats.subspan(scope * size, size), scheme, grid.scale, rounded);
    }
    for (size_t i = scope * size; i < (scope + 1) * size; ++i) {
      const float value = floats[i];
      const float kept =
          rounded.empty() ? grid.code(value) * grid.scale : rounded[i - scope * size];
      take(i, static_cast<double>(value), static_cast<double>(value - kept));
    }
  }
}

/// Codes are the nearest ones to what was chosen, errors those of what is stored of it: what layouts with biases write.
double mean_error_of_affine(const Values &values, size_t size, size_t count, const Scheme &scheme,
                            const QparamsArrays &qparams, std::span<const float> means) {
  std::vector<float> scratch(values.dtype == Dtype::kF32 ? 0 : values.count());
  const std::span<const float> floats = decode_values(values.dtype, values.bytes, scratch);
  const auto highest = static_cast<float>(scheme.highest() - scheme.lowest());
  double sum = 0;
  for (size_t scope = 0; scope < count; ++scope) {
    const Affine chosen = Affine::of(qparams, scope);
    const auto [scale, bias] = chosen.rounded(scheme.scale_dtype);
    for (size_t i = scope * size; i < (scope + 1) * size; ++i) {
      const float steps = (floats[i] - chosen.bias) / chosen.scale;
      const float code = std::nearbyint(std::min(std::max(steps, 0.0F), highest));
      const double stored =
          static_cast<double>(code) * static_cast<double>(scale) + static_cast<double>(bias);
      sum += (static_cast<double>(floats[i]) - stored) * static_cast<double>(means[i]);
    }
  }
  return sum;
}

} // namespace

OutputErrors output_errors(const Values &values, size_t size, size_t count, const Scheme &scheme,
                           const QparamsArrays &qparams, std::span<const float> importance) {
  OutputErrors sums;
  for_each_error(values, size, count, scheme, qparams, [&](size_t i, double exact, double error) {
    const auto weight = static_cast<double>(importance[i]);
    sums.signal += weight * exact * exact;
    sums.noise += weight * error * error;
  });
  return sums;
}

double mean_error(const Values &values, size_t size, size_t count, const Scheme &scheme,
                  const QparamsArrays &qparams, std::span<const float> means) {
  if (scheme.has_bias) {
    return mean_error_of_affine(values, size, count, scheme, qparams, means);
  }
  double sum = 0;
  for_each_error(values, size, count, scheme, qparams, [&](size_t i, double, double error) {
    sum += error * static_cast<double>(means[i]);
  });
  return sum;
}

} // namespace monoquant::quant
