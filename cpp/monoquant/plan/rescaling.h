// Layers whose inputs and weights trade magnitudes: what is before them divides, and their columns multiply.
// It exists so that both sides are changed together or not at all: what the model computes stays the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monoquant/base/json.h"
#include "monoquant/base/result.h"

namespace monoquant::plan {

struct Options;
struct Plan;

//   producer    a norm: its weight and bias; or a linear layer: some of its rows, and their biases      / t
//   balances    the weights of all layers that read what comes out of it, and nothing else does: columns * t
//
// Where several heads of queries share one of values, the columns of a balance are heads of `head` columns each, and
// `repeats` heads in a row belong to the same rows of the producer.

/// By indices of tensors in the catalog. The host has made sure of who reads what.
struct Rescale {
  size_t producer = 0;
  std::optional<size_t> bias = {};
  uint64_t first_row = 0; // of those of the producer that are divided
  std::vector<size_t> balances = {};
  uint64_t head = 1;
  uint64_t repeats = 1;
  std::string how = {};             // "smoothquant 0.5", for people
  std::vector<double> factors = {}; // t of each of these rows; empty while it is to be chosen

  /// Columns of a balance that these rows are read by.
  [[nodiscard]] uint64_t columns() const { return factors.size() * repeats; }
  /// The row, counted from `first_row`, that a column of a balance reads.
  [[nodiscard]] size_t row_of(size_t column) const {
    const auto heads = static_cast<size_t>(head);
    return column / heads / static_cast<size_t>(repeats) * heads + column % heads;
  }
};

/// Reads a list of Rescale (js/engine/engine-options.ts). Errors: kInvalidOptions.
Result<std::vector<Rescale>> read_rescales(const Json &list, size_t tensor_count);

/// Whether all its tensors have the shapes that go together. `rows`: of the producer, that are divided.
bool fits(const Plan &plan, const Rescale &rescale, uint64_t rows);

/// Why its tensors have to stay as they are, though their shapes would do; "" if they need not.
std::string why_kept(const Plan &plan, const Rescale &rescale);

/// Changes the plans of these tensors. Before pruning, which sees the weights as they will be, and after folding.
/// Errors: kInvalidOptions.
Result<void> plan_rescaling(Plan &plan, const Options &options);

} // namespace monoquant::plan
