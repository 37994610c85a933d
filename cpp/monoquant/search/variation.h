// How a search makes new choices of known ones: the genes of two parents mixed, and small changes.
// Most changes keep the bytes: one set goes up a level, others go down until they have paid for it, because a point
// that only moves along the front is none that improves it. Source of the level switch: EvoPress (arXiv 2410.14649).
#pragma once

#include "monoquant/base/split_mix.h"
#include "monoquant/search/scoring.h"

namespace monoquant::search {

/// The options of every set from the smallest to the largest.
class Levels {
public:
  explicit Levels(const Table &table);

  [[nodiscard]] uint16_t level_of(uint32_t set, uint16_t option) const {
    return level_of_[table_->begin(set) + option];
  }
  [[nodiscard]] uint16_t option_at(uint32_t set, uint16_t level) const {
    return option_at_[table_->begin(set) + level];
  }
  [[nodiscard]] const Table &table() const { return *table_; }

private:
  const Table *table_;
  std::vector<uint16_t> level_of_;
  std::vector<uint16_t> option_at_;
};

/// Each gene of the candidate is replaced by that of `other` with a chance of a half.
void mix(Candidate &candidate, std::span<const uint16_t> other, SplitMix64 &numbers);

/// One to three small changes. There must be a set.
void mutate(Candidate &candidate, const Levels &levels, SplitMix64 &numbers);

} // namespace monoquant::search
