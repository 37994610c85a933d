// Numbers of one or more rows of a matrix, taken from the words that hold them.
// It holds the words of one rectangle at a time.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/catalog/decoding.h"
#include "monoquant/layout/coded/window.h"

namespace monoquant::layout::coded {

/// Rows and columns of the matrix that the numbers stand for: of one of several that lie behind each other.
struct Area {
  uint64_t matrix = 0;
  uint64_t first_row = 0;
  uint64_t end_row = 0;
  uint64_t first_column = 0;
  uint64_t end_column = 0;
};

class FieldReader {
public:
  /// Makes the words that hold this area wanted. Of numbers that lie apart along the rows, the rows are all of one part
  /// (see `rows_apart`).
  void want(const catalog::Fields &fields, const Area &area);
  [[nodiscard]] Window &window() { return window_; }

  /// Numbers of at most 8 bits of one row of the area, from `column` on, as they are stored.
  void read_row(uint64_t row, uint64_t column, std::span<uint8_t> to) const;
  [[nodiscard]] uint32_t packed(uint64_t row, uint64_t column) const;
  /// Where a whole element lies.
  [[nodiscard]] const uint8_t *element(uint64_t row, uint64_t column) const;

private:
  /// Where a number lies: its word, and its lowest bit in there.
  struct Place {
    uint64_t word = 0;
    uint32_t bit = 0;
  };
  [[nodiscard]] Place place(uint64_t row, uint64_t column) const;
  [[nodiscard]] uint64_t load(uint64_t word) const;

  const catalog::Fields *fields_ = nullptr;
  Window window_;
  uint64_t first_down_ = 0; // words that the window holds
  uint64_t first_across_ = 0;
  uint64_t across_ = 0;
};

/// Rows that are parts of their own where numbers lie apart along these: a word holds one of each.
uint64_t rows_apart(const catalog::Fields &fields);

} // namespace monoquant::layout::coded
