#include "monoquant/llama_cpp/pretokenizer.h"

#include <algorithm>
#include <array>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {
namespace {

/// Regular expressions as the models' own tokenizer.json files have them. llama.cpp quotes each beside its own version.
constexpr std::string_view kLlama3Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenWords =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4oWords =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// A table's row: rules, what else must hold, and the name. The first that fits counts.
struct PretokenizerRow {
  std::string_view rules;
  std::string_view words;      // the regular expression that the rules speak of
  std::string_view normalizer; // its type; "*": any or none
  std::string_view token;      // one that must have been added; empty: none must
  char merges; // 'i': words that are tokens are not merged, 'm': they are; ' ': either
  std::string_view name;
};

// "words": splits by a regular expression; "bytes": then only turns bytes into letters; "bytes+": splits as GPT-2 does;
// "digits": each digit by itself.
constexpr std::array<PretokenizerRow, 9> kPretokenizers = {{
    {"words,bytes", kLlama3Words, "", "", 'i', "llama-bpe"},
    {"words,bytes", kLlama3Words, "", "", 'm', "smaug-bpe"}, // the same words, merged
    {"words,bytes", kQwen2Words, "NFC", "", ' ', "qwen2"},
    {"words,bytes", kQwen2Words, "", "<｜begin▁of▁sentence｜>", ' ', "deepseek-r1-qwen"},
    {"words,bytes", kQwen35Words, "NFC", "", ' ', "qwen35"},
    {"words,bytes", kTekkenWords, "", "", ' ', "tekken"},
    {"words,bytes", kGpt4oWords, "", "<|begin_of_text|>", ' ', "llama4"},
    {"digits,bytes+", "", "", "<|im_start|>", ' ', "smollm"},
    {"bytes+", "", "", "", ' ', "gpt-2"},
}};

/// One rule: its word, or nothing if it is not known. A regular expression that it has goes to `words`.
std::optional<std::string_view> rule_of(const Json &rule, std::string_view &words) {
  const std::string_view type = text_of(rule, "type").value_or("");
  if (type == "Split") {
    const auto regex = text_of(member(member(rule, "pattern"), "Regex"));
    const bool is_plain = text_of(rule, "behavior") == "Isolated" && !is_true(rule, "invert");
    if (!regex || !is_plain || !words.empty()) {
      return std::nullopt;
    }
    words = *regex;
    return "words";
  }
  if (type == "ByteLevel") {
    const Json *use_regex = member(rule, "use_regex");
    const bool splits = use_regex == nullptr || *use_regex != false;
    return is_true(rule, "add_prefix_space")
               ? std::nullopt
               : std::optional(std::string_view(splits ? "bytes+" : "bytes"));
  }
  if (type == "Digits" && is_true(rule, "individual_digits")) {
    return "digits";
  }
  return std::nullopt;
}

/// The type of the normalizer; empty for none.
std::string_view normalizer_of(const Json &tokenizer) {
  const Json *normalizer = member(tokenizer, "normalizer");
  const std::string_view type = text_of(member(normalizer, "type")).value_or("");
  const Json *steps = type == "Sequence" ? member(normalizer, "normalizers") : nullptr;
  if (steps == nullptr || !steps->is_array()) {
    return type;
  }
  return steps->empty()       ? ""
         : steps->size() == 1 ? text_of(steps->front(), "type").value_or("")
                              : std::string_view("Sequence");
}

} // namespace

std::optional<std::string> pretokenizer_name(const Json &tokenizer, const AddedTokens &added) {
  const Json *pretokenizer = member(tokenizer, "pre_tokenizer");
  if (pretokenizer == nullptr) {
    return std::nullopt;
  }
  const Json *steps = member(pretokenizer, "pretokenizers");
  const bool is_sequence = text_of(*pretokenizer, "type") == "Sequence";
  if (is_sequence && (steps == nullptr || !steps->is_array())) {
    return std::nullopt;
  }
  std::string rules;
  std::string_view words;
  for (size_t i = 0; i < (is_sequence ? steps->size() : 1); ++i) {
    const auto rule = rule_of(is_sequence ? (*steps)[i] : *pretokenizer, words);
    if (!rule || i == kPretokenizers.size()) {
      return std::nullopt;
    }
    rules += concat(i == 0 ? "" : ",", *rule);
  }
  const Json *model = member(tokenizer, "model");
  const char merges = model != nullptr && is_true(*model, "ignore_merges") ? 'i' : 'm';
  const std::string_view normalizer = normalizer_of(tokenizer);
  const auto *row =
      std::find_if(kPretokenizers.begin(), kPretokenizers.end(), [&](const PretokenizerRow &entry) {
        return entry.rules == rules && entry.words == words && entry.normalizer == normalizer &&
               (entry.token.empty() || added.find(entry.token) != nullptr) &&
               (entry.merges == ' ' || entry.merges == merges);
      });
  return row == kPretokenizers.end() ? std::nullopt : std::optional(std::string(row->name));
}

} // namespace monoquant::llama_cpp
