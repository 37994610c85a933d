#include "monoquant/execute/recurrent_run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

#include "support/naive_layer.h"

namespace monoquant::execute {
namespace {

using test::kDynamic;
using test::kStatic;
using test::kWeightsOnly;
using test::NaiveMatrix;
using test::Random;

struct NaiveCell {
  CellKind kind;
  NaiveMatrix input;
  NaiveMatrix state;

  [[nodiscard]] RecurrentLayer layer() const {
    return {kind,
            input.columns,
            state.columns,
            {input.reference, input.coded(0, input.rows), input.group_size, input.bias},
            {state.reference, state.coded(0, state.rows), state.group_size, state.bias}};
  }
};

NaiveCell random_cell(Random &random, CellKind kind, size_t inputs, size_t hidden,
                      size_t group_size) {
  const size_t rows = gate_count(kind) * hidden;
  NaiveCell cell{kind,
                 test::random_matrix(random, {.rows = rows,
                                              .columns = inputs,
                                              .group_size = group_size,
                                              .has_zero_points = true,
                                              .has_bias = true}),
                 test::random_matrix(random, {.rows = rows, .columns = hidden})};
  return cell;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// The states of one sequence, with std's functions and the rule's own products; in float where there is none.
std::vector<float> naive_states(const NaiveCell &cell, const Inputs &inputs, size_t first,
                                size_t steps, const ActivationRule *rule) {
  const size_t hidden = cell.state.columns;
  std::vector<float> h(hidden);
  std::vector<double> c(hidden);
  std::vector<float> all;
  const auto product = [&](const NaiveMatrix &matrix, size_t row, std::span<const float> x,
                           const ActivationRule *how) {
    return how == nullptr ? test::naive_reference(matrix, row, x)
                          : test::naive_executed(matrix, row, x, *how, test::naive_magnitude(x));
  };
  const ActivationRule *state_rule =
      rule != nullptr && rule->mode == ActivationMode::kStatic ? &kDynamic : rule;
  for (size_t t = 0; t < steps; ++t) {
    const std::vector<float> before = h;
    for (size_t unit = 0; unit < hidden; ++unit) {
      double x[4] = {};
      double s[4] = {};
      for (size_t gate = 0; gate < gate_count(cell.kind); ++gate) {
        x[gate] = product(cell.input, gate * hidden + unit, inputs.sample(first + t), rule);
        s[gate] = product(cell.state, gate * hidden + unit, before, state_rule);
      }
      if (cell.kind == CellKind::kLstm) {
        c[unit] = sigmoid(x[1] + s[1]) * c[unit] + sigmoid(x[0] + s[0]) * std::tanh(x[2] + s[2]);
        h[unit] = static_cast<float>(sigmoid(x[3] + s[3]) * std::tanh(c[unit]));
      } else {
        const double z = sigmoid(x[1] + s[1]);
        const double n = std::tanh(x[2] + sigmoid(x[0] + s[0]) * s[2]);
        h[unit] = static_cast<float>((1 - z) * n + z * static_cast<double>(before[unit]));
      }
    }
    all.insert(all.end(), h.begin(), h.end());
  }
  return all;
}

/// Rounding of h to f32 may turn last bits of exp into one of h, which later steps carry on; a code that changes
/// with it would be a hundred times more.
constexpr double kClose = 3e-6;

void expect_close(std::span<const float> states, const std::vector<float> &expected) {
  ASSERT_EQ(states.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(states[i], expected[i], kClose) << i;
  }
}

TEST(RecurrentRun, is_the_naive_layer) {
  Random random(31);
  constexpr size_t kSequences = 3;
  constexpr size_t kSteps = 9;
  for (const CellKind kind : {CellKind::kLstm, CellKind::kGru}) {
    for (const size_t group_size : std::initializer_list<size_t>{0, 8}) {
      const NaiveCell cell = random_cell(random, kind, 24, 16, group_size);
      const Inputs inputs = Inputs::seeded("lstm", 24, kSequences * kSteps).value();
      for (const ActivationRule &rule : {kDynamic, kStatic, kWeightsOnly}) {
        const HiddenStates states = hidden_states(cell.layer(), inputs, kSequences, rule).value();
        for (size_t q = 0; q < kSequences; ++q) {
          const size_t first = q * kSteps;
          const auto part = [&](const std::vector<float> &all) {
            return std::span(all).subspan(first * 16, kSteps * 16);
          };
          expect_close(part(states.reference), naive_states(cell, inputs, first, kSteps, nullptr));
          expect_close(part(states.executed), naive_states(cell, inputs, first, kSteps, &rule));
        }
      }
    }
  }
}

std::vector<float> pattern(size_t count, size_t factor, size_t modulus, float divisor) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    const auto centred = static_cast<int>(i * factor % modulus) - static_cast<int>(modulus / 2);
    values[i] = static_cast<float>(centred) / divisor;
  }
  return values;
}

/// torch 1.13: nn.LSTM(2, 3, batch_first=True) and nn.GRU alike in f64, with the weights, biases and inputs of
/// pattern() below, two sequences of four steps.
TEST(RecurrentRun, has_the_float_layer_of_pytorch) {
  const float lstm[] = {-0.0639726999F,   -0.0131132951F,  0.288875013F,  -0.20087604F,
                        -0.000918137926F, 0.355163403F,    0.0699239747F, -0.237805427F,
                        0.0729076798F,    0.0686256152F,   -0.22234534F,  -0.0508196765F,
                        -0.0778427928F,   -0.00505206009F, 0.292570068F,  0.181282513F,
                        -0.268606019F,    0.09214005F,     0.154395595F,  -0.275343877F,
                        0.0814723718F,    0.0960681856F,   -0.199743346F, -0.0696475658F};
  const float gru[] = {-0.1926549F,   -0.00545539284F, 0.494740306F,  -0.423035122F, 0.0697141773F,
                       0.480174073F,  0.290137571F,    -0.31995732F,  0.0855333426F, 0.309807669F,
                       -0.343144282F, -0.0671930885F,  -0.229822105F, 0.0179066831F, 0.442231188F,
                       0.416572499F,  -0.269094455F,   0.180618265F,  0.469018791F,  -0.352902681F,
                       0.0720523701F, 0.349733751F,    -0.306857331F, -0.0591714396F};
  for (const CellKind kind : {CellKind::kLstm, CellKind::kGru}) {
    const size_t rows = gate_count(kind) * 3;
    const std::vector<float> weight_ih = pattern(rows * 2, 5, 13, 8);
    const std::vector<float> weight_hh = pattern(rows * 3, 7, 17, 8);
    const std::vector<float> bias_ih = pattern(rows, 3, 7, 8);
    const std::vector<float> bias_hh = pattern(rows, 4, 9, 16);
    Inputs inputs = Inputs::of_width(2).value();
    ASSERT_TRUE(inputs.add(pattern(16, 7, 11, 4)).has_value());
    const RecurrentLayer layer{
        kind, 2, 3, {weight_ih, {}, 0, bias_ih}, {weight_hh, {}, 0, bias_hh}};
    const HiddenStates states = hidden_states(layer, inputs, 2, kDynamic).value();
    for (size_t i = 0; i < 24; ++i) {
      EXPECT_NEAR(states.reference[i], (kind == CellKind::kLstm ? lstm : gru)[i], 2e-7) << i;
    }
    // Neither matrix is quantized: the other layer is the same.
    EXPECT_EQ(states.executed, states.reference);
    EXPECT_EQ(run_recurrent(layer, inputs, 2, kDynamic).value().sqnr_db,
              std::numeric_limits<double>::infinity());
  }
}

TEST(RecurrentRun, of_one_sequence_does_not_depend_on_the_others) {
  Random random(32);
  const NaiveCell cell = random_cell(random, CellKind::kLstm, 10, 12, 0);
  const Inputs both = Inputs::seeded("lstm", 10, 16).value();
  Inputs second = Inputs::of_width(10).value();
  ASSERT_TRUE(second.add(both.values().subspan(80)).has_value());
  for (const ActivationRule &rule : {kDynamic, kStatic, kWeightsOnly}) {
    const HiddenStates together = hidden_states(cell.layer(), both, 2, rule).value();
    const HiddenStates alone = hidden_states(cell.layer(), second, 1, rule).value();
    EXPECT_TRUE(
        std::equal(alone.executed.begin(), alone.executed.end(), together.executed.begin() + 96));
    EXPECT_TRUE(std::equal(alone.reference.begin(), alone.reference.end(),
                           together.reference.begin() + 96));
  }
}

TEST(RecurrentRun, measures_all_steps_and_units) {
  Random random(33);
  const NaiveCell cell = random_cell(random, CellKind::kGru, 10, 12, 0);
  const Inputs inputs = Inputs::seeded("gru", 10, 32).value();
  const HiddenStates states = hidden_states(cell.layer(), inputs, 4, kDynamic).value();
  double signal = 0;
  double noise = 0;
  for (size_t i = 0; i < states.reference.size(); ++i) {
    const double y = states.reference[i];
    const double error = y - static_cast<double>(states.executed[i]);
    signal += y * y;
    noise += error * error;
  }
  const RunResult result = run_recurrent(cell.layer(), inputs, 4, kDynamic).value();
  EXPECT_DOUBLE_EQ(result.sqnr_db, 10 * std::log10(signal / noise));
  EXPECT_GT(result.cosine, 0.9);
  EXPECT_EQ(result.samples, 32U);
  EXPECT_EQ(result.outputs, 12U);
}

TEST(RecurrentRun, refuses_what_does_not_fit) {
  Random random(34);
  const NaiveCell cell = random_cell(random, CellKind::kLstm, 10, 12, 0);
  const Inputs inputs = Inputs::seeded("lstm", 10, 16).value();
  const auto refuses = [&](auto change) {
    RecurrentLayer layer = cell.layer();
    change(layer);
    return !run_recurrent(layer, inputs, 2, kDynamic).has_value();
  };
  EXPECT_FALSE(refuses([](RecurrentLayer &) {}));
  EXPECT_TRUE(refuses([](RecurrentLayer &layer) { layer.kind = CellKind::kGru; }));
  EXPECT_TRUE(refuses([](RecurrentLayer &layer) { layer.inputs = 9; }));
  EXPECT_TRUE(refuses([](RecurrentLayer &layer) { layer.hidden = 0; }));
  EXPECT_TRUE(refuses([](RecurrentLayer &layer) { layer.hidden = ~uint64_t{0}; }));
  EXPECT_TRUE(refuses([](RecurrentLayer &layer) { layer.hidden = 11; }));
  EXPECT_TRUE(refuses([](RecurrentLayer &layer) {
    layer.state.reference = layer.state.reference.first(layer.state.reference.size() - 12);
  }));
  EXPECT_TRUE(refuses(
      [](RecurrentLayer &layer) { layer.state.coded.codes = layer.state.coded.codes.first(12); }));
  EXPECT_TRUE(refuses(
      [](RecurrentLayer &layer) { layer.input.coded.scales = layer.input.coded.scales.first(2); }));
  EXPECT_TRUE(
      refuses([](RecurrentLayer &layer) { layer.input.bias = layer.input.bias.first(47); }));
  for (const size_t sequences : std::initializer_list<size_t>{0, 3, 32}) {
    EXPECT_FALSE(run_recurrent(cell.layer(), inputs, sequences, kDynamic).has_value());
  }
  EXPECT_FALSE(run_recurrent(cell.layer(), inputs, 2, {ActivationMode::kStatic, 0, 0}).has_value());
  Inputs damaged = Inputs::of_width(10).value();
  std::vector<float> values(50, 1.0F);
  values[7] = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(damaged.add(values).has_value());
  EXPECT_FALSE(run_recurrent(cell.layer(), damaged, 2, kDynamic).has_value());
}

} // namespace
} // namespace monoquant::execute
