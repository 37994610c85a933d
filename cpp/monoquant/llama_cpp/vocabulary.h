// The tokens of a model, with what llama.cpp wants to know of each.
// It exists because three kinds of tokenizers become two kinds of vocabularies.
// Tokens stand by their numbers, without gaps.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monoquant/container/gguf_writer.h"
#include "monoquant/llama_cpp/added_tokens.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {

/// llama.cpp's own numbers: tokenizer.ggml.token_type.
enum class TokenType : uint8_t {
  kNormal = 1,
  kUnknown,
  kControl,
  kUserDefined,
  kUnused,
  kByte,
};

struct Vocabulary {
  std::string model;        // tokenizer.ggml.model: "gpt2" (bytes) or "llama" (SentencePiece)
  std::string pretokenizer; // tokenizer.ggml.pre
  std::vector<std::string> tokens;
  std::vector<float> scores; // of "llama" only
  std::vector<int32_t> types;
  std::vector<std::string> merges; // of "gpt2" only
};

/// Whether a token is one for control, whatever its file says.
bool looks_special(std::string_view token);

/// Of tokenizer.model, with added_tokens.json and tokenizer_config.json (`config`). `size`: of the configuration; the
/// pieces decide if there is none. What lies beyond it is left out, as the converter does.
Result<Vocabulary> sentencepiece_vocabulary(const SideFiles &files, const Json &config,
                                            std::optional<uint32_t> size);

/// Of a tokenizer.json that holds what SentencePiece made: bytes are tokens of their own. Takes the lists
/// out of `tokenizer`.
Result<Vocabulary> byte_fallback_vocabulary(TokenizerJson &tokenizer, const AddedTokens &added);

/// Of a tokenizer whose letters are bytes, such as GPT-2's. Takes the lists out of `tokenizer`.
Result<Vocabulary> byte_level_vocabulary(TokenizerJson &tokenizer, const AddedTokens &added,
                                         std::optional<uint32_t> size, std::string pretokenizer);

/// tokenizer.ggml.model, .pre, .tokens, .scores, .token_type and .merges.
void add_vocabulary_keys(Vocabulary vocabulary, container::GgufKeys &keys);

} // namespace monoquant::llama_cpp
