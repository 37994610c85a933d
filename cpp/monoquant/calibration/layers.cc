#include "monoquant/calibration/layers.h"

#include <array>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/catalog/families.h"

namespace monoquant::calibration {
namespace {

using catalog::LayerKind;
using catalog::Tensor;

constexpr std::array<std::string_view, 4> kCrossAttention = {"encoder_attn", "EncDecAttention",
                                                             "cross", "multihead_attn"};

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

/// The parameter's own name: "weight", "in_proj_weight", "weight_ih_l0".
std::string_view parameter_name(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

/// The layer that this weight is of, where it takes the module's input.
std::optional<Layer> layer_of(const Tensor &tensor) {
  if (!takes_module_input(tensor)) {
    return std::nullopt;
  }
  const std::vector<uint64_t> &shape = tensor.shape;
  Layer layer;
  switch (tensor.kind) {
  case LayerKind::kHead:
  case LayerKind::kRouter:
  case LayerKind::kLinear:
    layer.width = shape[1];
    layer.is_optional = tensor.kind != LayerKind::kLinear;
    return layer;
  case LayerKind::kGpt2Conv1d: // stored [in, out]
    layer.width = shape[0];
    layer.is_optional = true;
    return layer;
  case LayerKind::kLstm:
  case LayerKind::kGru:
  case LayerKind::kRnn:
    layer.width = shape[1];
    return layer;
  default:
    layer.is_convolution = true;
    layer.dimensions = shape.size() - 2;
    // [out, in / groups, …], or [in, out / groups, …] where transposed.
    layer.width = tensor.kind == LayerKind::kConvTranspose ? shape[0] : shape[1];
    layer.most_groups = tensor.kind == LayerKind::kConvTranspose ? 1 : shape[0];
    return layer;
  }
}

} // namespace

bool takes_module_input(const Tensor &weight) {
  const std::string_view parameter = parameter_name(weight.name);
  const size_t rank = weight.shape.size();
  switch (weight.kind) {
  case LayerKind::kHead:
  case LayerKind::kRouter:
  case LayerKind::kLinear:
    // Attention keeps the weights of its inputs itself; keys and values may come from elsewhere.
    return rank == 2 &&
           (parameter == "weight" || parameter == "in_proj_weight" || parameter == "q_proj_weight");
  case LayerKind::kGpt2Conv1d:
    return rank == 2 && parameter == "weight";
  case LayerKind::kLstm:
  case LayerKind::kGru:
  case LayerKind::kRnn:
    return rank == 2 && (parameter == "weight_ih" || parameter == "weight_ih_l0" ||
                         parameter == "weight_ih_l0_reverse");
  case LayerKind::kConv1d:
  case LayerKind::kConv2d:
  case LayerKind::kConv3d:
  case LayerKind::kConvTranspose:
    return rank > 2 && parameter == "weight";
  default:
    return false;
  }
}

std::map<std::string_view, Layer> layers_of(const catalog::Catalog &model) {
  std::map<std::string_view, Layer> layers;
  for (const Tensor &tensor : model.tensors) {
    const auto layer = layer_of(tensor);
    if (layer && layer->width > 0) {
      layers.emplace(catalog::module_name(tensor.name), *layer);
    }
  }
  return layers;
}

bool takes_channels(const Layer &layer, uint64_t channels) {
  if (channels == 0 || channels % layer.width != 0) {
    return false;
  }
  const uint64_t groups = channels / layer.width;
  return layer.most_groups % groups == 0;
}

std::optional<BatchShape> batch_shape(const Layer &layer, std::span<const uint64_t> shape) {
  // A batch of one may come without its first dimension.
  const size_t fewest = layer.dimensions + 1;
  const bool fits =
      layer.is_convolution ? shape.size() == fewest || shape.size() == fewest + 1 : !shape.empty();
  if (!fits) {
    return std::nullopt;
  }
  BatchShape batch;
  batch.samples = shape.size() > fewest ? shape[0] : 1;
  const size_t axis = shape.size() - fewest;
  batch.channels = shape[axis];
  batch.inner = checked_product(shape.subspan(axis + 1)).value_or(0);
  if (!takes_channels(layer, batch.channels)) {
    return std::nullopt;
  }
  return batch;
}

SharedInputs::SharedInputs(const catalog::Catalog &model) {
  for (const auto &entry : catalog::fused_families(model)) {
    const std::string &name = entry.first;
    const std::vector<size_t> &members = entry.second;
    // Keys and values of these come from elsewhere.
    const bool is_crossed =
        std::any_of(kCrossAttention.begin(), kCrossAttention.end(),
                    [&](std::string_view word) { return contains(name, word); });
    std::vector<std::string_view> modules;
    for (const size_t index : members) {
      const Tensor &tensor = model.tensors[index];
      if (takes_module_input(tensor) && tensor.shape[1] == model.tensors[members[0]].shape[1]) {
        modules.push_back(catalog::module_name(tensor.name));
      }
    }
    if (is_crossed || modules.size() < 2) {
      continue;
    }
    const auto family = std::make_shared<const std::vector<std::string_view>>(std::move(modules));
    for (const std::string_view module : *family) {
      families_.emplace(module, family);
    }
  }
}

std::string expected_shape(const Layer &layer) {
  if (!layer.is_convolution) {
    return concat("[…, ", layer.width, "]");
  }
  std::string text = concat("[batch, ", layer.width, layer.most_groups > 1 ? " × groups" : "");
  for (size_t i = 0; i < layer.dimensions; ++i) {
    text += ", …";
  }
  return text + "]";
}

} // namespace monoquant::calibration
