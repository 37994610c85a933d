#include "monoquant/execute/recurrent_run.h"

#include <algorithm>
#include <optional>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/execute/products.h"
#include "monoquant/execute/smooth.h"

namespace monoquant::execute {
namespace {

/// How the inputs of a product are treated; none: in the float layer.
using Treatment = std::optional<ActivationRule>;

/// W x + b for all samples: [rows, samples].
std::vector<double> gate_products(const GateWeights &weights, size_t columns,
                                  std::span<const float> values, const Treatment &treatment) {
  const size_t samples = values.size() / columns;
  const size_t rows = weights.reference.size() / columns;
  std::vector<double> products(rows * samples);
  const bool is_coded = treatment && !weights.coded.is_empty();
  const bool in_integers = is_coded && treatment->mode != ActivationMode::kWeightsOnly;
  std::optional<FloatSamples> floats;
  std::optional<CodedSamples> codes;
  if (in_integers) {
    codes.emplace(values, columns, *treatment);
  } else {
    floats.emplace(values, columns);
  }
  CodedRow coded({columns, static_cast<size_t>(std::min<uint64_t>(weights.group_size, columns))});
  for (size_t row = 0; row < rows; ++row) {
    const std::span<double> to = std::span(products).subspan(row * samples, samples);
    if (is_coded) {
      coded.open(weights.coded, row);
    }
    if (in_integers) {
      multiply(*codes, coded, 0, to);
    } else {
      floats->multiply(is_coded ? coded.dequantized()
                                : weights.reference.subspan(row * columns, columns),
                       0, to);
    }
    if (!weights.bias.empty()) {
      for (double &product : to) {
        product += static_cast<double>(weights.bias[row]);
      }
    }
  }
  return products;
}

/// One of the two layers, as it goes through the steps of all sequences side by side.
class Recurrence {
public:
  Recurrence(const RecurrentLayer &layer, const Inputs &inputs, size_t sequences,
             const Treatment &treatment)
      : layer_(layer), hidden_(static_cast<size_t>(layer.hidden)), samples_(inputs.samples()),
        sequences_(sequences), treatment_(treatment),
        input_gates_(gate_products(layer.input, inputs.width(), inputs.values(), treatment)),
        states_(sequences * hidden_), cells_(sequences * hidden_) {
    if (treatment_ && treatment_->mode == ActivationMode::kStatic) {
      treatment_ = ActivationRule{ActivationMode::kDynamic};
    }
  }

  /// h of all steps: [samples, hidden].
  std::vector<float> run() {
    std::vector<float> all(samples_ * hidden_);
    const size_t steps = samples_ / sequences_;
    for (size_t t = 0; t < steps; ++t) {
      step(t);
      for (size_t q = 0; q < sequences_; ++q) {
        std::copy_n(states_.data() + q * hidden_, hidden_, all.data() + (q * steps + t) * hidden_);
      }
    }
    return all;
  }

private:
  void step(size_t t) {
    const std::vector<double> state_gates =
        gate_products(layer_.state, hidden_, states_, treatment_);
    const size_t steps = samples_ / sequences_;
    for (size_t q = 0; q < sequences_; ++q) {
      for (size_t unit = 0; unit < hidden_; ++unit) {
        double from_input[4] = {};
        double from_state[4] = {};
        for (size_t gate = 0; gate < gate_count(layer_.kind); ++gate) {
          const size_t row = gate * hidden_ + unit;
          from_input[gate] = input_gates_[row * samples_ + q * steps + t];
          from_state[gate] = state_gates[row * sequences_ + q];
        }
        const size_t i = q * hidden_ + unit;
        const double h = layer_.kind == CellKind::kLstm
                             ? lstm(from_input, from_state, cells_[i])
                             : gru(from_input, from_state, static_cast<double>(states_[i]));
        states_[i] = static_cast<float>(h);
      }
    }
  }

  static double lstm(const double (&x)[4], const double (&h)[4], double &cell) {
    const double i = logistic(x[0] + h[0]);
    const double f = logistic(x[1] + h[1]);
    const double g = hyperbolic_tangent(x[2] + h[2]);
    const double o = logistic(x[3] + h[3]);
    cell = f * cell + i * g;
    return o * hyperbolic_tangent(cell);
  }

  static double gru(const double (&x)[4], const double (&h)[4], double state) {
    const double r = logistic(x[0] + h[0]);
    const double z = logistic(x[1] + h[1]);
    const double n = hyperbolic_tangent(x[2] + r * h[2]);
    return (1.0 - z) * n + z * state;
  }

  const RecurrentLayer &layer_;
  size_t hidden_;
  size_t samples_;
  size_t sequences_;
  Treatment treatment_;
  std::vector<double> input_gates_; // [gates * hidden, samples]
  std::vector<float> states_;       // [sequences, hidden]
  std::vector<double> cells_;
};

/// `rows`, `columns`: what the matrix should be.
Result<void> check_weights(const GateWeights &weights, uint64_t rows, uint64_t columns,
                           std::string_view name) {
  if (columns == 0 || checked_mul(rows, columns) != weights.reference.size()) {
    return broken_promise(concat("Expected ", rows, "×", columns,
                                 " weights of a recurrent layer's ", name, ", found ",
                                 weights.reference.size(), " weights."));
  }
  if (!weights.bias.empty() && weights.bias.size() != rows) {
    return broken_promise(concat("Expected ", rows, " biases of a recurrent layer's ", name,
                                 ", or none, found ", weights.bias.size(), "."));
  }
  if (weights.coded.is_empty()) {
    return {};
  }
  const RowShape shape{static_cast<size_t>(columns),
                       static_cast<size_t>(std::min(weights.group_size, columns))};
  return check_coded_rows(weights.coded, static_cast<size_t>(rows), shape);
}

} // namespace

Result<HiddenStates> hidden_states(const RecurrentLayer &layer, const Inputs &inputs,
                                   size_t sequences, const ActivationRule &rule) {
  if (const Result<void> checked = check_activation_rule(rule); !checked) {
    return checked.error();
  }
  if (inputs.width() != layer.inputs) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("Expected ", layer.inputs,
                        " values in a sample of a recurrent layer's "
                        "inputs, found ",
                        inputs.width(), "."),
                 "Check that the captured activations are the inputs of this layer.",
                 {},
                 {}};
  }
  if (sequences == 0 || inputs.samples() == 0 || inputs.samples() % sequences != 0) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("Expected as many steps of each of ", sequences,
                        " sequences, and at least one, found ", inputs.samples(),
                        " samples of a recurrent layer's inputs."),
                 "Capture sequences of one length, without NaN.",
                 {},
                 {}};
  }
  if (inputs.left_out() != 0) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("Expected whole sequences as a recurrent layer's inputs, found ",
                        inputs.left_out(), " steps with NaN or infinity."),
                 "Capture the activations again, or leave this layer's out.",
                 {},
                 {}};
  }
  const std::optional<uint64_t> rows = checked_mul(gate_count(layer.kind), layer.hidden);
  if (!rows) {
    return broken_promise(concat("Expected a recurrent layer that fits into memory, found ",
                                 layer.hidden, " hidden units."));
  }
  if (const Result<void> checked = check_weights(layer.input, *rows, layer.inputs, "input");
      !checked) {
    return checked.error();
  }
  if (const Result<void> checked = check_weights(layer.state, *rows, layer.hidden, "state");
      !checked) {
    return checked.error();
  }
  HiddenStates states;
  states.reference = Recurrence(layer, inputs, sequences, std::nullopt).run();
  states.executed = Recurrence(layer, inputs, sequences, rule).run();
  return states;
}

Result<RunResult> run_recurrent(const RecurrentLayer &layer, const Inputs &inputs, size_t sequences,
                                const ActivationRule &rule) {
  const Result<HiddenStates> states = hidden_states(layer, inputs, sequences, rule);
  if (!states) {
    return states.error();
  }
  OutputSums sums;
  for (size_t i = 0; i < states.value().reference.size(); ++i) {
    sums.add(static_cast<double>(states.value().reference[i]),
             static_cast<double>(states.value().executed[i]));
  }
  return sums.result(inputs.samples(), layer.hidden);
}

} // namespace monoquant::execute
