// A tokenizer.json: vocabulary and merges as plain lists, everything else as a document.
// It exists because a document of 260,000 tokens and 500,000 merges would take hundreds of megabytes, and looks its members
// up one by one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/json.h"
#include "monoquant/base/result.h"

namespace monoquant::llama_cpp {

struct Token {
  std::string text;
  uint32_t id = 0; // below kMaxVocabulary
};

struct TokenizerJson {
  std::vector<Token>
      vocabulary; // model.vocab, in the order of the file; empty where it is no object
  std::vector<std::string> merges; // model.merges: the two parts, parted by a space
  Json rest;                       // without both
};

/// Spaces inside a part of a pair are written as Ġ, as gguf-py does; a merge that is one text stays as it is.
/// Errors: kMalformedFile, kLimitExceeded.
Result<TokenizerJson> read_tokenizer_json(std::string_view text);

/// A file that is nothing but tokens with their ids: vocab.json, added_tokens.json.
Result<std::vector<Token>> read_tokens(std::string_view file, std::string_view text);

/// merges.txt: a first line that begins with # is none, and neither are lines that do not have two parts.
std::vector<std::string> read_merges(std::string_view text);

} // namespace monoquant::llama_cpp
