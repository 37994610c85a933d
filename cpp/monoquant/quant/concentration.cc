#include "monoquant/quant/concentration.h"

namespace monoquant::quant {

LargestMembers::LargestMembers(uint64_t members, uint64_t each)
    : members_(members),
      largest_(static_cast<size_t>(std::clamp<uint64_t>(members / each, 1, kMostKept))) {
  kept_.reserve(std::min<size_t>(2 * largest_,
                                 static_cast<size_t>(std::min<uint64_t>(members, 2 * kMostKept))));
}

void LargestMembers::keep(double member, uint64_t index) {
  kept_.push_back({member, index});
  if (kept_.size() >= 2 * largest_) {
    cut();
  }
}

/// Leaves the largest alone.
void LargestMembers::cut() {
  if (kept_.size() <= largest_) {
    return;
  }
  const auto end = kept_.begin() + static_cast<std::ptrdiff_t>(largest_);
  std::nth_element(kept_.begin(), end - 1, kept_.end(), [](const Member &a, const Member &b) {
    return a.value > b.value || (a.value == b.value && a.index < b.index);
  });
  kept_.erase(end, kept_.end());
  least_ = kept_.back().value;
}

Concentration LargestMembers::finish(double sum) {
  cut();
  std::sort(kept_.begin(), kept_.end(), [](const Member &a, const Member &b) {
    return a.value > b.value || (a.value == b.value && a.index < b.index);
  });
  Concentration found{members_, largest_, 0, {}};
  if (!(sum > 0)) {
    return found;
  }
  double large = 0;
  for (const Member &member : kept_) {
    large += member.value;
    if (found.named.size() < kMostNamed) {
      found.named.push_back({member.index, member.value / sum});
    }
  }
  // Rounding may make a part of a sum larger than the sum.
  found.share = std::min(1.0, large / sum);
  return found;
}

Concentration concentration_of(std::span<const double> members, uint64_t each) {
  LargestMembers largest(members.size(), each);
  double sum = 0;
  for (const double member : members) {
    largest.add(member);
    sum += member;
  }
  return largest.finish(sum);
}

} // namespace monoquant::quant
