// Which option every set gets for a budget of bytes, so that the errors' sum is smallest.
// It exists because two sums need no search: the lower convex hulls of all sets, merged, are all best choices at
// their corners, and between two corners one step of one set is undecided at most.
// Always: a larger budget never gives a larger error, and equal inputs give equal choices.
//
//   error                     A set's options, and its lower hull (o): from the smallest
//     o                       down to the one that loses least. Segments are taken from the
//      \   x                  steepest, whichever set they are of.
//       o.    x
//          ` o - - o
//     bytes ------------>
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/search/table.h"

namespace monoquant::search {

/// A step of one set from one corner of its hull to the next.
struct Segment {
  uint32_t set = 0;
  uint16_t from = 0; // options of the set
  uint16_t to = 0;
  double slope = 0; // error that goes for a byte
};

/// A point of the whole size-error curve, each after one segment more.
struct Corner {
  uint64_t bytes = 0; // of the whole file
  double error = 0;
};

struct Allocation {
  Choice choice;
  uint64_t bytes = 0;
  double error = 0;
  double bound = 0;        // no choice of at most the budget's bytes has a smaller error
  bool is_optimal = false; // nothing is better, and the bound shows it
};

class Hull {
public:
  /// The table must outlive it.
  explicit Hull(const Table &table);

  /// From the smallest file to the one with the least error.
  [[nodiscard]] std::span<const Corner> curve() const { return corners_; }
  [[nodiscard]] Choice choice_at(size_t corner) const;
  /// The last corner of at most so many bytes; the first one if there is none.
  [[nodiscard]] size_t corner_within(uint64_t bytes) const;

  /// The best choice of at most `budget` bytes that is found: the last corner within, and what still fits beside it.
  /// Errors: kInvalidOptions for a budget below the smallest file.
  [[nodiscard]] Result<Allocation> allocate(uint64_t budget) const;

private:
  void add_corners();

  const Table *table_;
  std::vector<Segment> segments_; // in the order in which they are taken
  std::vector<Corner> corners_;   // one more than segments
  Choice smallest_;
};

} // namespace monoquant::search
