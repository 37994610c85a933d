#include "monoquant/catalog/layer_kind.h"

#include <algorithm>
#include <array>
#include <map>

#include "monoquant/catalog/catalog.h"

namespace monoquant::catalog {
namespace {

constexpr std::array<std::string_view, kLayerKindCount> kNames = {
    "linear",  "conv1d",    "conv2d", "conv3d", "lstm",        "gru",  "rnn",  "conv-transpose",
    "experts", "embedding", "head",   "router", "gpt2-conv1d", "norm", "bias", "other"};

// Classes of torch.nn, without their package, and what their parameter `weight` is.
struct ModuleClass {
  std::string_view name;
  LayerKind kind;
};
constexpr std::array<ModuleClass, 30> kClasses = {{
    {"Linear", LayerKind::kLinear},
    {"NonDynamicallyQuantizableLinear", LayerKind::kLinear},
    {"MultiheadAttention", LayerKind::kLinear},
    {"Conv1d", LayerKind::kConv1d},
    {"Conv2d", LayerKind::kConv2d},
    {"Conv3d", LayerKind::kConv3d},
    {"ConvTranspose1d", LayerKind::kConvTranspose},
    {"ConvTranspose2d", LayerKind::kConvTranspose},
    {"ConvTranspose3d", LayerKind::kConvTranspose},
    {"LSTM", LayerKind::kLstm},
    {"LSTMCell", LayerKind::kLstm},
    {"GRU", LayerKind::kGru},
    {"GRUCell", LayerKind::kGru},
    {"RNN", LayerKind::kRnn},
    {"RNNCell", LayerKind::kRnn},
    {"Embedding", LayerKind::kEmbedding},
    {"EmbeddingBag", LayerKind::kEmbedding},
    {"BatchNorm1d", LayerKind::kNorm},
    {"BatchNorm2d", LayerKind::kNorm},
    {"BatchNorm3d", LayerKind::kNorm},
    {"SyncBatchNorm", LayerKind::kNorm},
    {"InstanceNorm1d", LayerKind::kNorm},
    {"InstanceNorm2d", LayerKind::kNorm},
    {"InstanceNorm3d", LayerKind::kNorm},
    {"LayerNorm", LayerKind::kNorm},
    {"GroupNorm", LayerKind::kNorm},
    {"RMSNorm", LayerKind::kNorm},
    {"PReLU", LayerKind::kOther},
    {"Bilinear", LayerKind::kOther},
    {"AdaptiveLogSoftmaxWithLoss", LayerKind::kOther},
}};

// Names that published checkpoints use for a module that is the last projection.
constexpr std::array<std::string_view, 6> kHeads = {"lm_head", "output", "embed_out",
                                                    "score",   "head",   "classifier"};
constexpr std::array<std::string_view, 3> kRouters = {"router", "gate", "shared_expert_gate"};
constexpr std::array<std::string_view, 4> kEmbeddings = {"wte", "wpe", "shared", "emb"};
constexpr std::array<std::string_view, 3> kGpt2Modules = {"c_attn", "c_proj", "c_fc"};

template <size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N> &set) {
  return std::find(set.begin(), set.end(), word) != set.end();
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

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
  const std::string_view name = last_component(tensor.module_type);
  const auto *found = std::find_if(kClasses.begin(), kClasses.end(),
                                   [&](const ModuleClass &entry) { return entry.name == name; });
  if (found == kClasses.end()) {
    return std::nullopt;
  }
  if (found->kind == LayerKind::kNorm) {
    return LayerKind::kNorm;
  }
  return parameter.find("bias") != std::string_view::npos ? LayerKind::kBias : found->kind;
}

/// "bn", "bn1", "ln_2", "norm3": a short norm name with an optional number.
bool is_numbered(std::string_view module, std::string_view stem) {
  if (!module.starts_with(stem)) {
    return false;
  }
  return std::all_of(module.begin() + static_cast<std::ptrdiff_t>(stem.size()), module.end(),
                     [](char c) { return (c >= '0' && c <= '9') || c == '_'; });
}

bool is_norm(std::string_view module) {
  return module.ends_with("norm") || contains(module, "layernorm") ||
         contains(module, "layer_norm") || contains(module, "rmsnorm") ||
         contains(module, "batchnorm") || contains(module, "batch_norm") ||
         contains(module, "groupnorm") || module == "ln_f" || module.starts_with("norm_") ||
         is_numbered(module, "bn") || is_numbered(module, "ln") || is_numbered(module, "norm");
}

bool is_embedding(std::string_view module) {
  return contains(module, "embed") || module.ends_with("_emb") ||
         contains(module, "relative_attention_bias") || is_one_of(module, kEmbeddings);
}

/// The kinds of one checkpoint, with an index by name for looking at neighbours.
class Classifier {
public:
  explicit Classifier(std::span<const Tensor> tensors) {
    for (const Tensor &tensor : tensors) {
      by_name_.emplace(tensor.name, &tensor);
      has_experts_ = has_experts_ || contains(tensor.name, "expert");
    }
    has_gpt2_ = std::any_of(tensors.begin(), tensors.end(),
                            [this](const Tensor &tensor) { return is_surely_gpt2(tensor); });
  }

  [[nodiscard]] LayerKind kind(const Tensor &tensor) const {
    const std::string parameter = lower(last_component(tensor.name));
    const std::string module = lower(last_component(module_name(tensor.name)));
    const size_t rank = tensor.shape.size();
    if (const auto known = kind_of_class(tensor, parameter)) {
      // A class does not say that a linear layer is the last one, or chooses experts.
      return known == LayerKind::kLinear && rank == 2 ? linear(module) : *known;
    }
    if (parameter.ends_with("bias") || parameter.starts_with("bias_")) {
      return LayerKind::kBias;
    }
    if (is_norm(module)) {
      return LayerKind::kNorm;
    }
    if (rank < 2) {
      return LayerKind::kOther;
    }
    if (parameter.starts_with("weight_ih") || parameter.starts_with("weight_hh") ||
        parameter.starts_with("weight_hr")) {
      return recurrent(tensor, parameter);
    }
    if (rank == 3 && contains(tensor.name, "experts")) {
      return LayerKind::kExperts;
    }
    if (parameter == "weight") {
      return weight(module, rank);
    }
    const bool matrix =
        rank == 2 && parameter.ends_with("_weight"); // in_proj_weight, q_proj_weight
    return matrix ? LayerKind::kLinear : LayerKind::kOther;
  }

private:
  [[nodiscard]] LayerKind weight(std::string_view module, size_t rank) const {
    switch (rank) {
    case 2:
      break;
    case 3:
      return LayerKind::kConv1d;
    case 4:
      return LayerKind::kConv2d;
    case 5:
      return LayerKind::kConv3d;
    default:
      return LayerKind::kOther;
    }
    const LayerKind kind = linear(module);
    if (kind == LayerKind::kLinear && is_embedding(module)) {
      return LayerKind::kEmbedding;
    }
    if (kind == LayerKind::kLinear && has_gpt2_ && is_one_of(module, kGpt2Modules)) {
      return LayerKind::kGpt2Conv1d;
    }
    return kind;
  }

  /// A linear layer, or one of its kinds of their own.
  [[nodiscard]] LayerKind linear(std::string_view module) const {
    if (is_one_of(module, kHeads)) {
      return LayerKind::kHead;
    }
    return is_one_of(module, kRouters) && has_experts_ ? LayerKind::kRouter : LayerKind::kLinear;
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

  /// GPT-2 stores these layers [in, out]; the bias, as long as the output, gives it away.
  [[nodiscard]] bool is_surely_gpt2(const Tensor &tensor) const {
    const std::string_view module = module_name(tensor.name);
    if (tensor.shape.size() != 2 || tensor.shape[0] == tensor.shape[1] ||
        !is_one_of(last_component(module), kGpt2Modules)) {
      return false;
    }
    const auto bias = by_name_.find(std::string(module) + ".bias");
    return bias != by_name_.end() && bias->second->shape.size() == 1 &&
           bias->second->shape[0] == tensor.shape[1];
  }

  std::map<std::string_view, const Tensor *> by_name_;
  bool has_experts_ = false;
  bool has_gpt2_ = false;
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

void classify(std::span<Tensor> tensors) {
  const Classifier classifier(tensors);
  for (Tensor &tensor : tensors) {
    tensor.kind = classifier.kind(tensor);
  }
}

std::string_view module_name(std::string_view tensor_name) {
  const size_t dot = tensor_name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : tensor_name.substr(0, dot);
}

} // namespace monoquant::catalog
