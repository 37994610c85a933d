#include "monoquant/catalog/layer_kind.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "monoquant/catalog/catalog.h"
#include "monoquant/catalog/layer_names.h"

namespace monoquant::catalog {
namespace {

constexpr std::array<std::string_view, kLayerKindCount> kNames = {
    "linear",      "conv1d",         "conv2d",  "conv3d",      "lstm",    "gru",
    "rnn",         "conv-transpose", "experts", "embedding",   "head",    "router",
    "gpt2-conv1d", "norm",           "bias",    "weight-norm", "adapter", "other"};

std::string_view last_component(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

/// The kind of a parameter that a class of torch.nn holds; nothing for any other class.
std::optional<LayerKind> kind_of_class(const Tensor &tensor, std::string_view parameter) {
  constexpr std::string_view kPackage = "torch.nn.";
  if (!tensor.module_type.starts_with(kPackage)) {
    return std::nullopt;
  }
  const auto kind = kind_by_class(last_component(tensor.module_type));
  const bool is_bias =
      kind && kind != LayerKind::kNorm && parameter.find("bias") != std::string_view::npos;
  return is_bias ? LayerKind::kBias : kind;
}

/// "model.layers.0.mlp" → "model.layers": one stack of layers alike.
std::string_view stack_of_layers(std::string_view name) {
  for (size_t at = 0; (at = name.find('.', at)) != std::string_view::npos; ++at) {
    if (at + 1 < name.size() && name[at + 1] >= '0' && name[at + 1] <= '9') {
      return name.substr(0, at);
    }
  }
  return {};
}

/// "model.embed_tokens.0" → "model.embed_tokens".
std::string_view without_numbers(std::string_view path) {
  while (!path.empty() &&
         last_component(path).find_first_not_of("0123456789") == std::string_view::npos) {
    path = module_name(path);
  }
  return path;
}

/// The kinds of one checkpoint, with what its names say together.
class Classifier {
public:
  Classifier(std::span<const Tensor> tensors, std::string_view model_type) {
    for (const Tensor &tensor : tensors) {
      by_name_.emplace(tensor.name, &tensor);
      note_experts(tensor.name);
    }
    transposed_everywhere_ = stores_transposed(model_type);
    for (const Tensor &tensor : tensors) {
      if (is_surely_transposed(tensor)) {
        transposed_.insert(stack_of_layers(tensor.name));
      }
    }
  }

  [[nodiscard]] LayerKind kind(const Tensor &tensor) const {
    const std::string name = lower(tensor.name);
    const std::string_view parameter = last_component(name);
    const size_t rank = tensor.shape.size();
    const auto by_any = any_component(name);
    const auto by_parameter = kind_by_name(NamePart::kParameter, parameter);
    if (by_any == LayerKind::kAdapter) {
      return LayerKind::kAdapter;
    }
    if (by_parameter == LayerKind::kWeightNorm) {
      return LayerKind::kWeightNorm;
    }
    if (const auto known = kind_of_class(tensor, parameter)) {
      // A class does not say that a linear layer is the last one, or chooses experts.
      return known == LayerKind::kLinear && rank == 2 ? linear(tensor, name) : *known;
    }
    if (by_parameter && (*by_parameter != LayerKind::kLinear || rank == 2)) {
      return *by_parameter;
    }
    const auto by_module = kind_by_name(NamePart::kModule, module_name(name));
    if (by_module == LayerKind::kNorm) {
      return LayerKind::kNorm;
    }
    if (rank < 2) {
      return LayerKind::kOther;
    }
    if (parameter.starts_with("weight_ih") || parameter.starts_with("weight_hh") ||
        parameter.starts_with("weight_hr")) {
      return recurrent(tensor, parameter);
    }
    if (rank == 3 && (by_module == LayerKind::kExperts || by_any == LayerKind::kExperts)) {
      return LayerKind::kExperts;
    }
    if (parameter != "weight") {
      const auto pile = rank == 2 ? kind_by_name(NamePart::kPile, module_name(name)) : std::nullopt;
      return pile.value_or(LayerKind::kOther);
    }
    switch (rank) {
    case 2:
      return matrix(tensor, name);
    case 3:
      return LayerKind::kConv1d;
    case 4:
      return LayerKind::kConv2d;
    case 5:
      return LayerKind::kConv3d;
    default:
      return LayerKind::kOther;
    }
  }

private:
  /// Modules one of whose children is called for experts.
  void note_experts(std::string_view name) {
    const size_t at = name.find("expert");
    if (at != std::string_view::npos) {
      const size_t dot = name.substr(0, at).rfind('.');
      with_experts_.insert(dot == std::string_view::npos ? std::string_view()
                                                         : name.substr(0, dot));
    }
  }

  /// A gate is a router only where there is something to choose from.
  [[nodiscard]] bool is_beside_experts(const Tensor &tensor) const {
    const std::string_view parent = module_name(module_name(tensor.name));
    return with_experts_.contains(parent) || with_experts_.contains(module_name(parent));
  }

  static std::optional<LayerKind> any_component(std::string_view name) {
    while (!name.empty()) {
      const std::string_view word = name.substr(0, name.find('.'));
      if (const auto kind = kind_by_name(NamePart::kAny, word)) {
        return kind;
      }
      name.remove_prefix(std::min(name.size(), word.size() + 1));
    }
    return std::nullopt;
  }

  /// What a `weight` of two dimensions belongs to.
  [[nodiscard]] LayerKind matrix(const Tensor &tensor, std::string_view name) const {
    const std::string_view path = module_name(name);
    const LayerKind kind = linear(tensor, name);
    if (kind != LayerKind::kLinear) {
      return kind;
    }
    // Of several tables in a list, the list has the name.
    const auto table = kind_by_name(NamePart::kTable, without_numbers(path));
    if (kind_by_name(NamePart::kModule, path) == LayerKind::kEmbedding ||
        (table == LayerKind::kEmbedding && !has_bias_of(tensor, tensor.shape[0]))) {
      return LayerKind::kEmbedding;
    }
    return is_transposed(tensor, last_component(path)) ? LayerKind::kGpt2Conv1d : kind;
  }

  /// A linear layer, or one of its kinds of their own.
  [[nodiscard]] LayerKind linear(const Tensor &tensor, std::string_view name) const {
    if (any_component(name) == LayerKind::kRouter) {
      return LayerKind::kRouter;
    }
    const auto kind = kind_by_name(NamePart::kModule, module_name(name));
    const bool routes = kind == LayerKind::kRouter && is_beside_experts(tensor);
    return routes || kind == LayerKind::kHead ? *kind : LayerKind::kLinear;
  }

  /// GPT-2 and its kin store some layers [in, out]. The bias, as long as the output, gives that away; without one,
  /// these two are wider than their input.
  [[nodiscard]] bool is_surely_transposed(const Tensor &tensor) const {
    const std::string_view module = last_component(module_name(tensor.name));
    if (tensor.shape.size() != 2 || tensor.shape[0] == tensor.shape[1] ||
        !may_be_transposed(module)) {
      return false;
    }
    const uint64_t rows = tensor.shape[0];
    const uint64_t columns = tensor.shape[1];
    const bool widens = module == "c_attn" || module == "c_fc";
    return has_bias_of(tensor, columns) || (widens && rows < columns && !has_bias_of(tensor, rows));
  }

  /// What its own shape does not tell, the other layers of its stack do.
  [[nodiscard]] bool is_transposed(const Tensor &tensor, std::string_view module) const {
    return may_be_transposed(module) &&
           (transposed_everywhere_ || is_surely_transposed(tensor) ||
            (transposed_.contains(stack_of_layers(tensor.name)) &&
             (tensor.shape[0] == tensor.shape[1] || !has_bias_of(tensor, tensor.shape[0]))));
  }

  /// LSTM, GRU or plain: the hidden-to-hidden matrix has 4, 3 or 1 times as many rows as columns.
  [[nodiscard]] LayerKind recurrent(const Tensor &tensor, std::string_view parameter) const {
    const std::string stem(tensor.name.substr(0, tensor.name.size() - parameter.size()));
    const std::string suffix(parameter.substr(std::string_view("weight_hh").size()));
    if (by_name_.contains(stem + "weight_hr" + suffix)) {
      return LayerKind::kLstm; // only an LSTM has a projection
    }
    const auto hidden = by_name_.find(stem + "weight_hh" + suffix);
    if (hidden == by_name_.end() || hidden->second->shape.size() != 2) {
      return LayerKind::kOther;
    }
    const uint64_t rows = hidden->second->shape[0];
    const uint64_t columns = hidden->second->shape[1];
    if (columns != 0 && rows % columns == 0) {
      switch (rows / columns) {
      case 4:
        return LayerKind::kLstm;
      case 3:
        return LayerKind::kGru;
      case 1:
        return LayerKind::kRnn;
      default:
        break;
      }
    }
    return LayerKind::kOther;
  }

  /// Whether its module has a bias of this length.
  [[nodiscard]] bool has_bias_of(const Tensor &tensor, uint64_t length) const {
    const auto bias = by_name_.find(std::string(module_name(tensor.name)) + ".bias");
    return bias != by_name_.end() && bias->second->shape.size() == 1 &&
           bias->second->shape[0] == length;
  }

  std::map<std::string_view, const Tensor *> by_name_;
  std::set<std::string_view> with_experts_;
  std::set<std::string_view> transposed_; // stacks of layers
  bool transposed_everywhere_ = false;
};

} // namespace

std::string_view layer_kind_name(LayerKind kind) { return kNames[static_cast<size_t>(kind)]; }

std::optional<LayerKind> layer_kind_from_name(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) {
    return std::nullopt;
  }
  return static_cast<LayerKind>(found - kNames.begin());
}

std::string_view class_name(const Tensor &tensor) {
  switch (tensor.kind) {
  case LayerKind::kLinear:
  case LayerKind::kHead:
  case LayerKind::kRouter:
    return "Linear";
  case LayerKind::kConv1d:
    return "Conv1d";
  case LayerKind::kConv2d:
    return "Conv2d";
  case LayerKind::kConv3d:
    return "Conv3d";
  case LayerKind::kLstm:
    return "LSTM";
  case LayerKind::kGru:
    return "GRU";
  case LayerKind::kRnn:
    return "RNN";
  case LayerKind::kEmbedding:
    return "Embedding";
  case LayerKind::kConvTranspose:
    switch (tensor.shape.size()) {
    case 3:
      return "ConvTranspose1d";
    case 4:
      return "ConvTranspose2d";
    default:
      return "ConvTranspose3d";
    }
  default:
    return "";
  }
}

void classify(std::span<Tensor> tensors, std::string_view model_type) {
  const Classifier classifier(tensors, model_type);
  for (Tensor &tensor : tensors) {
    tensor.kind = classifier.kind(tensor);
  }
}

std::string_view module_name(std::string_view tensor_name) {
  const size_t dot = tensor_name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : tensor_name.substr(0, dot);
}

} // namespace monoquant::catalog
