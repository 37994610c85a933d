// An input as a sequence of choices, for properties of things that are made up rather than parsed.
// It exists so that a fuzzer's mutations of bytes are mutations of models and options.
// An input that is used up answers 0, so the first of everything should be the simplest.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "property.h"

namespace monoquant::fuzz {

class Choices {
public:
  explicit Choices(Input input) : rest_(input) {}

  /// From 0 to count - 1. Takes as few bytes as `count` needs: 1, 2 or 8.
  uint64_t below(uint64_t count) {
    const size_t width = count <= 256 ? 1 : count <= 65536 ? 2 : 8;
    uint64_t value = 0;
    for (size_t i = 0; i < width; ++i) {
      value |= uint64_t{byte()} << (8 * i);
    }
    return value % count;
  }
  size_t index(size_t count) { return static_cast<size_t>(below(count)); }
  uint64_t between(uint64_t lowest, uint64_t highest) {
    return lowest + below(highest - lowest + 1);
  }
  bool flag() { return (byte() & 1U) != 0; }
  /// False when the input is used up.
  bool chance(uint64_t one_in) { return below(one_in) == one_in - 1; }
  template <typename T, size_t N> const T &pick(const T (&from)[N]) { return from[index(N)]; }

  Bytes bytes(size_t most) {
    const size_t count = std::min(most, rest_.size());
    const Bytes taken(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(count));
    rest_ = rest_.subspan(count);
    return taken;
  }
  std::string text(size_t most) {
    const Bytes taken = bytes(most);
    return {taken.begin(), taken.end()};
  }
  [[nodiscard]] Input rest() const { return rest_; }
  [[nodiscard]] bool is_over() const { return rest_.empty(); }

private:
  uint8_t byte() {
    if (rest_.empty()) {
      return 0;
    }
    const uint8_t first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }

  Input rest_;
};

} // namespace monoquant::fuzz
