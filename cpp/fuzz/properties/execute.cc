// Any layer on any inputs: executed as the plainest code does it, to the bit, however its rows are cut; sizes that
// do not fit are refused in words.
// It exists because outputs are what quantization is judged by, and weights and inputs are files of strangers.
// The first byte chooses: a linear layer, the patches of a convolution, a recurrent layer.
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "choices.h"
#include "monoquant/execute/linear_run.h"
#include "monoquant/execute/patches.h"
#include "monoquant/execute/recurrent_run.h"
#include "properties.h"
#include "support/naive_layer.h"
#include "support/sample_tensors.h"

namespace monoquant::fuzz {
namespace {

using execute::ActivationMode;
using execute::ActivationRule;
using execute::Inputs;
using test::NaiveMatrix;
using test::Random;

bool same(double a, double b) { return std::memcmp(&a, &b, sizeof(a)) == 0 || a == b; }

void require_refusal(const Error &error) {
  require(!error.message.empty(), "a refusal is said in words");
}

ActivationRule make_rule(Choices &choices) {
  constexpr ActivationMode kModes[] = {ActivationMode::kDynamic, ActivationMode::kStatic,
                                       ActivationMode::kWeightsOnly};
  constexpr float kScales[] = {0.02F, 1.0F,  1e-6F,
                               0.0F,  -1.0F, std::numeric_limits<float>::quiet_NaN()};
  ActivationRule rule{choices.pick(kModes)};
  rule.scale = choices.pick(kScales);
  rule.zero_point = static_cast<int32_t>(choices.below(256)) - 128;
  rule.zero_point = choices.chance(16) ? 128 : rule.zero_point;
  return rule;
}

NaiveMatrix make_matrix(Choices &choices, Random &random, size_t rows, size_t columns) {
  constexpr size_t kGroups[] = {0, 16, 32, 5, 1000};
  test::NaiveOptions options;
  options.rows = rows;
  options.columns = columns;
  options.group_size = choices.pick(kGroups);
  options.is_shared = choices.chance(4);
  options.group_size = options.is_shared ? 0 : options.group_size;
  options.has_zero_points = choices.flag();
  options.has_bias = choices.flag();
  if (choices.flag()) {
    options.lowest = -8;
    options.highest = 7;
  }
  return test::random_matrix(random, options);
}

/// Samples; those with values that are not finite are to be left out.
Inputs make_inputs(Choices &choices, Random &random, size_t width) {
  constexpr float kMagnitudes[] = {1.0F, 0.0F, 1e20F, 1e-20F};
  auto inputs = Inputs::of_width(width);
  require(inputs.has_value(), "a width of one and more is taken");
  const size_t samples = choices.between(1, 66);
  std::vector<float> values = test::random_values(random, samples * width);
  const float magnitude = choices.pick(kMagnitudes);
  for (float &value : values) {
    value *= magnitude;
  }
  if (choices.chance(4)) {
    values[random.index(values.size())] = std::numeric_limits<float>::infinity();
  }
  require(inputs.value().add(values).has_value());
  return std::move(inputs.value());
}

/// Runs a matrix in the cuts that are chosen. Nothing where it is refused.
std::optional<execute::RunResult> run_in_cuts(Choices &choices, const NaiveMatrix &matrix,
                                              const Inputs &inputs, const ActivationRule &rule) {
  auto linear = execute::LinearRun::begin(inputs, matrix.shape(), rule);
  if (!linear) {
    return require_refusal(linear.error()), std::nullopt;
  }
  for (size_t row = 0; row < matrix.rows;) {
    const size_t count = std::min(matrix.rows - row, size_t{1} + choices.index(8));
    const auto added = linear.value().add_rows(matrix.slice(row, count));
    require(added.has_value(), "rows of the right size are taken",
            added ? "" : added.error().message);
    row += count;
  }
  auto result = linear.value().finish();
  require(result.has_value(), "all rows make a result");
  return result.value();
}

void check_linear(Choices &choices, Random &random) {
  const NaiveMatrix matrix =
      make_matrix(choices, random, choices.between(1, 24), choices.between(1, 200));
  const Inputs inputs = make_inputs(choices, random, matrix.columns);
  const ActivationRule rule = make_rule(choices);
  auto linear = execute::LinearRun::begin(inputs, matrix.shape(), rule);
  if (!linear || inputs.samples() == 0) {
    require(linear || !linear.error().message.empty(), "a refusal is said in words");
    return;
  }
  for (size_t row = 0; row < matrix.rows; ++row) {
    require(linear.value().add_rows(matrix.slice(row, 1)).has_value());
    for (size_t s = 0; s < inputs.samples(); ++s) {
      const auto sample = inputs.sample(s);
      const float magnitude = test::naive_magnitude(sample);
      require(
          same(linear.value().reference_outputs()[s], test::naive_reference(matrix, row, sample)),
          "the float layer is the naive one");
      require(same(linear.value().executed_outputs()[s],
                   test::naive_executed(matrix, row, sample, rule, magnitude)),
              "the quantized layer is the naive one");
    }
  }
  const auto whole = linear.value().finish();
  const auto cut = run_in_cuts(choices, matrix, inputs, rule);
  require(whole.has_value() && cut && same(whole.value().sqnr_db, cut->sqnr_db) &&
              same(whole.value().cosine, cut->cosine) && whole.value().peak == cut->peak,
          "results do not depend on cuts");
  // One row too many, and rows with less than they need.
  require(!linear.value().add_rows(matrix.slice(0, 1)), "too many rows are refused");
  auto wrong = matrix.slice(0, matrix.rows);
  // One scale is enough for any run of rows, so of two both are taken.
  const size_t scales = wrong.coded.scales.size();
  wrong.coded.scales = wrong.coded.scales.first(scales == 2 ? 0 : scales - 1);
  auto other = execute::LinearRun::begin(inputs, matrix.shape(), rule);
  require(!other.value().add_rows(wrong), "rows without their scales are refused");
}

/// Whether the patch is what some place of some image shows, with zeros where an image is smaller than the kernel.
bool is_patch_of(std::span<const float> patch, const std::vector<float> &values,
                 const std::vector<uint64_t> &shape, const std::vector<uint64_t> &kernel) {
  const size_t axes = kernel.size();
  const std::vector<uint64_t> size(shape.end() - static_cast<std::ptrdiff_t>(axes), shape.end());
  const uint64_t channels = shape[shape.size() - axes - 1];
  const uint64_t area = test::element_count(size);
  const uint64_t window = test::element_count(kernel);
  const uint64_t images = values.size() / (channels * area);
  for (uint64_t candidate = 0; candidate < images * area; ++candidate) { // an image and a corner
    bool fits = true;
    for (uint64_t at = 0; fits && at < channels * window; ++at) {
      uint64_t in_window = at % window;
      uint64_t corner = candidate % area;
      uint64_t place = 0;
      uint64_t stride = 1;
      bool outside = false;
      for (size_t axis = axes; axis-- > 0;) {
        const uint64_t before = size[axis] < kernel[axis] ? (kernel[axis] - size[axis]) / 2 : 0;
        const uint64_t step = in_window % kernel[axis];
        const uint64_t x = corner % size[axis] + step;
        in_window /= kernel[axis];
        corner /= size[axis];
        outside = outside || x < before || x - before >= size[axis];
        place += outside ? 0 : (x - before) * stride;
        stride *= size[axis];
      }
      const uint64_t image = candidate / area * channels + at / window;
      const float expected = outside ? 0.0F : values[static_cast<size_t>(image * area + place)];
      fits = patch[static_cast<size_t>(at)] == expected;
    }
    if (fits) {
      return true;
    }
  }
  return false;
}

void check_patches(Choices &choices, Random &random) {
  const size_t axes = choices.between(1, 3);
  std::vector<uint64_t> weight{choices.between(1, 6), choices.between(1, 3)};
  std::vector<uint64_t> shape;
  if (choices.flag()) {
    shape.push_back(choices.between(0, 3));
  }
  const uint64_t groups = choices.between(1, 3);
  shape.push_back(weight[1] * groups);
  for (size_t i = 0; i < axes; ++i) {
    weight.push_back(choices.between(1, 3));
    shape.push_back(choices.between(1, 5));
  }
  if (choices.chance(8)) {
    shape.push_back(2); // one dimension too many
  }
  const execute::Convolution convolution{weight, choices.flag() ? weight[1] * groups : 0};
  const auto linear = execute::linear_shape(convolution, 0);
  if (!linear) {
    return require_refusal(linear.error());
  }
  auto inputs = Inputs::of_width(linear.value().columns * linear.value().channel_groups);
  const std::vector<float> values =
      test::random_values(random, static_cast<size_t>(test::element_count(shape)));
  const size_t count = choices.between(1, 12);
  const auto added =
      execute::add_patches(values, shape, convolution, "layer", count, inputs.value());
  if (!added) {
    return require_refusal(added.error());
  }
  require(inputs.value().samples() <= count && (values.empty() || inputs.value().samples() > 0),
          "as many patches as were asked for");
  const std::vector<uint64_t> kernel(weight.begin() + 2, weight.end());
  for (size_t i = 0; i < inputs.value().samples(); ++i) {
    require(is_patch_of(inputs.value().sample(i), values, shape, kernel),
            "a patch is a part of an image");
  }
}

void check_recurrent(Choices &choices, Random &random) {
  const auto kind = choices.flag() ? execute::CellKind::kGru : execute::CellKind::kLstm;
  const size_t hidden = choices.between(1, 12);
  const size_t rows = execute::gate_count(kind) * hidden;
  const NaiveMatrix input = make_matrix(choices, random, rows, choices.between(1, 20));
  const NaiveMatrix state = make_matrix(choices, random, rows, hidden);
  const auto gates = [](const NaiveMatrix &matrix) {
    return execute::GateWeights{matrix.reference, matrix.coded(0, matrix.rows), matrix.group_size,
                                matrix.bias};
  };
  execute::RecurrentLayer layer{kind, input.columns, hidden, gates(input), gates(state)};
  if (choices.chance(8)) {
    layer.state.coded = {};
  }
  if (choices.chance(8)) { // a row that is missing
    layer.input.reference = layer.input.reference.first(layer.input.reference.size() - 1);
  }
  const Inputs inputs = make_inputs(choices, random, input.columns);
  const size_t sequences = choices.between(0, 5);
  const ActivationRule rule = make_rule(choices);
  const auto states = execute::hidden_states(layer, inputs, sequences, rule);
  if (!states) {
    return require_refusal(states.error());
  }
  require(states.value().reference.size() == inputs.samples() * hidden &&
              states.value().executed.size() == inputs.samples() * hidden,
          "every step has a state");
  for (const std::vector<float> &all : {states.value().reference, states.value().executed}) {
    for (const float h : all) {
      require(std::fabs(h) <= 1, "states stay between -1 and 1");
    }
  }
}

} // namespace

void check_execute(Input input) {
  Choices choices(input);
  const uint64_t kind = choices.below(4);
  Random random(choices.below(65536));
  if (kind < 2) {
    check_linear(choices, random);
  } else if (kind == 2) {
    check_patches(choices, random);
  } else {
    check_recurrent(choices, random);
  }
}

} // namespace monoquant::fuzz
