// A table seen by a search: choices and their values, which follow a changed option without a new sum.
// It exists because a search looks at millions of choices that differ in a few sets.
// Always: a choice has one score, whichever changes led to it. Sums are of whole numbers below 2^53, so they are exact
// in any order: errors and times are counted in a unit, a power of two, of which no choice has more than 2^52.
#pragma once

#include "monoquant/search/objectives.h"
#include "monoquant/search/table.h"

namespace monoquant::search {

class Scoring {
public:
  /// `objectives`: 1 to 4, each once. The table must outlive it.
  Scoring(const Table &table, std::span<const Objective> objectives);

  [[nodiscard]] const Table &table() const { return *table_; }
  [[nodiscard]] size_t objectives() const { return objectives_.size(); }
  /// The values of no choice are smaller, or larger.
  [[nodiscard]] const Values &ideal() const { return ideal_; }
  [[nodiscard]] const Values &worst() const { return worst_; }

  [[nodiscard]] Values score(std::span<const uint16_t> choice) const;

private:
  friend class Candidate;

  const Table *table_;
  std::vector<Objective> objectives_;
  size_t largest_at_ = kObjectives; // the objective that is no sum; none: kObjectives
  std::vector<Values> costs_;       // of every option of the table
  Values ideal_ = {};
  Values worst_ = {};
};

/// A choice that is changed, and its values.
class Candidate {
public:
  Candidate(const Scoring &scoring, std::span<uint16_t> choice, const Values &values)
      : scoring_(scoring), choice_(choice), values_(values) {}

  [[nodiscard]] uint16_t option(uint32_t set) const { return choice_[set]; }
  void change(uint32_t set, uint16_t option);
  /// Its values now.
  [[nodiscard]] Values finish();

private:
  const Scoring &scoring_;
  std::span<uint16_t> choice_;
  Values values_;
  bool lost_largest_ = false; // a set that had the largest value has another one
};

} // namespace monoquant::search
