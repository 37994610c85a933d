// What the name of a model says: "Qwen3-0.6B-Instruct-v2" is a basename, a size, a finetune and a version.
// It exists because general.name and the keys beside it are made of the folder's name where nothing else says them.
// Source: gguf-py, metadata.py, the heuristics of Metadata.get_model_id_components.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace monoquant::llama_cpp {

/// Parts that the name does not have are empty.
struct NameParts {
  std::string full; // without the organisation
  std::string organization;
  std::string basename;
  std::string finetune;
  std::string version;
  std::string size;
};

/// `id`: "organisation/name" or "name". `elements`: of all tensors; a size that is far from it is taken for the length of
/// a context, say.
NameParts name_parts(std::string_view id, uint64_t elements);

/// "smollm2-135m" → "Smollm2 135m": words of lower-case letters are capitalised, unless they are versions or sizes.
std::string title_of(std::string_view name);

/// "135M": two digits of the number of elements.
std::string size_label(uint64_t elements);

} // namespace monoquant::llama_cpp
