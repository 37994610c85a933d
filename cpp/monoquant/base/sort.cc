#include "monoquant/base/sort.h"

#include <algorithm>
#include <numeric>

namespace monoquant {

/// Merges runs of 1, 2, 4, … places.
std::vector<size_t> sorted_places(size_t count, GoesBefore before, const void *of) {
  std::vector<size_t> places(count);
  std::iota(places.begin(), places.end(), size_t{0});
  std::vector<size_t> merged(count);
  for (size_t run = 1; run < count; run *= 2) {
    for (size_t begin = 0; begin < count; begin += 2 * run) {
      size_t left = begin;
      size_t right = std::min(begin + run, count);
      const size_t middle = right;
      const size_t end = std::min(begin + 2 * run, count);
      for (size_t i = begin; i < end; ++i) {
        const bool from_right =
            left == middle || (right < end && before(of, places[right], places[left]));
        merged[i] = places[from_right ? right++ : left++];
      }
    }
    places.swap(merged);
  }
  return places;
}

} // namespace monoquant
