// What a parameter is for, read off names and shapes.
// It exists because a checkpoint without its model definition still says a lot: `.weight` with four
// dimensions is a convolution, four times as many rows as columns behind `weight_hh` is an LSTM.
// A guess only ever decides what is left alone by default; the user can always say otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace monoquant::catalog {

struct Tensor;

enum class LayerKind : uint8_t {
  kLinear,
  kConv1d,
  kConv2d,
  kConv3d,
  kLstm,
  kGru,
  kRnn,
  kConvTranspose, // stored [in, out / groups, …]
  kExperts, // a stack of matrices, one an expert; or one matrix in which they lie below each other
  kEmbedding,
  kHead,       // the last projection: lm_head, classifier, …
  kRouter,     // chooses experts
  kGpt2Conv1d, // a linear layer stored [in, out]
  kNorm,
  kBias,
  kWeightNorm, // one of two parameters that a weight is computed from
  kAdapter,    // a change of another file's weight: LoRA
  kOther,
};
inline constexpr int kLayerKindCount = 18;

/// The name as users write it after `--layers`.
std::string_view layer_kind_name(LayerKind kind);
std::optional<LayerKind> layer_kind_from_name(std::string_view name);

/// The class that PyTorch has for a kind of layer; "" where modules must be named one by one.
std::string_view class_name(const Tensor &tensor);

/// Fills in `kind` of every tensor. Looks at neighbours too (a bias tells which dimension is the output). Where
/// the file names the class that holds a parameter, that decides instead of its name. `model_type` is what the
/// configuration beside the file says, or "".
void classify(std::span<Tensor> tensors, std::string_view model_type = {});

/// "model.layers.0.mlp.up_proj.weight" → "model.layers.0.mlp.up_proj"; "" for a name without a dot.
std::string_view module_name(std::string_view tensor_name);

} // namespace monoquant::catalog
