#include "monoquant/execute/coded_rows.h"

#include <algorithm>

#include "monoquant/base/text.h"

namespace monoquant::execute {
namespace {

constexpr int32_t kLowestZeroPoint = -128;
constexpr int32_t kHighestZeroPoint = 127;

Error wrong_count(size_t expected, size_t found, std::string_view of) {
  return {ErrorCode::kInternal,
          concat("Expected ", expected, " ", of, " with the rows to execute, found ", found, "."),
          {},
          {},
          {}};
}

} // namespace

Result<void> check_coded_rows(const CodedRows &rows, size_t count, const RowShape &shape) {
  if (rows.codes.size() != count * shape.columns) {
    return wrong_count(count * shape.columns, rows.codes.size(), "codes");
  }
  const bool is_shared = rows.scales.size() == 1;
  if (!is_shared && rows.scales.size() != count * shape.groups()) {
    return wrong_count(count * shape.groups(), rows.scales.size(), "scales, or one,");
  }
  if (!rows.zero_points.empty() && rows.zero_points.size() != rows.scales.size()) {
    return wrong_count(rows.scales.size(), rows.zero_points.size(), "zero points, or none,");
  }
  for (const int32_t zero_point : rows.zero_points) {
    if (zero_point < kLowestZeroPoint || zero_point > kHighestZeroPoint) {
      return Error{ErrorCode::kMalformedFile,
                   concat("Expected zero points from ", kLowestZeroPoint, " to ", kHighestZeroPoint,
                          ", found ", zero_point, " in a row to execute."),
                   "Quantize the model again.",
                   {},
                   {}};
    }
  }
  return {};
}

void CodedRow::open(const CodedRows &rows, size_t row) {
  const size_t groups = shape_.groups();
  const bool is_shared = rows.scales.size() == 1;
  const int8_t *codes = rows.codes.data() + row * shape_.columns;
  size_t begin = 0;
  for (size_t group = 0; group < groups; ++group) {
    const size_t scope = is_shared ? 0 : row * groups + group;
    scales_[group] = rows.scales[scope];
    const int32_t zero_point = rows.zero_points.empty() ? 0 : rows.zero_points[scope];
    const size_t end = std::min(begin + shape_.group(), shape_.columns);
    for (size_t i = begin; i < end; ++i) {
      steps_[i] = static_cast<int16_t>(codes[i] - zero_point);
    }
    begin = end;
  }
}

std::span<const float> CodedRow::dequantized() {
  dequantized_.resize(shape_.columns);
  size_t begin = 0;
  for (const float scale : scales_) {
    const size_t end = std::min(begin + shape_.group(), shape_.columns);
    for (size_t i = begin; i < end; ++i) {
      dequantized_[i] = static_cast<float>(steps_[i]) * scale;
    }
    begin = end;
  }
  return dequantized_;
}

} // namespace monoquant::execute
