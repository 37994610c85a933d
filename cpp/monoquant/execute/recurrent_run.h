// Executes a quantized LSTM or GRU layer beside the float one, over some steps of a few sequences.
// It exists apart from linear layers because what quantization does to a state comes back at the next step.
// Needs whole matrices; results are the same on every machine (smooth.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/execute/activations.h"
#include "monoquant/execute/coded_rows.h"
#include "monoquant/execute/inputs.h"
#include "monoquant/execute/run_result.h"

namespace monoquant::execute {

enum class CellKind : uint8_t {
  kLstm, // gates i, f, g, o, as PyTorch stacks them
  kGru,  // gates r, z, n
};

/// How many matrices [hidden, columns] are stacked in one.
constexpr size_t gate_count(CellKind kind) { return kind == CellKind::kLstm ? 4 : 3; }

/// weight_ih or weight_hh with its bias: [gates * hidden, columns].
struct GateWeights {
  std::span<const float> reference; // gates * hidden * columns
  CodedRows coded;                  // of the same rows; empty where this matrix was left in float
  uint64_t group_size = 0;          // columns that share a scale, as in LinearShape
  std::span<const float> bias;      // gates * hidden, or none: 0
};

/// One direction of one layer, without a projection of the state (PyTorch's proj_size).
struct RecurrentLayer {
  CellKind kind = CellKind::kLstm;
  uint64_t inputs = 0; // columns of `input`
  uint64_t hidden = 0; // columns of `state`
  GateWeights input;   // weight_ih, bias_ih
  GateWeights state;   // weight_hh, bias_hh
};

/// The states h after every step, of the float layer and of the quantized one: [samples, hidden].
struct HiddenStates {
  std::vector<float> reference;
  std::vector<float> executed;
};

/// `inputs`: sequence after sequence, each as many steps: sample q * steps + t is step t of sequence q, and none was
/// left out. Both layers begin with states of zeros and go on with their own. Products as in LinearRun; a static
/// rule holds for the input alone, and states are then quantized dynamically, one scale for each step of a sequence,
/// since no file stores a scale for them. Gates and cells are f64, h is rounded to f32 after every step.
///
///   LSTM  c = sigmoid(f) c + sigmoid(i) tanh(g); h = sigmoid(o) tanh(c)
///   GRU   n' = tanh(n_ih + sigmoid(r) n_hh), each with its bias; h = (1 - sigmoid(z)) n' + sigmoid(z) h
///
/// Memory beside what the caller holds: 8 * gates + 8 bytes a sample and hidden unit (0.7 MB with 256 units and
/// 64 samples), and what LinearRun takes for its samples.
Result<HiddenStates> hidden_states(const RecurrentLayer &layer, const Inputs &inputs,
                                   size_t sequences, const ActivationRule &rule);

/// Compares h of all steps, sequences and units: RunResult's outputs are the hidden units.
Result<RunResult> run_recurrent(const RecurrentLayer &layer, const Inputs &inputs, size_t sequences,
                                const ActivationRule &rule);

} // namespace monoquant::execute
