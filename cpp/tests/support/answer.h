// A host for parsers: answers what they ask for out of a file in memory.
// It exists so that every test of a parser also tests what it asks for.
// A need that is empty, outside of the file or answered before fails the test.
#pragma once

#include <gtest/gtest.h>

#include <variant>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/base/result.h"

namespace monoquant::test {

/// Adds to `window` what is needed and, where `more` is given, that many bytes around it. False where a need is
/// not to be met.
inline bool answer(ByteWindow &window, const std::vector<uint8_t> &file, const Needs &needs,
                   uint64_t more = 0) {
  bool fair = !needs.empty();
  for (const Need need : needs) {
    if (need.length == 0 || !window.contains(need.offset, need.length) ||
        window.find(need.offset, need.length)) {
      fair = false; // nothing, not in the file, or known already
      break;
    }
    const uint64_t begin = need.offset - std::min(need.offset, more);
    const uint64_t end = std::min<uint64_t>(file.size(), need.offset + need.length + more);
    window.add(begin, std::vector<uint8_t>(file.begin() + static_cast<std::ptrdiff_t>(begin),
                                           file.begin() + static_cast<std::ptrdiff_t>(end)));
  }
  EXPECT_TRUE(fair);
  return fair;
}

/// Runs `parse(window)` until it has a result. `rounds` is how often it may ask.
template <typename T, typename Parse>
Result<T> parse_all(ByteWindow &window, const std::vector<uint8_t> &file, Parse parse, int rounds,
                    uint64_t more = 0) {
  for (int round = 0; round <= rounds; ++round) {
    Result<Parsed<T>> step = parse(window);
    if (!step) {
      EXPECT_FALSE(step.error().message.empty());
      return step.error();
    }
    if (auto *done = std::get_if<T>(&step.value())) {
      return std::move(*done);
    }
    if (!answer(window, file, std::get<Needs>(step.value()), more)) {
      break;
    }
  }
  ADD_FAILURE() << "the parser keeps asking";
  return Error{};
}

} // namespace monoquant::test
