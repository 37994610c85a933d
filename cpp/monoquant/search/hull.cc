#include "monoquant/search/hull.h"

#include <algorithm>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/search/repair.h"

namespace monoquant::search {
namespace {

double slope_between(const Option &from, const Option &to) {
  return (from.error - to.error) / static_cast<double>(to.bytes - from.bytes);
}

/// Options of a set by size, from the smallest: each larger one loses less. Of equal ones the first.
std::vector<uint16_t> useful_options(std::span<const Option> options) {
  std::vector<uint16_t> order(options.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = static_cast<uint16_t>(i);
  }
  sort(order, [&](uint16_t a, uint16_t b) {
    return options[a].bytes != options[b].bytes ? options[a].bytes < options[b].bytes
                                                : options[a].error < options[b].error;
  });
  std::vector<uint16_t> useful;
  for (const uint16_t i : order) {
    if (useful.empty() || options[i].error < options[useful.back()].error) {
      useful.push_back(i);
    }
  }
  return useful;
}

/// Those on the lower convex hull. Slopes are compared as they are sorted later, so a set's steps stay in order.
std::vector<uint16_t> lower_hull(std::span<const Option> options) {
  std::vector<uint16_t> hull;
  for (const uint16_t next : useful_options(options)) {
    while (hull.size() >= 2 &&
           slope_between(options[hull.back()], options[next]) >=
               slope_between(options[hull[hull.size() - 2]], options[hull.back()])) {
      hull.pop_back();
    }
    hull.push_back(next);
  }
  return hull;
}

} // namespace

Hull::Hull(const Table &table) : table_(&table) {
  for (uint32_t set = 0; set < table.sets(); ++set) {
    const auto options = table.options(set);
    const auto hull = lower_hull(options);
    smallest_.push_back(hull[0]);
    for (size_t i = 1; i < hull.size(); ++i) {
      segments_.push_back(
          {set, hull[i - 1], hull[i], slope_between(options[hull[i - 1]], options[hull[i]])});
    }
  }
  // Stable: of equal slopes the set with the smaller index first.
  sort(segments_, [](const Segment &a, const Segment &b) { return a.slope > b.slope; });
  add_corners();
}

/// Errors are summed from the end of the curve, where they are small: differences of large sums would be rounded.
void Hull::add_corners() {
  corners_.resize(segments_.size() + 1);
  corners_[0].bytes = table_->score(smallest_).bytes;
  corners_.back().error = table_->score(choice_at(segments_.size())).error;
  for (size_t i = segments_.size(); i-- > 0;) {
    const auto [set, from, to, slope] = segments_[i];
    corners_[i].error =
        corners_[i + 1].error + (table_->option(set, from).error - table_->option(set, to).error);
  }
  for (size_t i = 0; i < segments_.size(); ++i) {
    const auto [set, from, to, slope] = segments_[i];
    corners_[i + 1].bytes =
        corners_[i].bytes + (table_->option(set, to).bytes - table_->option(set, from).bytes);
  }
}

Choice Hull::choice_at(size_t corner) const {
  Choice choice = smallest_;
  for (const Segment &segment : std::span(segments_).first(corner)) {
    choice[segment.set] = segment.to;
  }
  return choice;
}

size_t Hull::corner_within(uint64_t bytes) const {
  const auto after =
      std::upper_bound(corners_.begin(), corners_.end(), bytes,
                       [](uint64_t limit, const Corner &corner) { return limit < corner.bytes; });
  return after == corners_.begin() ? 0 : static_cast<size_t>(after - corners_.begin()) - 1;
}

Result<Allocation> Hull::allocate(uint64_t budget) const {
  if (budget < corners_[0].bytes) {
    return Error{.code = ErrorCode::kInvalidOptions,
                 .message =
                     concat("Expected a budget of at least ", corners_[0].bytes,
                            " bytes, the smallest that these options allow; found ", budget, "."),
                 .suggestion = "Allow more bytes, or smaller options.",
                 .tensor = {},
                 .offset = {}};
  }
  const size_t corner = corner_within(budget);
  Allocation best;
  best.choice = choice_at(corner);
  const bool is_last = corner == segments_.size();
  if (!is_last && corners_[corner].bytes < budget) {
    best.choice = repair(*table_, std::move(best.choice), segments_[corner], budget);
  }
  const Score score = table_->score(best.choice);
  best.bytes = score.bytes;
  best.error = score.error;
  best.bound = table_->score(choice_at(corner)).error;
  if (!is_last) {
    best.bound -= segments_[corner].slope * static_cast<double>(budget - corners_[corner].bytes);
  }
  best.bound = std::clamp(best.bound, 0.0, best.error);
  best.is_optimal = is_last || corners_[corner].bytes == budget || best.error == best.bound;
  return best;
}

} // namespace monoquant::search
