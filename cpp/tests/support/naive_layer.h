// A quantized matrix and its products, written the plainest way.
// It exists as the second opinion on monoquant/execute: codes and zero points are kept apart and corrected for, as
// a runtime does it, and nothing is shared with the code under test but its structs.
// Everything is kept in whole vectors; slow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/execute/linear_run.h"
#include "support/random.h"

namespace monoquant::test {

inline constexpr execute::ActivationRule kDynamic{execute::ActivationMode::kDynamic};
inline constexpr execute::ActivationRule kWeightsOnly{execute::ActivationMode::kWeightsOnly};
inline constexpr execute::ActivationRule kStatic{execute::ActivationMode::kStatic, 0.02F, -37};

struct NaiveMatrix {
  size_t rows = 0;
  size_t columns = 0;
  size_t group_size = 0;  // columns that share a scale; 0: the row
  bool is_shared = false; // one scale for all
  std::vector<float> reference;
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<int32_t> zero_points; // empty: none
  std::vector<float> bias;          // empty: none

  [[nodiscard]] size_t groups() const;
  /// Index of the scale and zero point of an element.
  [[nodiscard]] size_t scope(size_t row, size_t column) const;
  [[nodiscard]] execute::CodedRows coded(size_t first, size_t count) const;
  [[nodiscard]] execute::LinearRows slice(size_t first, size_t count) const;
  [[nodiscard]] execute::LinearShape shape() const { return {rows, columns, group_size, 1}; }
};

struct NaiveOptions {
  size_t rows = 1;
  size_t columns = 1;
  size_t group_size = 0;
  bool is_shared = false;
  int32_t lowest = -128;
  int32_t highest = 127;
  bool has_zero_points = false;
  bool has_bias = false;
  float damage = 0.02F; // the reference is the dequantized weight and noise of this size
};

NaiveMatrix random_matrix(Random &random, const NaiveOptions &options);

/// Of one row and one sample, which has as many values as the matrix columns.
double naive_reference(const NaiveMatrix &matrix, size_t row, std::span<const float> sample);
/// `magnitude`: the largest of the whole sample, of which `sample` may be a part; for dynamic activations.
double naive_executed(const NaiveMatrix &matrix, size_t row, std::span<const float> sample,
                      const execute::ActivationRule &rule, float magnitude);
float naive_magnitude(std::span<const float> sample);

std::vector<float> random_values(Random &random, size_t count);

} // namespace monoquant::test
