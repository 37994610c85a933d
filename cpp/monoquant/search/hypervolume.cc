// The measure of what points dominate, slice by slice: a volume is the sum of slices, each a volume of one objective
// less, and the last two are a staircase. Every sum runs in the order of the sorted points.
#include <algorithm>

#include "monoquant/base/sort.h"
#include "monoquant/search/front.h"

namespace monoquant::search {
namespace {

/// Points of the plane of which none dominates another, from left to right, and the area below 1 that they dominate.
class Staircase {
public:
  void add(double x, double y) {
    auto at = std::lower_bound(steps_.begin(), steps_.end(), x,
                               [](const Step &step, double limit) { return step.x < limit; });
    const double above = at == steps_.begin() ? 1 : (at - 1)->y;
    if (y >= above || x >= 1) {
      return;
    }
    // What it takes away from the steps behind it, up to the first that is lower.
    double left = x;
    double height = above;
    auto end = at;
    for (; end != steps_.end() && end->y >= y; ++end) {
      area_ += (end->x - left) * (height - y);
      left = end->x;
      height = end->y;
    }
    const double right = end == steps_.end() ? 1 : end->x;
    area_ += (right - left) * (height - y);
    at = steps_.erase(at, end);
    steps_.insert(at, {x, y});
  }
  [[nodiscard]] double area() const { return area_; }

private:
  struct Step {
    double x, y;
  };
  std::vector<Step> steps_;
  double area_ = 0;
};

/// Of the first `objectives` values, 2 to 4, of points between 0 and 1.
double volume(std::vector<Values> points, size_t objectives) {
  const size_t last = objectives - 1;
  if (objectives == 2) {
    Staircase stairs;
    for (const Values &point : points) {
      stairs.add(point[0], point[1]);
    }
    return stairs.area();
  }
  sort(points, [&](const Values &a, const Values &b) { return a[last] < b[last]; });
  double sum = 0;
  Staircase stairs;
  std::vector<Values> slice;
  for (size_t i = 0; i < points.size(); ++i) {
    stairs.add(points[i][0], points[i][1]);
    slice.push_back(points[i]);
    const double end = i + 1 < points.size() ? points[i + 1][last] : 1;
    if (end > points[i][last]) {
      sum += (end - points[i][last]) * (objectives == 3 ? stairs.area() : volume(slice, last));
    }
  }
  return sum;
}

} // namespace

double hypervolume(std::span<const Values> points, size_t objectives, const Values &ideal,
                   const Values &worst) {
  std::vector<Values> scaled;
  for (const Values &point : points) {
    Values part = {};
    for (size_t i = 0; i < objectives; ++i) {
      const double width = worst[i] - ideal[i];
      part[i] = width > 0 ? std::clamp((point[i] - ideal[i]) / width, 0.0, 1.0) : 0;
    }
    scaled.push_back(part);
  }
  // Of one objective it is a length, the area over a side of 1.
  return scaled.empty() ? 0 : volume(std::move(scaled), std::max<size_t>(objectives, 2));
}

} // namespace monoquant::search
