// What the configuration beside a model says of it, and what is known of such models.
// A checkpoint does not list every layer of its model: a head that shares the embedding's weight has no tensor, and
// loaders would look for its codes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace monoquant::catalog {

struct Catalog;
struct Tensor;

/// ModelClass of js/api/model-config.ts.
struct ModelClass {
  std::vector<std::string> architectures; // classes of transformers, such as "LlamaForCausalLM"
  std::string model_type;
  std::optional<bool> ties_embeddings; // nothing where the configuration does not say
};

/// Linear modules of the model for which the file has no tensor, because their weight is another module's: "lm_head"
/// of a language model with tied embeddings. Source: `_tied_weights_keys` of transformers' classes.
std::vector<std::string> modules_without_tensors(const Catalog &catalog);

/// Makes, of each set of names for the same bytes, the one the owner that its model's class owns: the embedding, not
/// the head that borrows its weight; of several embeddings the outermost. Needs the kinds of all tensors.
void choose_owners(std::span<Tensor> tensors);

} // namespace monoquant::catalog
