// The keys that say how a model is built, "llama.block_count" and its like, in the converter's order.
// It exists because llama.cpp knows a model by these, not by its tensors.
// Source: llama.cpp's conversion/, TextModel.set_gguf_parameters and what each model's class adds.
#pragma once

#include "monoquant/container/gguf_writer.h"
#include "monoquant/llama_cpp/hyperparameters.h"

namespace monoquant::llama_cpp {

/// `file_type`: general.file_type, a llama_ftype.
void add_model_keys(const Hyperparameters &model, uint32_t file_type, container::GgufKeys &keys);

} // namespace monoquant::llama_cpp
