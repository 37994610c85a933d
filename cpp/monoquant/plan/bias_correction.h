// Which biases take back what quantizing their layer's weight does to the mean of its outputs.
// It exists because errors of weights do not cancel where inputs have means, and a bias that is there anyway can make
// up for that: b_i + sum over j of (w - stored w)_ij mean(x_j). Never a new tensor: loaders would not know it.
// What is added is known when rows are encoded: the run writes a bias with the rows of its weight.
#pragma once

#include <map>
#include <set>
#include <string_view>

#include "monoquant/calibration/calibration.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

/// Rows of a corrected weight at most: its bias is held as a whole.
inline constexpr uint64_t kMostCorrectedRows = 1ULL << 20U;

class BiasCorrector {
public:
  /// The plan must outlive this; what it says of a tensor is looked at when that is asked for.
  explicit BiasCorrector(Plan &plan);

  /// The bias beside a tensor that is to be quantized, if it can be corrected: it has an element for each row, and is
  /// copied.
  [[nodiscard]] std::optional<size_t> bias_of(size_t weight) const;

  /// Has the weight correct this bias. False if `statistics` do not say what the means of the layer's inputs are.
  bool correct(size_t weight, size_t bias, const calibration::ModuleStatistics &statistics);

private:
  Plan &plan_;
  std::map<std::string_view, size_t> biases_; // by module
  std::set<size_t> shared_;                   // biases that other names are tied to
};

} // namespace monoquant::plan
