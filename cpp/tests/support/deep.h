// Whether tests are to be exhaustive, as `npm run test:deep` has it; otherwise they take samples.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <vector>

namespace monoquant::test {

inline bool is_deep() { return std::getenv("MONOQUANT_DEEP") != nullptr; }

/// All cases, or the last one of each `every`: a number that does not divide how often a kind of them comes again, so
/// that each kind is there.
template <typename Case> std::vector<Case> samples(const std::vector<Case> &cases, size_t every) {
  std::vector<Case> some;
  for (size_t i = 0; i < cases.size(); ++i) {
    if (is_deep() || i % every == every - 1) {
      some.push_back(cases[i]);
    }
  }
  return some;
}

} // namespace monoquant::test
