// What a search has found: its front, and how much that dominates.
#include <algorithm>

#include "monoquant/base/sort.h"
#include "monoquant/search/front.h"
#include "monoquant/search/nsga2.h"

namespace monoquant::search {
namespace {

void sort_by_bytes(std::vector<Point> &points) {
  sort(points, [](const Point &a, const Point &b) {
    return a.score.bytes != b.score.bytes ? a.score.bytes < b.score.bytes
                                          : a.score.error < b.score.error;
  });
}

} // namespace

Found Search::found() const {
  std::vector<Choice> all = candidates(true);
  for (const Individual &one : population_) {
    if (one.rank != 0) {
      const auto from = genes(one.slot);
      all.emplace_back(from.begin(), from.end());
    }
  }
  std::vector<Values> values;
  for (const Choice &choice : all) {
    values.push_back(scoring_.score(choice));
  }
  const auto ranks = ranks_of(values);
  Found found;
  for (size_t i = 0; i < all.size(); ++i) {
    Point point{all[i], table_->score(all[i])};
    if (ranks[i] == 0) {
      found.front.push_back(std::move(point));
    } else if (ranks[i] != kDuplicate) {
      found.dominated.push_back(std::move(point));
    }
  }
  sort_by_bytes(found.front);
  sort_by_bytes(found.dominated);
  return found;
}

Measure Search::measure() const {
  std::vector<Values> values;
  for (const Choice &choice : candidates(false)) {
    values.push_back(scoring_.score(choice));
  }
  const auto ranks = ranks_of(values);
  std::vector<Values> front;
  for (size_t i = 0; i < values.size(); ++i) {
    if (ranks[i] == 0) {
      front.push_back(values[i]);
    }
  }
  return {hypervolume(front, scoring_.objectives(), scoring_.ideal(), scoring_.worst()),
          front.size()};
}

} // namespace monoquant::search
