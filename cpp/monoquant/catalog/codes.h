// How a tensor is stored as codes: what is needed to compute its values again.
// It exists so that a quantized tensor can be opened as one tensor of values, under its original name and shape.
// All extents were checked to lie in the file, and all counts to agree with each other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/catalog/decoding.h"

namespace monoquant::catalog {

/// value = (code - zero_point) * scale, in f32. Elements in row-major order; `scope` of them, one after the other,
/// share a scale and a zero point.
struct Codes {
  using Part = CodesPart;

  /// Scales of rectangles: a matrix of them for each matrix of codes, row by row. Those at the ends may be smaller.
  struct Blocks {
    uint64_t rows = 0;
    uint64_t columns = 0;
    uint64_t matrix_rows = 0; // of one of the stacked matrices of codes

    [[nodiscard]] uint64_t in_row(uint64_t row_columns) const {
      return (row_columns + columns - 1) / columns;
    }
  };

  /// Values with their scales among them: blocks one after the other, row by row. `data` has all of them.
  struct ValueBlocks {
    std::string_view name;   // of their type: "Q4_K"
    uint32_t type = 0;       // the layout's number for it
    uint32_t values = 0;     // of a block
    uint32_t bytes = 0;      // of a block
    bool big_endian = false; // its numbers of more than a byte
  };

  std::string_view layout;   // that knows how to decode them, by its name
  bool weights_only = false; // loaders leave the layer's inputs alone
  uint32_t bits = 8;         // 4 or 8; 1 to 8 where there is a decoding
  bool packed = false;       // in 32-bit words, row by row, lowest bits first, 2^(bits-1) added
  bool is_integer = true;    // codes are integers; else what they stand for is the layout's affair
  bool is_unsigned = false;  // 0 to 255, only where not packed
  uint64_t elements = 0;
  uint64_t columns = 0; // of a row; packed rows begin at a word
  uint64_t scope = 0;
  uint64_t matrix_rows =
      0; // of one of the stacked matrices, where zero points are packed along them
  std::optional<Blocks> blocks; // instead of scopes
  Part data;
  Part scale;
  std::optional<Part> group_index; // I32, one a column: the number of its scope in each row
  std::optional<Part> zero_point;  // of integers, one a scope, or packed
  bool packed_zero_points = false; // along the rows
  // Instead of what is said above of where codes and zero points lie: that only tells people about them.
  std::shared_ptr<const Decoding> decoding = {};
  // The same: instead of scales and zero points.
  std::optional<ValueBlocks> value_blocks = {};

  /// Whether integers that share a scale lie beside each other.
  [[nodiscard]] bool has_integer_runs() const {
    return is_integer && !group_index && !decoding && !value_blocks;
  }
  [[nodiscard]] uint64_t scopes() const { return elements / scope; }
  [[nodiscard]] uint64_t stored_bytes() const {
    if (decoding) {
      return decoding->stored_bytes();
    }
    return data.bytes + scale.bytes + (zero_point ? zero_point->bytes : 0) +
           (group_index ? group_index->bytes : 0);
  }
  /// Bytes of one row of codes.
  [[nodiscard]] uint64_t row_bytes() const {
    return packed ? (columns * bits + 31) / 32 * 4 : columns;
  }
  [[nodiscard]] int32_t lowest() const { return is_unsigned ? 0 : -(1 << (bits - 1)); }
  [[nodiscard]] int32_t highest() const { return lowest() + (1 << bits) - 1; }
};

} // namespace monoquant::catalog
