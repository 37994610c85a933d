// A rectangle of what lies in the file as rows of bytes, read and kept as long as it is asked for again.
// It exists for numbers that are packed the other way round than the tensor is read: columns of a matrix of words are
// read as slabs of them, each once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "monoquant/base/byte_window.h"
#include "monoquant/catalog/decoding.h"

namespace monoquant::layout::coded {

//      run            stride: from one run to the next
//     |====|.....|====|.....|====|.....     `runs` of them, the first at `begin` of the part
struct Rectangle {
  const catalog::CodesPart *part = nullptr;
  uint64_t begin = 0; // bytes
  uint64_t run = 0;
  uint64_t runs = 0;
  uint64_t stride = 0;

  bool operator==(const Rectangle &) const = default;
};

class Window {
public:
  void reserve(uint64_t bytes) { bytes_.reserve(static_cast<size_t>(bytes)); }

  /// Where this rectangle is not there already, its bytes are wanted next. It lies in the part.
  void want(Rectangle rectangle);
  /// The next read; nothing when the rectangle is complete.
  [[nodiscard]] std::optional<Need> next(uint64_t most_bytes) const;
  void take(std::span<const uint8_t> bytes);

  /// The runs, one behind the other.
  [[nodiscard]] const uint8_t *data() const { return bytes_.data(); }

private:
  Rectangle held_;
  std::vector<uint8_t> bytes_;
  uint64_t filled_ = 0;
};

} // namespace monoquant::layout::coded
