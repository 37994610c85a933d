// How the codes of other tools become values: one description, filled with data, for all their packings.
// It exists so that a layout only says where its numbers lie and what they stand for; one decoder reads them all.
// Whoever makes one has checked that every number which it speaks of lies in its part.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "monoquant/base/dtype.h"

namespace monoquant::catalog {

/// A run of bytes that belongs to a quantized tensor.
struct CodesPart {
  Dtype dtype = Dtype::kF32;
  uint64_t offset = 0; // in the file
  uint64_t bytes = 0;
  std::vector<uint8_t> literal; // the bytes themselves, where they are not in the file
};

/// Numbers that stand for a matrix (row, column), stored as a matrix of words (down, across), row by row. There may be
/// several such matrices, one behind the other.
///
///   straight: down is the row, across is the column. turned: down is the column, across is the row.
///
/// A word holds `in_word` numbers that are neighbours along columns or along rows of the matrix that they stand for:
///
///   kLowFirst   word w holds numbers w*n .. w*n+n-1, the first in the lowest bits
///   kHighFirst  the same, the first in the highest bits
///   kAwq        the same, in the order 0 2 4 6 1 3 5 7 from the lowest bits on
///   kApart      word w holds numbers w, w+words, w+2*words, ..: the first in the lowest bits
///   kApartHighFirst  the same, the first in the highest bits
struct Fields {
  enum class Along : uint8_t { kColumns, kRows };
  enum class Order : uint8_t { kLowFirst, kHighFirst, kAwq, kApart, kApartHighFirst };

  CodesPart part;
  uint32_t bits =
      8; // of a number: 1 to 8, or those of an element of the part where a word holds one
  uint32_t word_bytes = 1; // 1 to 8
  uint32_t in_word = 1;    // 0: numbers follow each other bit by bit, from one word to the next
  Along along = Along::kColumns;
  Order order = Order::kLowFirst;
  bool turned = false;
  uint64_t down = 0; // words of one matrix
  uint64_t across = 0;

  /// Words along which `numbers` neighbours lie.
  [[nodiscard]] uint64_t words_for(uint64_t numbers) const {
    const uint64_t word_bits = uint64_t{word_bytes} * 8;
    return in_word == 0 ? numbers / word_bits * bits +
                              (numbers % word_bits * bits + word_bits - 1) / word_bits
                        : numbers / in_word + (numbers % in_word != 0 ? 1 : 0);
  }
  [[nodiscard]] bool is_apart() const {
    return order == Order::kApart || order == Order::kApartHighFirst;
  }
};

/// value = ((number - zero) * scale) * factor, or number * scale + bias: in f32, or with every step rounded to a
/// narrower type, as the tool that made the codes computes.
struct Decoding {
  enum class Zero : uint8_t {
    kNone,
    kPoint,     // taken off the number
    kBias,      // added to the product
    kMinusBias, // taken off the product
  };

  // The elements of the tensor, in row-major order.
  uint64_t matrices = 1;
  uint64_t rows = 0;
  uint64_t columns = 0;

  Fields codes;
  std::vector<float> numbers;     // what each code stands for
  std::optional<CodesPart> table; // the same in the file, F32, instead

  Fields scales; // whole elements: floats, FP8, or bytes that hold an exponent (U8, F8_E8M0)
  uint64_t scale_rows = 1;              // that share one
  uint64_t scale_columns = 0;           // the same
  std::optional<CodesPart> scale_table; // F32, 256: scales are U8 codes of these
  std::optional<CodesPart> outer;       // F32: scales of `scales_in_outer` scales each
  uint64_t scales_in_outer = 0;
  bool divides_by_outer = false;
  float scale_offset = 0; // added to a scale, behind the outer one
  float factor = 1;
  bool inverse_scales = false;        // numbers are divided by them
  bool zero_scales_are_sound = false; // those of weights that are all zero

  Zero zero = Zero::kNone;
  std::optional<Fields> zeros; // one a scale; whole elements, or unsigned and packed
  uint32_t zero_added = 0;     // to packed ones, modulo their range
  int32_t zero_lowest = 0;     // what packed ones begin at

  std::optional<CodesPart> group_index; // I32, one a column: the scale of its row that is its own
  Dtype rounding = Dtype::kF32;         // of every step: F32, F16 or BF16
  uint32_t rotated =
      0; // neighbours of a row that were rotated together (layout/coded/rotation.h); 0: none

  [[nodiscard]] uint64_t scales_down() const { return (rows + scale_rows - 1) / scale_rows; }
  [[nodiscard]] uint64_t scales_across() const {
    return (columns + scale_columns - 1) / scale_columns;
  }
  [[nodiscard]] uint64_t stored_bytes() const {
    const auto of = [](const std::optional<CodesPart> &part) { return part ? part->bytes : 0; };
    return codes.part.bytes + scales.part.bytes + (zeros ? zeros->part.bytes : 0) + of(table) +
           of(scale_table) + of(outer) + of(group_index);
  }
};

} // namespace monoquant::catalog
