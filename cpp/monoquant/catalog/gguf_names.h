// What llama.cpp calls the layers of a model that has Hugging Face's names.
// It exists because statistics of inputs that llama.cpp has collected come under its names.
// Names are data: to teach another spelling, add a row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace monoquant::catalog {

/// "model.layers.3.self_attn.q_proj" → "blk.3.attn_q". Experts of a layer have one name: "blk.3.ffn_up_exps". Nothing
/// for modules that have no counterpart. Source: gguf-py's table of tensor names.
std::optional<std::string> gguf_name(std::string_view module);

/// "model.layers.3.mlp.experts.7.up_proj" → 7.
std::optional<uint64_t> expert_number(std::string_view module);

/// What experts that do the same have in common: "model.layers.3.mlp.experts.#.up_proj". The name itself if it is none of
/// an expert.
std::string without_expert(std::string_view module);

} // namespace monoquant::catalog
