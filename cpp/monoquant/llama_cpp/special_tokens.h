// Which tokens begin and end texts, whether they are added by themselves, and the template of a chat.
// It exists because these are spread over tokenizer.json, tokenizer_config.json, config.json and files of templates.
// Source: gguf-py, vocab.py, SpecialVocab.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "monoquant/container/gguf_writer.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {

/// What stands beside a vocabulary, parsed.
struct TokenFiles {
  const Json *tokenizer =
      nullptr;        // tokenizer.json without its vocabulary; nothing where there is none
  const Json &config; // tokenizer_config.json, empty where there is none
  const Json &model;  // config.json
};

/// Which special tokens are looked for, and what is known of them already.
struct SpecialWish {
  std::vector<std::string_view> kinds = {"bos", "eos", "unk", "sep", "pad", "cls", "mask"};
  std::optional<size_t> tokens = {}; // numbers from here on are left out
  std::vector<std::pair<std::string_view, uint32_t>> fallbacks = {}; // kinds that nothing else says
  bool has_template = true;
};

/// tokenizer.ggml.bos_token_id and its like, .add_bos_token and its like, tokenizer.chat_template.
/// Errors: kMalformedFile.
Result<void> add_special_keys(const SideFiles &files, const TokenFiles &of, SpecialWish wish,
                              container::GgufKeys &keys);

} // namespace monoquant::llama_cpp
