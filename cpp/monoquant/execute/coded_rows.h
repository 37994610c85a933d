// Rows of quantized weights as a file stores them, and one of them made ready to be multiplied with.
// It exists so that callers may hand over any run of whole rows, however the scales are shared.
// Sizes are checked before the first row is opened; scales may be negative, and are taken as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::execute {

/// One row of a matrix, and which of its columns share a scale.
struct RowShape {
  size_t columns = 0;
  size_t group_size =
      0; // columns; 0: all of a row, or of the matrix. The last group may be shorter

  [[nodiscard]] size_t group() const { return group_size == 0 ? columns : group_size; }
  [[nodiscard]] size_t groups() const { return (columns + group() - 1) / group(); }
};

/// A run of whole rows. Unsigned codes are handed over less 128, as are their zero points: only differences count.
struct CodedRows {
  std::span<const int8_t> codes;        // rows * columns; those of 4 bits from -8 to 7
  std::span<const float> scales;        // one for all of the run, or rows * groups
  std::span<const int32_t> zero_points; // as many as scales, -128 to 127, or none: all 0

  [[nodiscard]] bool is_empty() const { return codes.empty(); }
};

/// An error where the spans do not have these sizes, or a zero point is out of range.
Result<void> check_coded_rows(const CodedRows &rows, size_t count, const RowShape &shape);

/// A row that is being executed; its memory serves all rows of a layer.
class CodedRow {
public:
  explicit CodedRow(const RowShape &shape)
      : shape_(shape), steps_(shape.columns), scales_(shape.groups()) {}

  /// `rows`: checked.
  void open(const CodedRows &rows, size_t row);

  /// Codes less their zero points, -255 to 255: one for each column.
  [[nodiscard]] std::span<const int16_t> steps() const { return steps_; }
  /// One for each group.
  [[nodiscard]] std::span<const float> scales() const { return scales_; }
  [[nodiscard]] size_t group_size() const { return shape_.group(); }

  /// The weights as loaders dequantize them: (code - zero_point) * scale, in f32. Valid until the next row.
  std::span<const float> dequantized();

private:
  RowShape shape_;
  std::vector<int16_t> steps_;
  std::vector<float> scales_;
  std::vector<float> dequantized_;
};

} // namespace monoquant::execute
