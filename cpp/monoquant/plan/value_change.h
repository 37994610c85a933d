// What becomes of a tensor's values before they are stored.
// It exists beside methods and layouts so that none of them has to know: they are given other values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace monoquant::plan {

/// How it is decided which weights become zeros.
enum class PruneMethod : uint8_t {
  kWanda,     // by their magnitudes and the mean squares of their inputs
  kMagnitude, // by their magnitudes
};
inline constexpr std::string_view kPruneWords[] = {"wanda", "magnitude", "auto"};

/// Done in this order.
struct ValueChange {
  std::shared_ptr<const std::vector<float>> values = {}; // these instead of its own; null: its own
  // What values are multiplied with, in double precision and rounded once to F32: the first `plane` of them with the
  // first factor, and so on. Null: nothing.
  std::shared_ptr<const std::vector<double>> factors = {};
  uint64_t plane = 1;
  // The same of columns: as many as a row has. Both at once are rounded once.
  std::shared_ptr<const std::vector<double>> column_factors = {};
  std::string folded = {};   // the BatchNorm that the former are of
  std::string rescaled = {}; // how both were chosen, if inputs and weights trade magnitudes
  uint64_t columns =
      0; // of a row, if some of its weights become zeros: then whole rows are changed at once
  uint64_t zeros = 0; // weights of each row that do
  // Of the inputs of each column, if weights are chosen by them: finite and not negative.
  std::shared_ptr<const std::vector<float>> squares = {};

  [[nodiscard]] PruneMethod method() const {
    return squares ? PruneMethod::kWanda : PruneMethod::kMagnitude;
  }
};

} // namespace monoquant::plan
