// How much the error of a layer counts, by its place in the model.
// It exists because the relative error of a weight says almost nothing of the damage at the output: all layers have
// about the same at equal bits, and what differs is the place. A table that people may replace says how much.
// Source of the default: measured effects of single layers on a small language model, and published tables of the
// perplexity that is won back where one kind of layer keeps its floats. It is a judgement, not a law.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::search {

/// What a layer does in its block.
struct Role {
  std::string name;                // "down"
  std::vector<std::string> layers; // how modules of it end, whole words: "mlp.down_proj"
  double factor = 1;
  uint32_t least_bits = 0; // advice: fewer are never worth it
};

/// Layers at the beginning or the end of a stack.
struct Depth {
  uint32_t count = 0;
  double factor = 1;
};

struct PriorTable {
  std::vector<Role> roles;
  double other = 1; // of modules that end like none of them
  Depth first;
  Depth last;
  double last_layer = 1; // once more, for the roles in `last_layer_roles` of the last layer
  std::vector<std::string> last_layer_roles;
  double ends = 1; // of the first and the last weight of a model in which no module has a role
};

PriorTable default_prior_table();

/// The default with what the text changes: JSON as `prior_table_json` writes it, any part of it left out.
/// Errors: kInvalidOptions.
Result<PriorTable> read_prior_table(std::string_view json);
std::string prior_table_json(const PriorTable &table);

struct Prior {
  std::string role; // "" for none
  double factor = 1;
  uint32_t least_bits = 0;
};

/// Of each weight, by the names of all weights of a model in their order: "model.layers.3.mlp.down_proj.weight".
/// A number in a name is that of a layer, and what stands before it the stack that it is in. Where no name is that of a
/// head, embeddings count as one: models without a head of their own use them.
std::vector<Prior> priors_of(std::span<const std::string> names, const PriorTable &table);

} // namespace monoquant::search
