// Tokens beside the vocabulary proper: those that were added to it, and which of all are special.
// It exists because tokenizer.json, tokenizer_config.json and the tokenizer's class each have a say in it.
// Source: transformers 5.23, TokenizersBackend.__init__, and what tokenizers does with a token that is added.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "monoquant/llama_cpp/tokenizer_json.h"

namespace monoquant::llama_cpp {

struct AddedToken {
  std::string text;
  uint32_t id = 0; // below kMaxVocabulary
  bool is_special = false;
  bool is_normalized =
      false; // the text that is tokenized is normalized before the token is looked for
};

struct AddedTokens {
  std::vector<AddedToken> tokens;    // by id, each once
  std::vector<std::string> specials; // what the tokenizer itself calls special, added or not

  [[nodiscard]] const AddedToken *find(std::string_view text) const;
  [[nodiscard]] bool is_special(std::string_view text) const;
};

/// `config`: tokenizer_config.json, empty if there is none. `default_class`: of the tokenizer, where the configuration
/// names none. Errors: kMalformedFile, kLimitExceeded.
Result<AddedTokens> read_added_tokens(const TokenizerJson &tokenizer, const Json &config,
                                      std::string_view default_class);

/// The text of a special token, which is a string or an object with its "content"; nothing where it is neither.
std::optional<std::string_view> token_text(const Json *entry);

} // namespace monoquant::llama_cpp
