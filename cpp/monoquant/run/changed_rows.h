// Some finite values, as the plan wants them changed before they are stored.
// It exists so that codes, scales and plain floats are made of the same values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/plan/value_change.h"
#include "monoquant/quant/pruning.h"
#include "monoquant/quant/values.h"

namespace monoquant::run {

class ChangedRows {
public:
  /// `values`: F32, from element `first` of the tensor on, and whole rows if some become zeros; they must outlive this.
  ChangedRows(const quant::Values &values, uint64_t first, const plan::ValueChange &change);

  [[nodiscard]] quant::Values values() const {
    return pruned_.empty() ? original_ : std::span<const float>(pruned_);
  }
  /// Null if no weights were taken out.
  [[nodiscard]] const quant::PrunedRows *pruned() const { return mask_.empty() ? nullptr : &rows_; }

private:
  void replace(uint64_t first, const std::vector<float> &by);
  void multiply(uint64_t first, const plan::ValueChange &change);
  void prune(const plan::ValueChange &change);

  std::span<const float> original_; // before weights became zeros
  std::vector<float> made_;         // this, if it is not what was given
  std::vector<float> pruned_;
  std::vector<uint8_t> mask_;
  quant::PrunedRows rows_;
};

} // namespace monoquant::run
