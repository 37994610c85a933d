// What published checkpoints call their layers: the names that say what a parameter is for.
// Names are data. To teach another architecture, add a row; how rows and shapes together decide stands in
// layer_kind.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "monoquant/catalog/layer_kind.h"

namespace monoquant::catalog {

/// The word of a name that a row speaks of.
enum class NamePart : uint8_t {
  kParameter, // the last one: "weight"
  kModule, // the last one of the module: "up_proj" of "model.layers.0.mlp.up_proj.weight", or several
  kTable, // the same, of a matrix without a bias: what is looked up has none
  kAny,   // any of them
  kPile,  // the module of a matrix in which those of several layers lie below each other
};

/// What a row says of a word in lower case, or of a module by its whole name; nothing if no row does.
std::optional<LayerKind> kind_by_name(NamePart part, std::string_view word);

/// The kind of the weights of a class of torch.nn, such as "Conv2d"; nothing for any other class.
std::optional<LayerKind> kind_by_class(std::string_view name);

/// Whether layers of this name are stored as [in, out] by some models.
bool may_be_transposed(std::string_view module);

/// Whether models of this type, as config.json calls it, store linear layers as [in, out].
bool stores_transposed(std::string_view model_type);

} // namespace monoquant::catalog
