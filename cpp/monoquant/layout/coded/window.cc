#include "monoquant/layout/coded/window.h"

#include <algorithm>

namespace monoquant::layout::coded {

void Window::want(Rectangle rectangle) {
  if (rectangle.run == rectangle.stride || rectangle.runs == 1) { // without holes
    rectangle.run *= rectangle.runs;
    rectangle.runs = 1;
    rectangle.stride = rectangle.run;
  }
  if (rectangle == held_ && filled_ == held_.run * held_.runs) {
    return;
  }
  held_ = rectangle;
  bytes_.resize(static_cast<size_t>(held_.run * held_.runs));
  filled_ = 0;
  if (!held_.part->literal.empty()) {
    const std::span<const uint8_t> literal = held_.part->literal;
    for (uint64_t run = 0; run < held_.runs; ++run) {
      take(literal.subspan(static_cast<size_t>(held_.begin + run * held_.stride),
                           static_cast<size_t>(held_.run)));
    }
  }
}

std::optional<Need> Window::next(uint64_t most_bytes) const {
  if (filled_ == held_.run * held_.runs) {
    return std::nullopt;
  }
  const uint64_t within = filled_ % held_.run;
  return Need{held_.part->offset + held_.begin + filled_ / held_.run * held_.stride + within,
              std::min(held_.run - within, most_bytes)};
}

void Window::take(std::span<const uint8_t> bytes) {
  std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(filled_));
  filled_ += bytes.size();
}

} // namespace monoquant::layout::coded
