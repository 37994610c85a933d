// What a file can say of a layer's inputs instead of holding them: sums over them, each a tensor named after the layer.
// It exists because sums of a million tokens take kilobytes, and other programs can make them.
// Any of them may be missing; those of several files are added up.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace monoquant::calibration {

// Of a layer X that takes K channels, over n inputs x:
//   X.in_sum    [K]      sum of x
//   X.in_sum2   [K]      sum of squares. The only one, with counts, that llama.cpp's files have
//   X.in_outer  [K, K]   sum of x x^T; or [blocks, B, B], its blocks along the diagonal, zeros behind the last column
//   X.counts    [1]      n; of a convolution the values of each channel
//   X.in_min    [1]      smallest of all values; or [K], of each channel
//   X.in_max    [1]      largest, likewise
enum class Statistic : uint8_t { kSum, kSquares, kOuter, kCounts, kMin, kMax };

struct StatisticName {
  std::string_view suffix;
  Statistic statistic;
};
inline constexpr std::array<StatisticName, 6> kStatisticNames = {{{".in_sum", Statistic::kSum},
                                                                  {".in_sum2", Statistic::kSquares},
                                                                  {".in_outer", Statistic::kOuter},
                                                                  {".counts", Statistic::kCounts},
                                                                  {".in_min", Statistic::kMin},
                                                                  {".in_max", Statistic::kMax}}};

/// "X.in_sum2" → X, its squares. Nothing for any other name.
inline std::optional<std::pair<std::string_view, Statistic>> statistic_of(std::string_view name) {
  for (const auto &[suffix, statistic] : kStatisticNames) {
    if (name.ends_with(suffix) && name.size() > suffix.size()) {
      return std::pair(name.substr(0, name.size() - suffix.size()), statistic);
    }
  }
  return std::nullopt;
}

} // namespace monoquant::calibration
