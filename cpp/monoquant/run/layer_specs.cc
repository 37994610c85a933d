#include "monoquant/run/layer_specs.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/execute/recurrent_run.h"
#include "monoquant/run/tensor_reader.h"

namespace monoquant::run {
namespace {

using catalog::LayerKind;
using catalog::Tensor;
using execute::ActivationMode;

constexpr std::string_view kInputMatrix = "weight_ih";
constexpr std::string_view kStateMatrix = "weight_hh";
constexpr std::string_view kTwoLinear = "Its two matrices are executed as linear layers of their "
                                        "own: they do not have the shapes of one recurrent layer, "
                                        "are stored in two ways, or are too large to be held.";

bool is_recurrent(LayerKind kind) { return kind == LayerKind::kLstm || kind == LayerKind::kGru; }

bool is_float(const Tensor &tensor) {
  return !tensor.codes && dtype_is_quantizable(tensor.dtype) && dtype_bits(tensor.dtype) >= 16;
}

bool is_executable(const Tensor &tensor) {
  return tensor.codes ? tensor.codes->has_integer_runs() : is_float(tensor);
}

/// Why a tensor of this kind is not executed; nothing where it is.
std::string_view reason_against(const Tensor &tensor) {
  if (!tensor.codes->is_integer) {
    return "Its codes are floating-point numbers: only layers with integer codes are executed.";
  }
  if (tensor.codes->decoding) {
    return "Its codes are packed as another tool packs them: only those of compressed-tensors with "
           "4 or 8 bits are executed.";
  }
  if (!tensor.codes->has_integer_runs()) {
    return "The columns of its groups do not lie beside each other.";
  }
  switch (tensor.kind) {
  case LayerKind::kConvTranspose:
    return "What it stores as a row belongs to an input of a transposed convolution, and to no "
           "output.";
  case LayerKind::kGpt2Conv1d:
    return "What it stores as a row belongs to an input of the layer, and to no output.";
  case LayerKind::kEmbedding:
    return "Rows of an embedding are looked up, not multiplied with.";
  case LayerKind::kNorm:
  case LayerKind::kBias:
  case LayerKind::kWeightNorm:
  case LayerKind::kAdapter:
  case LayerKind::kOther:
    return "What computes with this tensor is not known.";
  default:
    return tensor.shape.size() < 2 ? "It is no matrix." : std::string_view();
  }
}

bool is_convolution(LayerKind kind) {
  return kind == LayerKind::kConv1d || kind == LayerKind::kConv2d || kind == LayerKind::kConv3d;
}

/// Codes and scales of the matrix, and reference values.
uint64_t held_bytes(const LayerMatrix &matrix) {
  const uint64_t elements = matrix.weight->elements;
  const uint64_t scales = matrix.weight->codes ? elements / matrix.group() : 0;
  return elements * 5 + scales * 8; // a tensor of 2^61 elements fits into no file
}

class Finder {
public:
  Finder(const catalog::Catalog &file, const catalog::Catalog *reference,
         const std::vector<calibration::ModuleBatches> &captured)
      : file_(file), shared_(file) {
    for (const Tensor &tensor : file.input_parameters) {
      by_name_.emplace(tensor.name, &tensor);
    }
    for (const Tensor &tensor : file.tensors) {
      by_name_.emplace(tensor.name, &tensor);
    }
    if (reference != nullptr) {
      for (const Tensor &tensor : reference->tensors) {
        references_.emplace(tensor.name, &tensor);
      }
    }
    for (const calibration::ModuleBatches &module : captured) {
      captured_.emplace(module.module, &module);
    }
  }

  std::vector<LayerSpec> run() {
    for (const Tensor &tensor : file_.tensors) {
      if (tensor.codes && !tensor.tied_to && !done_.contains(&tensor)) {
        add(tensor);
      }
    }
    return std::move(layers_);
  }

private:
  [[nodiscard]] const Tensor *find(const std::string &name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  void add(const Tensor &tensor) {
    if (is_recurrent(tensor.kind) && tensor.shape.size() == 2) {
      if (add_pair(tensor)) {
        return;
      }
    }
    LayerSpec layer;
    layer.form = is_convolution(tensor.kind) ? LayerForm::kConvolution : LayerForm::kLinear;
    layer.left_out = reason_against(tensor);
    layer.matrices.push_back(matrix_of(tensor));
    LayerMatrix &matrix = layer.matrices.back();
    if (matrix.reference != nullptr && matrix.bias != nullptr) {
      matrix.reference_bias = reference_of(*matrix.bias);
    }
    layer.note = is_recurrent(tensor.kind) ? kTwoLinear : std::string_view();
    choose_mode(layer);
    layers_.push_back(std::move(layer));
  }

  [[nodiscard]] LayerMatrix matrix_of(const Tensor &tensor) const {
    LayerMatrix matrix;
    matrix.weight = &tensor;
    // Of a convolution, a row is all that an output sees; else the last dimension is.
    const bool rows_first = is_convolution(tensor.kind) || tensor.shape.size() < 2;
    matrix.rows = tensor.shape.empty() ? 1 : tensor.shape[0];
    if (!rows_first) {
      matrix.rows = tensor.elements / tensor.shape.back();
    }
    matrix.columns = tensor.elements / matrix.rows;
    matrix.reference = reference_of(tensor);
    matrix.bias = bias_of(tensor, matrix.rows);
    return matrix;
  }

  /// The tensor of the reference that has the values which this one had.
  [[nodiscard]] const Tensor *reference_of(const Tensor &tensor) const {
    const auto found = references_.find(tensor.name);
    const bool fits = found != references_.end() && found->second->shape == tensor.shape &&
                      dtype_is_quantizable(found->second->dtype);
    return fits ? found->second : nullptr;
  }

  /// weight → bias, in_proj_weight → in_proj_bias, weight_ih_l0 → bias_ih_l0.
  [[nodiscard]] const Tensor *bias_of(const Tensor &tensor, uint64_t rows) const {
    const size_t at = tensor.name.rfind("weight");
    if (at == std::string::npos) {
      return nullptr;
    }
    const Tensor *bias =
        find(concat(tensor.name.substr(0, at), "bias", tensor.name.substr(at + 6)));
    const bool fits = bias != nullptr && is_float(*bias) && bias->shape.size() == 1 &&
                      bias->elements == rows && rows <= kPartElements;
    return fits ? bias : nullptr;
  }

  /// False where the tensor is to be executed by itself.
  bool add_pair(const Tensor &tensor) {
    const size_t dot = tensor.name.rfind('.') + 1; // 0 where there is none
    const std::string_view parameter = std::string_view(tensor.name).substr(dot);
    if (!parameter.starts_with(kInputMatrix) && !parameter.starts_with(kStateMatrix)) {
      return false;
    }
    const std::string_view suffix = parameter.substr(kInputMatrix.size());
    const std::string stem = tensor.name.substr(0, dot);
    const Tensor *input = find(concat(stem, kInputMatrix, suffix));
    const Tensor *state = find(concat(stem, kStateMatrix, suffix));
    if (input == nullptr || state == nullptr || input->shape.size() != 2 ||
        state->shape.size() != 2 || input->elements == 0 || state->elements == 0) {
      return false;
    }
    LayerSpec layer;
    layer.form = tensor.kind == LayerKind::kLstm ? LayerForm::kLstm : LayerForm::kGru;
    layer.matrices = {matrix_of(*input), matrix_of(*state)};
    if (!fits_together(layer)) {
      return false;
    }
    choose_mode(layer);
    done_.insert(input);
    done_.insert(state);
    layers_.push_back(std::move(layer));
    return true;
  }

  static bool fits_together(const LayerSpec &layer) {
    const LayerMatrix &input = layer.matrices[0];
    const LayerMatrix &state = layer.matrices[1];
    const size_t gates = execute::gate_count(
        layer.form == LayerForm::kLstm ? execute::CellKind::kLstm : execute::CellKind::kGru);
    for (const LayerMatrix &matrix : layer.matrices) {
      if (matrix.rows != checked_mul(gates, state.columns) || matrix.weight->tied_to ||
          !is_executable(*matrix.weight)) {
        return false;
      }
    }
    const auto &first = input.weight->codes;
    const auto &second = state.weight->codes;
    return (!first || !second || first->weights_only == second->weights_only) &&
           held_bytes(input) <= kMostRecurrentBytes &&
           held_bytes(input) + held_bytes(state) <= kMostRecurrentBytes;
  }

  void choose_mode(LayerSpec &layer) const {
    if (!layer.left_out.empty()) {
      return;
    }
    const bool floats_in =
        std::any_of(layer.matrices.begin(), layer.matrices.end(), [](const LayerMatrix &matrix) {
          return matrix.weight->codes && matrix.weight->codes->weights_only;
        });
    layer.mode = floats_in ? ActivationMode::kWeightsOnly : ActivationMode::kDynamic;
    const Tensor &weight = *layer.matrices[0].weight;
    if (!calibration::takes_module_input(weight)) {
      return;
    }
    const std::string_view module = catalog::module_name(weight.name);
    set_inputs(layer, module);
    const std::string stem = module.empty() ? std::string() : concat(module, ".");
    const Tensor *scale = find(concat(stem, "input_scale"));
    // Where the input's matrix was left in float, no loader quantizes what it meets.
    if (!floats_in && weight.codes && scale != nullptr && scale->elements == 1 &&
        is_float(*scale)) {
      layer.mode = ActivationMode::kStatic;
      layer.input_scale = scale;
      layer.input_zero_point = find(concat(stem, "input_zero_point"));
    }
  }

  /// Captured ones of this module, or what is known of them; or of a module that reads the same.
  void set_inputs(LayerSpec &layer, std::string_view module) const {
    const auto has_data = [&](std::string_view name) { return captured_.contains(name); };
    const auto found = captured_.find(shared_.whose(module, has_data));
    if (found == captured_.end()) {
      return;
    }
    layer.batches = found->second->batches;
    for (const calibration::StatisticPart &part : found->second->statistics) {
      if (layer.batches.empty() && part.statistic == calibration::Statistic::kSquares) {
        layer.squares = part;
      } else if (layer.batches.empty() && part.statistic == calibration::Statistic::kCounts) {
        layer.counts = part;
      }
    }
  }

  const catalog::Catalog &file_;
  calibration::SharedInputs shared_;
  std::map<std::string_view, const Tensor *> by_name_;
  std::map<std::string_view, const Tensor *> references_;
  std::map<std::string_view, const calibration::ModuleBatches *> captured_;
  std::set<const Tensor *> done_;
  std::vector<LayerSpec> layers_;
};

} // namespace

std::string_view trial_form_name(LayerForm form) {
  constexpr std::array<std::string_view, 4> kNames = {"linear", "convolution", "lstm", "gru"};
  return kNames[static_cast<size_t>(form)];
}

uint64_t LayerMatrix::group() const {
  return weight->codes ? std::gcd(weight->codes->scope, columns) : columns;
}

std::vector<LayerSpec> trial_layers(const catalog::Catalog &file, const catalog::Catalog *reference,
                                    const std::vector<calibration::ModuleBatches> &captured) {
  return Finder(file, reference, captured).run();
}

} // namespace monoquant::run
