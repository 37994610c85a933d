#include "support/naive_layer.h"

#include <algorithm>
#include <cmath>

namespace monoquant::test {
namespace {

struct NaiveCode {
  int64_t code = 0;
  int64_t zero_point = 0;
  double scale = 0;
};

NaiveCode naive_code(float x, const execute::ActivationRule &rule, float magnitude) {
  if (rule.mode == execute::ActivationMode::kStatic) {
    const double code = static_cast<double>(std::nearbyint(x / rule.scale)) + rule.zero_point;
    return {static_cast<int64_t>(std::min(std::max(code, -128.0), 127.0)), rule.zero_point,
            rule.scale};
  }
  if (magnitude == 0) {
    return {};
  }
  return {std::lrint(x * (127.0F / magnitude)), 0, magnitude / 127.0F};
}

} // namespace

size_t NaiveMatrix::groups() const {
  return group_size == 0 ? 1 : (columns + group_size - 1) / group_size;
}

size_t NaiveMatrix::scope(size_t row, size_t column) const {
  if (is_shared) {
    return 0;
  }
  return row * groups() + (group_size == 0 ? 0 : column / group_size);
}

execute::CodedRows NaiveMatrix::coded(size_t first, size_t count) const {
  execute::CodedRows coded;
  coded.codes = std::span(codes).subspan(first * columns, count * columns);
  coded.scales =
      is_shared ? std::span(scales) : std::span(scales).subspan(first * groups(), count * groups());
  if (!zero_points.empty()) {
    coded.zero_points = is_shared
                            ? std::span(zero_points)
                            : std::span(zero_points).subspan(first * groups(), count * groups());
  }
  return coded;
}

execute::LinearRows NaiveMatrix::slice(size_t first, size_t count) const {
  execute::LinearRows rows;
  rows.reference = std::span(reference).subspan(first * columns, count * columns);
  rows.coded = coded(first, count);
  if (!bias.empty()) {
    rows.bias = std::span(bias).subspan(first, count);
  }
  return rows;
}

std::vector<float> random_values(Random &random, size_t count) {
  std::vector<float> values(count);
  for (float &value : values) {
    value = random.weight();
  }
  return values;
}

NaiveMatrix random_matrix(Random &random, const NaiveOptions &options) {
  NaiveMatrix matrix;
  matrix.rows = options.rows;
  matrix.columns = options.columns;
  matrix.group_size = options.group_size;
  matrix.is_shared = options.is_shared;
  const size_t scopes = options.is_shared ? 1 : options.rows * matrix.groups();
  const auto codes = uint64_t{1} + static_cast<uint32_t>(options.highest - options.lowest);
  const auto any_code = [&] { return options.lowest + static_cast<int32_t>(random.below(codes)); };
  for (size_t i = 0; i < scopes; ++i) {
    // A few negative, as a search of signs gives them.
    const float scale = (1.0F + random.signed_unit() / 2.0F) / static_cast<float>(options.highest);
    matrix.scales.push_back(random.chance(4) ? -scale : scale);
    if (options.has_zero_points) {
      matrix.zero_points.push_back(any_code());
    }
  }
  for (size_t row = 0; row < options.rows; ++row) {
    for (size_t column = 0; column < options.columns; ++column) {
      const size_t scope = matrix.scope(row, column);
      const int32_t code = any_code();
      const int32_t zero_point = options.has_zero_points ? matrix.zero_points[scope] : 0;
      matrix.codes.push_back(static_cast<int8_t>(code));
      matrix.reference.push_back(static_cast<float>(code - zero_point) * matrix.scales[scope] +
                                 options.damage * random.signed_unit());
    }
  }
  if (options.has_bias) {
    matrix.bias = random_values(random, options.rows);
  }
  return matrix;
}

double naive_reference(const NaiveMatrix &matrix, size_t row, std::span<const float> sample) {
  double sum = 0;
  for (size_t i = 0; i < matrix.columns; ++i) {
    sum += static_cast<double>(matrix.reference[row * matrix.columns + i]) *
           static_cast<double>(sample[i]);
  }
  return matrix.bias.empty() ? sum : sum + static_cast<double>(matrix.bias[row]);
}

double naive_executed(const NaiveMatrix &matrix, size_t row, std::span<const float> sample,
                      const execute::ActivationRule &rule, float magnitude) {
  const bool in_integers = rule.mode != execute::ActivationMode::kWeightsOnly;
  double result = 0;
  double x_scale = 1;
  size_t begin = 0;
  while (begin < matrix.columns) {
    const size_t scope = matrix.scope(row, begin);
    const float scale = matrix.scales[scope];
    const int64_t zw = matrix.zero_points.empty() ? 0 : matrix.zero_points[scope];
    int64_t xw = 0;
    int64_t sum_x = 0;
    int64_t sum_w = 0;
    int64_t n = 0;
    int64_t zx = 0;
    size_t i = begin;
    for (; i < matrix.columns && matrix.scope(row, i) == scope; ++i) {
      const int64_t w = int32_t{matrix.codes[row * matrix.columns + i]};
      if (!in_integers) {
        const float weight = static_cast<float>(w - zw) * scale;
        result += static_cast<double>(sample[i]) * static_cast<double>(weight);
        continue;
      }
      const NaiveCode x = naive_code(sample[i], rule, magnitude);
      xw += x.code * w;
      sum_x += x.code;
      sum_w += w;
      ++n;
      zx = x.zero_point;
      x_scale = x.scale;
    }
    if (in_integers) {
      const int64_t integer = xw - zw * sum_x - zx * sum_w + n * zx * zw;
      result += static_cast<double>(scale) * static_cast<double>(integer);
    }
    begin = i;
  }
  result *= x_scale;
  return matrix.bias.empty() ? result : result + static_cast<double>(matrix.bias[row]);
}

float naive_magnitude(std::span<const float> sample) {
  float largest = 0;
  for (const float x : sample) {
    largest = std::max(largest, std::fabs(x));
  }
  return largest;
}

} // namespace monoquant::test
