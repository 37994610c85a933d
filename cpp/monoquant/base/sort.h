// Sorting: stable, so that equal elements do not depend on anybody's standard library.
// It exists because std::sort is five to ten functions for every type and order, 46 kB of the engine in all.
// Takes two numbers more for each element; never more than n log2(n) comparisons.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace monoquant {

/// Whether element `a` belongs before element `b`; `of` is the caller's own.
using GoesBefore = bool (*)(const void *of, size_t a, size_t b);

/// The places 0 … count - 1 in order.
std::vector<size_t> sorted_places(size_t count, GoesBefore before, const void *of);

/// Sorts by `before(a, b)`, whether element a belongs before b.
template <typename T, typename Before> void sort(std::vector<T> &elements, const Before &before) {
  struct Context {
    const std::vector<T> &elements;
    const Before &before;
  };
  const Context context{elements, before};
  const auto places = sorted_places(
      elements.size(),
      [](const void *of, size_t a, size_t b) {
        const auto &in = *static_cast<const Context *>(of);
        return static_cast<bool>(in.before(in.elements[a], in.elements[b]));
      },
      &context);
  std::vector<T> sorted;
  sorted.reserve(elements.size());
  for (const size_t place : places) {
    sorted.push_back(std::move(elements[place]));
  }
  elements = std::move(sorted);
}

} // namespace monoquant
