#include "monoquant/run/changed_rows.h"

#include <algorithm>

namespace monoquant::run {

ChangedRows::ChangedRows(const quant::Values &values, uint64_t first,
                         const plan::ValueChange &change)
    : original_(reinterpret_cast<const float *>(values.bytes.data()), values.count()) {
  if (change.values) {
    replace(first, *change.values);
  }
  if (change.factors || change.column_factors) {
    multiply(first, change);
  }
  if (change.zeros > 0) {
    prune(change);
  }
}

void ChangedRows::replace(uint64_t first, const std::vector<float> &by) {
  const auto begin = by.begin() + static_cast<std::ptrdiff_t>(first);
  made_.assign(begin, begin + static_cast<std::ptrdiff_t>(original_.size()));
  original_ = made_;
}

void ChangedRows::multiply(uint64_t first, const plan::ValueChange &change) {
  made_.resize(original_.size());
  const std::vector<double> one{1.0};
  const std::vector<double> &columns = change.column_factors ? *change.column_factors : one;
  auto column = static_cast<size_t>(first % columns.size());
  auto plane = static_cast<size_t>(first / change.plane);
  uint64_t left = change.plane - first % change.plane; // values of this plane
  for (size_t i = 0; i < made_.size(); ++i) {
    double value = static_cast<double>(original_[i]);
    if (change.factors) {
      value *= (*change.factors)[plane];
    }
    made_[i] = static_cast<float>(value * columns[column]);
    column = column + 1 == columns.size() ? 0 : column + 1;
    if (--left == 0) {
      left = change.plane;
      ++plane;
    }
  }
  original_ = made_;
}

void ChangedRows::prune(const plan::ValueChange &change) {
  const auto columns = static_cast<size_t>(change.columns);
  const std::span<const float> squares =
      change.squares ? std::span<const float>(*change.squares) : std::span<const float>();
  pruned_.assign(original_.begin(), original_.end());
  mask_.resize(original_.size());
  for (size_t at = 0; at + columns <= mask_.size(); at += columns) {
    quant::choose_pruned(original_.subspan(at, columns), change.zeros, squares,
                         std::span(mask_).subspan(at, columns));
  }
  for (size_t i = 0; i < mask_.size(); ++i) {
    pruned_[i] = mask_[i] != 0 ? 0.0F : pruned_[i];
  }
  rows_ = {original_, mask_};
}

} // namespace monoquant::run
