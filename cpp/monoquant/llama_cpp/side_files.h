// What stands beside the weights in a folder of Hugging Face's: texts and bytes, read by whoever has the folder.
// It exists because the keys of a GGUF file come from these and from nothing else.
// A file that is not there is nothing; one that is there and empty is an empty text.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/json.h"
#include "monoquant/base/result.h"

namespace monoquant::llama_cpp {

/// A template of additional_chat_templates/, by the name of its file without ".jinja".
struct NamedTemplate {
  std::string name;
  std::string_view text;
};

struct SideFiles {
  std::string_view config;                               // config.json
  std::optional<std::string_view> generation_config;     // generation_config.json
  std::optional<std::string_view> tokenizer;             // tokenizer.json
  std::optional<std::span<const uint8_t>> sentencepiece; // tokenizer.model
  std::optional<std::string_view> tokenizer_config;      // tokenizer_config.json
  std::optional<std::string_view> added_tokens;          // added_tokens.json
  std::optional<std::string_view> vocabulary;            // vocab.json
  std::optional<std::string_view> merges;                // merges.txt
  std::optional<std::string_view> chat_template;         // chat_template.jinja
  std::optional<std::string_view> chat_template_json;    // chat_template.json
  std::vector<NamedTemplate> more_chat_templates;        // additional_chat_templates/*.jinja
  std::optional<std::string_view> readme;                // README.md
  bool has_modules = false;                              // modules.json of sentence-transformers
  std::string folder;                                    // its own name, without the way to it
};

/// Tokens in a vocabulary. The largest published ones have 262,144, and configurations claim more for padding.
inline constexpr size_t kMaxVocabulary = size_t{1} << 20U;

/// Tokenizers of the largest vocabularies take 34 MB.
inline constexpr size_t kMaxSideFile = size_t{64} << 20U;

/// Values in a document. Configurations have a few hundred; those of tokenizers list added tokens with eight values each:
/// 6,400 of Gemma 3's, 29,000 of models that speak.
inline constexpr size_t kMaxSideFileValues = 500'000;

/// "Expected config.json to hold `expected`, found `found`."
Error side_file_error(std::string_view file, std::string_view expected, std::string_view found);

/// A file that is one JSON object. Errors: kMalformedFile, kLimitExceeded.
Result<Json> read_side_file(std::string_view file, std::string_view text);

/// Empty where the file is missing.
Result<Json> read_side_file(std::string_view file, const std::optional<std::string_view> &text);

/// A member of an object; nothing where there is none, where it is null, or where `object` is none.
const Json *member(const Json &object, std::string_view name);

/// The same of what is itself perhaps nothing.
const Json *member(const Json *object, std::string_view name);

/// The text that it is; nothing where it is none.
std::optional<std::string_view> text_of(const Json *value);

/// The text of a member.
std::optional<std::string_view> text_of(const Json &object, std::string_view name);

/// Whether a member is true.
bool is_true(const Json &object, std::string_view name);

} // namespace monoquant::llama_cpp
