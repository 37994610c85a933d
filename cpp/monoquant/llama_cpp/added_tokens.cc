#include "monoquant/llama_cpp/added_tokens.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {
namespace {

constexpr size_t kMaxAddedTokens = 300'000;
constexpr std::string_view kTokenSuffix = "_token";

constexpr std::array<std::string_view, 7> kNamedTokens = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

/// What a tokenizer's class takes where its configuration has no such key.
struct ClassDefault {
  std::string_view beginning; // of the class's name
  std::string_view name;
  std::string_view text;
};

constexpr std::array<ClassDefault, 14> kClassDefaults = {{
    {"LlamaTokenizer", "bos_token", "<s>"},
    {"LlamaTokenizer", "eos_token", "</s>"},
    {"LlamaTokenizer", "unk_token", "<unk>"},
    {"CodeLlamaTokenizer", "bos_token", "<s>"},
    {"CodeLlamaTokenizer", "eos_token", "</s>"},
    {"CodeLlamaTokenizer", "unk_token", "<unk>"},
    {"Qwen2Tokenizer", "eos_token", "<|endoftext|>"},
    {"Qwen2Tokenizer", "unk_token", "<|endoftext|>"},
    {"Qwen2Tokenizer", "pad_token", "<|endoftext|>"},
    {"GemmaTokenizer", "bos_token", "<bos>"},
    {"GemmaTokenizer", "eos_token", "<eos>"},
    {"GemmaTokenizer", "unk_token", "<unk>"},
    {"GemmaTokenizer", "pad_token", "<pad>"},
    {"GemmaTokenizer", "mask_token", "<mask>"},
}};

/// Adds tokens as the tokenizers library does: one that is there already stays as it is.
class Adder {
public:
  explicit Adder(const std::vector<Token> &vocabulary) : vocabulary_(vocabulary) {}

  /// One that brings its number.
  void add(AddedToken token) {
    if (texts_.insert(token.text).second) {
      tokens_.push_back(std::move(token));
    }
  }

  /// One that is in the vocabulary, or comes behind all that there are.
  void add_named(std::string_view text, bool is_special, bool is_normalized) {
    if (text.empty() || texts_.contains(std::string(text))) {
      return;
    }
    const auto known = id_of(text);
    add({std::string(text), known ? *known : next_id(), is_special, is_normalized});
  }

  [[nodiscard]] bool is_full() const { return tokens_.size() > kMaxAddedTokens; }
  std::vector<AddedToken> take() { return std::move(tokens_); }

private:
  std::optional<uint32_t> id_of(std::string_view text) {
    if (ids_.empty()) {
      ids_.reserve(vocabulary_.size());
      for (const Token &token : vocabulary_) {
        ids_.emplace(token.text, token.id);
      }
    }
    const auto found = ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

  [[nodiscard]] uint32_t next_id() const {
    auto next = static_cast<uint32_t>(vocabulary_.size());
    for (const AddedToken &token : tokens_) {
      next = std::max(next, token.id + 1);
    }
    return next;
  }

  const std::vector<Token> &vocabulary_;
  std::unordered_map<std::string_view, uint32_t> ids_; // of the vocabulary, once they are wanted
  std::vector<AddedToken> tokens_;
  std::set<std::string> texts_; // of the tokens
};

bool flag_or(const Json &object, std::string_view name, bool otherwise) {
  const Json *value = member(object, name);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : otherwise;
}

/// Those of tokenizer.json.
std::optional<Error> add_listed(const Json &tokenizer, Adder &adder) {
  const Json *list = member(tokenizer, "added_tokens");
  if (list == nullptr) {
    return std::nullopt;
  }
  for (const Json &entry : *list) {
    const auto text = text_of(entry, "content");
    const Json *id = member(entry, "id");
    if (!text || id == nullptr || !id->is_number_unsigned() ||
        id->get<uint64_t>() >= kMaxVocabulary) {
      return side_file_error("tokenizer.json", "added tokens with their text and number",
                             "something else");
    }
    const bool is_special = flag_or(entry, "special", false);
    adder.add({std::string(*text), static_cast<uint32_t>(id->get<uint64_t>()), is_special,
               flag_or(entry, "normalized", !is_special)});
  }
  return std::nullopt;
}

/// Those of tokenizer_config.json that are not in tokenizer.json, in the order of their numbers.
void add_decoded(const Json &config, Adder &adder) {
  const Json *decoder = member(config, "added_tokens_decoder");
  if (decoder == nullptr || !decoder->is_object()) {
    return;
  }
  std::vector<std::pair<std::string_view, const Json *>> entries;
  for (const auto &entry : decoder->items()) {
    entries.emplace_back(entry.key(), &entry.value());
  }
  sort(entries, [](const auto &a, const auto &b) {
    return a.first.size() != b.first.size() ? a.first.size() < b.first.size() : a.first < b.first;
  });
  for (const auto &[id, entry] : entries) {
    const bool is_special = flag_or(*entry, "special", false);
    adder.add_named(token_text(entry).value_or(""), is_special,
                    flag_or(*entry, "normalized", !is_special));
  }
}

std::vector<std::string> find_specials(const Json &config, std::string_view default_class) {
  std::vector<std::string> specials;
  const auto take = [&](const Json *entry) {
    if (const auto text = token_text(entry); text && !text->empty()) {
      specials.emplace_back(*text);
    }
  };
  const std::string_view of_class = text_of(config, "tokenizer_class").value_or(default_class);
  for (const std::string_view name : kNamedTokens) {
    take(member(config, name));
    const auto *found =
        std::find_if(kClassDefaults.begin(), kClassDefaults.end(), [&](const ClassDefault &entry) {
          return entry.name == name && of_class.starts_with(entry.beginning);
        });
    if (found != kClassDefaults.end() && !config.contains(std::string(name))) {
      specials.emplace_back(found->text);
    }
  }
  for (const auto &entry : config.items()) {
    const bool is_named =
        std::find(kNamedTokens.begin(), kNamedTokens.end(), entry.key()) != kNamedTokens.end();
    if (entry.key().ends_with(kTokenSuffix) && !is_named && entry.value().is_string()) {
      take(&entry.value());
    }
  }
  const Json *more = member(config, "extra_special_tokens");
  more = more == nullptr || more->empty() ? member(config, "additional_special_tokens") : more;
  if (more != nullptr && more->is_structured()) {
    for (const Json &entry : *more) {
      take(&entry);
    }
  }
  return specials;
}

} // namespace

const AddedToken *AddedTokens::find(std::string_view text) const {
  const auto found = std::find_if(tokens.begin(), tokens.end(),
                                  [&](const AddedToken &token) { return token.text == text; });
  return found == tokens.end() ? nullptr : &*found;
}

bool AddedTokens::is_special(std::string_view text) const {
  return std::find(specials.begin(), specials.end(), text) != specials.end();
}

std::optional<std::string_view> token_text(const Json *entry) {
  const auto text = text_of(entry);
  return text ? text : text_of(member(entry, "content"));
}

Result<AddedTokens> read_added_tokens(const TokenizerJson &tokenizer, const Json &config,
                                      std::string_view default_class) {
  Adder adder(tokenizer.vocabulary);
  if (auto error = add_listed(tokenizer.rest, adder)) {
    return *error;
  }
  add_decoded(config, adder);
  AddedTokens added;
  added.specials = find_specials(config, default_class);
  for (const std::string &special : added.specials) {
    adder.add_named(special, true, false);
  }
  if (adder.is_full()) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Expected at most ", kMaxAddedTokens, " added tokens, found more."),
                 {},
                 {},
                 {}};
  }
  added.tokens = adder.take();
  sort(added.tokens, [](const AddedToken &a, const AddedToken &b) { return a.id < b.id; });
  const auto twice =
      std::adjacent_find(added.tokens.begin(), added.tokens.end(),
                         [](const AddedToken &a, const AddedToken &b) { return a.id == b.id; });
  if (twice != added.tokens.end()) {
    return side_file_error("tokenizer.json", "one added token of each number",
                           concat("two of number ", twice->id));
  }
  return added;
}

} // namespace monoquant::llama_cpp
