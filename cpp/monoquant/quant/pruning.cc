#include "monoquant/quant/pruning.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace monoquant::quant {

uint64_t pruned_of(uint64_t columns, double percent) {
  return static_cast<uint64_t>(static_cast<double>(columns) * percent / 100.0);
}

void choose_pruned(std::span<const float> row, uint64_t zeros, std::span<const float> squares,
                   std::span<uint8_t> mask) {
  std::fill(mask.begin(), mask.end(), uint8_t{0});
  // Squares order weights as their magnitudes do: each has 48 bits, which a double holds.
  std::vector<std::pair<double, uint32_t>> scores(row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    const auto value = static_cast<double>(row[i]);
    const double by = squares.empty() ? 1.0 : static_cast<double>(squares[i]);
    scores[i] = {value * value * by, static_cast<uint32_t>(i)};
  }
  const auto count = static_cast<std::ptrdiff_t>(zeros);
  std::nth_element(scores.begin(), scores.begin() + count, scores.end());
  for (size_t i = 0; i < zeros; ++i) {
    mask[scores[i].second] = 1;
  }
}

void add_pruned(const PrunedRows &pruned, std::span<const float> importance, ErrorSums &sums) {
  ErrorSums lost;
  for (size_t i = 0; i < pruned.mask.size(); ++i) {
    if (pruned.mask[i] == 0) {
      continue;
    }
    const auto value = static_cast<double>(pruned.original[i]);
    lost.signal += value * value;
    lost.peak = std::max(lost.peak, std::fabs(pruned.original[i]));
    if (!importance.empty()) {
      lost.output.signal += static_cast<double>(importance[i % importance.size()]) * value * value;
    }
  }
  lost.noise = lost.signal; // all of it
  lost.output.noise = lost.output.signal;
  sums.add(lost);
}

} // namespace monoquant::quant
