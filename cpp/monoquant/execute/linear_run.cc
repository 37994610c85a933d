#include "monoquant/execute/linear_run.h"

#include <algorithm>

#include "monoquant/base/text.h"

namespace monoquant::execute {
namespace {

RowShape row_shape(const LinearShape &shape) {
  // A group that is wider than a row is the row.
  return {static_cast<size_t>(shape.columns),
          static_cast<size_t>(std::min(shape.group_size, shape.columns))};
}

} // namespace

LinearRun::LinearRun(const Inputs &inputs, const LinearShape &shape, const ActivationRule &rule)
    : shape_(shape), floats_(inputs.values(), inputs.width()), row_(row_shape(shape)),
      reference_outputs_(inputs.samples()), executed_outputs_(inputs.samples()) {
  if (rule.mode != ActivationMode::kWeightsOnly) {
    codes_.emplace(inputs.values(), inputs.width(), rule);
  }
}

Result<LinearRun> LinearRun::begin(const Inputs &inputs, const LinearShape &shape,
                                   const ActivationRule &rule) {
  if (const Result<void> checked = check_activation_rule(rule); !checked) {
    return checked.error();
  }
  if (inputs.samples() == 0) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("Expected at least one sample to execute a layer on, found none (",
                        inputs.left_out(), " with NaN or infinity)."),
                 "Capture the activations again, or leave this layer's out.",
                 {},
                 {}};
  }
  if (shape.channel_groups == 0 || shape.rows % shape.channel_groups != 0) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("Expected as many outputs for each of ", shape.channel_groups,
                        " groups of channels, found ", shape.rows, " outputs."),
                 "Check that the captured activations are the inputs of this layer.",
                 {},
                 {}};
  }
  // No overflow: the width is bounded.
  if (inputs.width() % shape.channel_groups != 0 ||
      inputs.width() / shape.channel_groups != shape.columns) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("Expected samples of ", shape.channel_groups, " times ", shape.columns,
                        " values, found ", inputs.width(), " in the layer's inputs."),
                 "Check that the captured activations are the inputs of this layer.",
                 {},
                 {}};
  }
  return LinearRun(inputs, shape, rule);
}

Result<void> LinearRun::add_rows(const LinearRows &rows) {
  const auto columns = static_cast<size_t>(shape_.columns);
  const size_t count = rows.reference.size() / columns;
  if (rows.reference.size() % columns != 0) {
    return broken_promise(concat("Expected whole rows of ", columns, " weights to execute, found ",
                                 rows.reference.size(), " weights."));
  }
  if (count > shape_.rows - rows_done_) {
    return broken_promise(concat("Expected ", shape_.rows, " rows of weights to execute, found ",
                                 rows_done_ + count, "."));
  }
  if (!rows.bias.empty() && rows.bias.size() != count) {
    return broken_promise(concat("Expected a bias for each of ", count, " rows to execute, found ",
                                 rows.bias.size(), "."));
  }
  if (!rows.reference_bias.empty() && rows.reference_bias.size() != count) {
    return broken_promise(concat("Expected a bias of the float layer for each of ", count,
                                 " rows to execute, found ", rows.reference_bias.size(), "."));
  }
  if (const Result<void> checked = check_coded_rows(rows.coded, count, row_shape(shape_));
      !checked) {
    return checked.error();
  }
  for (size_t row = 0; row < count; ++row) {
    add_row(rows, row);
  }
  return {};
}

void LinearRun::add_row(const LinearRows &rows, size_t row) {
  const auto columns = static_cast<size_t>(shape_.columns);
  const uint64_t part = rows_done_ / (shape_.rows / shape_.channel_groups);
  const auto first = static_cast<size_t>(part) * columns;
  floats_.multiply(rows.reference.subspan(row * columns, columns), first, reference_outputs_);
  row_.open(rows.coded, row);
  if (codes_) {
    multiply(*codes_, row_, first, executed_outputs_);
  } else {
    floats_.multiply(row_.dequantized(), first, executed_outputs_);
  }
  const double bias = rows.bias.empty() ? 0.0 : static_cast<double>(rows.bias[row]);
  const double reference_bias =
      rows.reference_bias.empty() ? bias : static_cast<double>(rows.reference_bias[row]);
  for (size_t s = 0; s < reference_outputs_.size(); ++s) {
    reference_outputs_[s] += reference_bias;
    executed_outputs_[s] += bias;
    sums_.add(reference_outputs_[s], executed_outputs_[s]);
  }
  ++rows_done_;
}

Result<RunResult> LinearRun::finish() const {
  if (rows_done_ != shape_.rows) {
    return broken_promise(
        concat("Expected ", shape_.rows, " rows of weights to execute, found ", rows_done_, "."));
  }
  return sums_.result(floats_.samples(), shape_.rows);
}

} // namespace monoquant::execute
