// The keys that say what a model is called, who made it and from what: general.name and its like.
// It exists because people find a model by them; llama.cpp computes nothing from them.
// Source: gguf-py, metadata.py. What the README says comes first, then config.json's _name_or_path, then the folder's name.
#pragma once

#include "monoquant/base/json.h"
#include "monoquant/container/gguf_writer.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {

/// general.architecture is set already. `name`: for general.name, if it is not empty. `elements`: of all tensors.
/// Errors: kMalformedFile.
Result<void> add_general_keys(const SideFiles &files, const Json &config, std::string_view name,
                              uint64_t elements, container::GgufKeys &keys);

} // namespace monoquant::llama_cpp
