// A model's tokenizer as keys of a GGUF file: which kind it is, and what each family adds.
// It exists because the converter chooses by the files that a folder has, and differently for each family.
// Source: llama.cpp's conversion/, set_vocab of the models' classes.
#pragma once

#include <string>

#include "monoquant/container/gguf_writer.h"
#include "monoquant/llama_cpp/hyperparameters.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {

struct TokenizerKeys {
  container::GgufKeys keys;
  size_t tokens = 0;         // in tokenizer.ggml.tokens
  size_t embedding_rows = 0; // that Gemma 3 keeps of its embedding
};

/// `config`: config.json. `pretokenizer`: what the user says of tokenizer.ggml.pre; it may be empty.
/// Errors: kUnsupportedFormat (a kind of tokenizer, or words that are divided in an unknown way), kMalformedFile,
/// kLimitExceeded.
Result<TokenizerKeys> tokenizer_keys(const SideFiles &files, const Json &config,
                                     const Hyperparameters &model, const std::string &pretokenizer);

} // namespace monoquant::llama_cpp
