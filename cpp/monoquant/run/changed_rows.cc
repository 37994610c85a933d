#include "monoquant/run/changed_rows.h"

#include <algorithm>

namespace monoquant::run {

ChangedRows::ChangedRows(const quant::Values &values, uint64_t first,
                         const plan::ValueChange &change)
    : original_(reinterpret_cast<const float *>(values.bytes.data()), values.count()) {
  if (change.values) {
    replace(first, *change.values);
  }
  if (change.factors) {
    multiply(first, *change.factors, change.plane);
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

void ChangedRows::multiply(uint64_t first, const std::vector<double> &factors, uint64_t plane) {
  made_.resize(original_.size());
  for (size_t i = 0; i < made_.size(); ++i) {
    const double factor = factors[static_cast<size_t>((first + i) / plane)];
    made_[i] = static_cast<float>(static_cast<double>(original_[i]) * factor);
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
