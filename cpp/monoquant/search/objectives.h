// What can be wanted of a choice, and a choice's values of it: all of them are better if they are smaller.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace monoquant::search {

enum class Objective : uint8_t { kError, kWorst, kBytes, kTime };
inline constexpr size_t kObjectives = 4;
inline constexpr std::string_view kObjectiveWords[] = {"error", "worst", "bytes", "time"};

/// The values of the objectives that are wanted, in their order; 0 behind them.
using Values = std::array<double, kObjectives>;

/// Whether `a` is nowhere worse than `b` and somewhere better.
inline bool dominates(const Values &a, const Values &b) {
  bool is_better = false;
  for (size_t i = 0; i < kObjectives; ++i) {
    if (a[i] > b[i]) {
      return false;
    }
    is_better = is_better || a[i] < b[i];
  }
  return is_better;
}

} // namespace monoquant::search
