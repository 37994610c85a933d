#include "monoquant/search/scoring.h"

#include <algorithm>
#include <cmath>

namespace monoquant::search {
namespace {

double value_of(const Option &option, Objective objective) {
  switch (objective) {
  case Objective::kError:
    return option.error;
  case Objective::kWorst:
    return option.worst;
  case Objective::kBytes:
    return static_cast<double>(option.bytes);
  case Objective::kTime:
    return option.time;
  }
  return 0;
}

/// The power of two by which values are multiplied so that no sum of one a set exceeds 2^52.
double unit_of(const Table &table, Objective objective) {
  if (objective == Objective::kBytes || objective == Objective::kWorst) {
    return 1;
  }
  double most = 0;
  for (uint32_t set = 0; set < table.sets(); ++set) {
    double largest = 0;
    for (const Option &option : table.options(set)) {
      largest = std::max(largest, value_of(option, objective));
    }
    most += largest;
  }
  if (most == 0) {
    return 1;
  }
  int exponent = 0;
  std::frexp(most, &exponent); // most < 2^exponent
  // Half a unit for every set may come on top by rounding.
  return std::ldexp(1.0, std::min(51 - exponent, 1000));
}

} // namespace

Scoring::Scoring(const Table &table, std::span<const Objective> objectives)
    : table_(&table), objectives_(objectives.begin(), objectives.end()),
      costs_(table.all_options().size()) {
  for (size_t i = 0; i < objectives.size(); ++i) {
    const bool is_largest = objectives[i] == Objective::kWorst;
    largest_at_ = is_largest ? i : largest_at_;
    const bool is_rounded = objectives[i] == Objective::kError || objectives[i] == Objective::kTime;
    const double unit = unit_of(table, objectives[i]);
    for (size_t option = 0; option < costs_.size(); ++option) {
      const double value = value_of(table.all_options()[option], objectives[i]);
      costs_[option][i] = is_rounded ? std::floor(value * unit + 0.5) : value;
    }
    if (objectives[i] == Objective::kBytes) {
      ideal_[i] = worst_[i] = static_cast<double>(table.fixed_bytes());
    }
    for (uint32_t set = 0; set < table.sets(); ++set) {
      double least = costs_[table.begin(set)][i];
      double most = least;
      for (uint32_t option = 1; option < table.options(set).size(); ++option) {
        least = std::min(least, costs_[table.begin(set) + option][i]);
        most = std::max(most, costs_[table.begin(set) + option][i]);
      }
      ideal_[i] = is_largest ? std::max(ideal_[i], least) : ideal_[i] + least;
      worst_[i] = is_largest ? std::max(worst_[i], most) : worst_[i] + most;
    }
  }
}

Values Scoring::score(std::span<const uint16_t> choice) const {
  Values sums = {};
  double largest = 0;
  for (uint32_t set = 0; set < table_->sets(); ++set) {
    const Values &costs = costs_[table_->begin(set) + choice[set]];
    if (largest_at_ < kObjectives) {
      largest = std::max(largest, costs[largest_at_]);
    }
    for (size_t i = 0; i < kObjectives; ++i) {
      sums[i] += costs[i];
    }
  }
  for (size_t i = 0; i < objectives_.size(); ++i) {
    if (objectives_[i] == Objective::kBytes) {
      sums[i] += static_cast<double>(table_->fixed_bytes());
    }
  }
  if (largest_at_ < kObjectives) {
    sums[largest_at_] = largest;
  }
  return sums;
}

void Candidate::change(uint32_t set, uint16_t option) {
  const uint32_t begin = scoring_.table_->begin(set);
  const Values &before = scoring_.costs_[begin + choice_[set]];
  const Values &after = scoring_.costs_[begin + option];
  choice_[set] = option;
  const size_t largest_at = scoring_.largest_at_;
  const double largest = largest_at < kObjectives ? values_[largest_at] : 0;
  for (size_t i = 0; i < kObjectives; ++i) {
    values_[i] += after[i] - before[i];
  }
  if (largest_at < kObjectives) {
    values_[largest_at] = std::max(largest, after[largest_at]);
    lost_largest_ = lost_largest_ || before[largest_at] == largest;
  }
}

Values Candidate::finish() {
  const size_t largest_at = scoring_.largest_at_;
  if (lost_largest_) {
    double largest = 0;
    for (uint32_t set = 0; set < choice_.size(); ++set) {
      largest = std::max(largest,
                         scoring_.costs_[scoring_.table_->begin(set) + choice_[set]][largest_at]);
    }
    values_[largest_at] = largest;
    lost_largest_ = false;
  }
  return values_;
}

} // namespace monoquant::search
