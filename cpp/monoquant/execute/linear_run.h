// Executes a quantized linear or convolution layer beside the float one, on a few samples, row by row of weights.
// It exists to say what quantization does to a layer's outputs, in the arithmetic of the runtimes that load it.
// Weights pass through and are not kept: memory is that of the samples. Results do not depend on the cuts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/execute/coded_rows.h"
#include "monoquant/execute/inputs.h"
#include "monoquant/execute/products.h"
#include "monoquant/execute/run_result.h"

namespace monoquant::execute {

/// A matrix of weights [rows, columns]. Of a convolution [out, in / groups, kernel…]: rows = out, columns = the
/// product of the rest.
struct LinearShape {
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint64_t group_size = 0; // columns that share a scale; 0: a whole row, or all
  uint64_t channel_groups =
      1; // of a grouped convolution: row r sees the columns of part r / (rows / groups)
};

/// The next rows of the layer, any number of them.
struct LinearRows {
  std::span<const float> reference; // rows * columns: the weights before they were quantized
  CodedRows coded;                  // of the same rows
  std::span<const float> bias; // one a row, added to both outputs as a runtime does; or none: 0
  std::span<const float> reference_bias = {}; // the float layer's own; or none: the same
};

/// y = x W^T + b. The float layer: exact products of f32, added in f64 column by column. The quantized one, with
/// activations in INT8: exact integers, then f64 (products.h); weights-only: dequantized f32 weights with the float
/// layer's arithmetic. Outputs are f64, never rounded to what a runtime stores.
///
/// Memory: 4 bytes a value of the inputs, 2 more with INT8 activations (24 MiB at most, beside the caller's Inputs,
/// which are not needed any more once the run has begun), and 10 bytes a column.
class LinearRun {
public:
  /// inputs.width() must be columns * channel_groups: patches of a grouped convolution hold all its channels, and
  /// dynamic activations have one scale for all of them.
  static Result<LinearRun> begin(const Inputs &inputs, const LinearShape &shape,
                                 const ActivationRule &rule);

  Result<void> add_rows(const LinearRows &rows);

  /// An error before all rows were added.
  [[nodiscard]] Result<RunResult> finish() const;

  /// The outputs of the row that was added last, one for each sample: of the float layer and of the quantized one.
  [[nodiscard]] std::span<const double> reference_outputs() const { return reference_outputs_; }
  [[nodiscard]] std::span<const double> executed_outputs() const { return executed_outputs_; }

private:
  LinearRun(const Inputs &inputs, const LinearShape &shape, const ActivationRule &rule);
  void add_row(const LinearRows &rows, size_t row);

  LinearShape shape_;
  FloatSamples floats_;
  std::optional<CodedSamples> codes_; // none: weights-only
  CodedRow row_;
  uint64_t rows_done_ = 0;
  OutputSums sums_;
  std::vector<double> reference_outputs_;
  std::vector<double> executed_outputs_;
};

} // namespace monoquant::execute
