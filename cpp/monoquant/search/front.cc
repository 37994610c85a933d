#include "monoquant/search/front.h"

#include <algorithm>
#include <limits>

#include "monoquant/base/sort.h"

namespace monoquant::search {
namespace {

/// The indices of the points by their values, the first objective first: none is dominated by one behind it.
std::vector<uint32_t> in_order(std::span<const Values> points) {
  std::vector<uint32_t> order(points.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  sort(order, [&](uint32_t a, uint32_t b) { return points[a] < points[b]; });
  return order;
}

} // namespace

/// Each point joins the first front in which none dominates it. Fronts are looked through from the back, where its
/// neighbours are, and found by halving: who is dominated in one is dominated in all before it.
std::vector<uint32_t> ranks_of(std::span<const Values> points) {
  std::vector<uint32_t> ranks(points.size(), kDuplicate);
  std::vector<std::vector<uint32_t>> fronts;
  const Values *before = nullptr;
  for (const uint32_t index : in_order(points)) {
    const Values &point = points[index];
    if (before != nullptr && *before == point) {
      continue;
    }
    before = &point;
    const auto free = std::partition_point(fronts.begin(), fronts.end(), [&](const auto &front) {
      return std::any_of(front.rbegin(), front.rend(),
                         [&](uint32_t other) { return dominates(points[other], point); });
    });
    ranks[index] = static_cast<uint32_t>(free - fronts.begin());
    if (free == fronts.end()) {
      fronts.emplace_back();
    }
    fronts[ranks[index]].push_back(index);
  }
  return ranks;
}

std::vector<double> crowding_of(std::span<const Values> front) {
  constexpr double kEnd = std::numeric_limits<double>::infinity();
  std::vector<double> crowding(front.size());
  std::vector<uint32_t> order(front.size());
  for (size_t objective = 0; objective < kObjectives; ++objective) {
    for (uint32_t i = 0; i < order.size(); ++i) {
      order[i] = i;
    }
    sort(order, [&](uint32_t a, uint32_t b) { return front[a][objective] < front[b][objective]; });
    if (order.empty() || front[order[0]][objective] == front[order.back()][objective]) {
      continue;
    }
    const double width = front[order.back()][objective] - front[order[0]][objective];
    crowding[order[0]] = kEnd;
    crowding[order.back()] = kEnd;
    for (size_t i = 1; i + 1 < order.size(); ++i) {
      crowding[order[i]] +=
          (front[order[i + 1]][objective] - front[order[i - 1]][objective]) / width;
    }
  }
  return crowding;
}

} // namespace monoquant::search
