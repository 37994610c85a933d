#include "monoquant/llama_cpp/tokenizer_json.h"

#include <algorithm>
#include <utility>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::llama_cpp {
namespace {

constexpr size_t kMaxMerges = 4 * kMaxVocabulary; // the largest published tokenizers have 515,000
constexpr std::string_view kSpaceByte =
    "\u0120"; // Ġ: what byte-level vocabularies have for a space

/// Takes the events of one value that is a list of its own: tokens with ids, or merges.
class ListReader {
public:
  enum class Kind : uint8_t { kTokens, kMerges };
  explicit ListReader(Kind kind) : kind_(kind) {}

  /// False where the list must not have this. After each, `is_over()` says whether the value has ended.
  [[nodiscard]] bool scalar() const { return depth_ == 0 || is_skipped_; }
  bool number(uint64_t value) {
    if (is_skipped_ || kind_ == Kind::kMerges || depth_ == 0) {
      return scalar();
    }
    if (value >= kMaxVocabulary || tokens.size() == kMaxVocabulary) {
      return false;
    }
    tokens.push_back({std::move(name_), static_cast<uint32_t>(value)});
    return true;
  }
  bool text(std::string &value) {
    if (is_skipped_ || kind_ == Kind::kTokens || depth_ == 0) {
      return scalar();
    }
    if (depth_ == 1) {
      return add(std::move(value));
    }
    if (parts_ == 2) {
      return false;
    }
    pair_ += parts_++ == 0 ? "" : " ";
    for (const char letter : value) {
      letter == ' ' ? void(pair_ += kSpaceByte) : void(pair_ += letter);
    }
    return true;
  }
  bool name(std::string &name) {
    name_ = std::move(name);
    return true;
  }
  bool open(bool is_object) {
    ++depth_;
    if (depth_ == 1) {
      is_skipped_ = is_object != (kind_ == Kind::kTokens); // the lists of another kind of model
      return true;
    }
    parts_ = 0;
    pair_.clear();
    return is_skipped_ ? depth_ < kMaxJsonDepth
                       : kind_ == Kind::kMerges && depth_ == 2 && !is_object;
  }
  bool close() {
    --depth_;
    if (is_skipped_ || depth_ == 0) {
      return true;
    }
    return parts_ == 2 && add(std::move(pair_));
  }
  [[nodiscard]] bool is_over() const { return depth_ == 0; }

  std::vector<Token> tokens;
  std::vector<std::string> merges;

private:
  bool add(std::string merge) {
    merges.push_back(std::move(merge));
    return merges.size() <= kMaxMerges;
  }

  Kind kind_;
  size_t depth_ = 0;
  bool is_skipped_ = false;
  std::string name_; // of the token that comes next
  std::string pair_;
  size_t parts_ = 0; // of the pair
};

/// Hands the events of model.vocab and model.merges to readers of their own, and all others to a document.
class TokenizerEvents final : public JsonEvents {
public:
  bool null() override { return list_ != nullptr ? after(list_->scalar()) : rest_.null(); }
  bool boolean(bool value) override {
    return list_ != nullptr ? after(list_->scalar()) : rest_.boolean(value);
  }
  bool number_integer(number_integer_t value) override {
    return list_ != nullptr ? after(list_->scalar()) : rest_.number_integer(value);
  }
  bool number_unsigned(number_unsigned_t value) override {
    return list_ != nullptr ? after(list_->number(value)) : rest_.number_unsigned(value);
  }
  bool number_float(number_float_t value, const string_t &text) override {
    return list_ != nullptr ? after(list_->scalar()) : rest_.number_float(value, text);
  }
  bool string(string_t &value) override {
    return list_ != nullptr ? after(list_->text(value)) : rest_.string(value);
  }
  bool binary(binary_t & /*value*/) override { return false; }

  bool start_object(size_t size) override { return open(true, size); }
  bool start_array(size_t size) override { return open(false, size); }
  bool end_object() override { return close(true); }
  bool end_array() override { return close(false); }

  bool key(string_t &name) override {
    if (list_ != nullptr) {
      return list_->name(name);
    }
    if (depth_ == 1) {
      is_in_model_ = name == "model";
    } else if (depth_ == 2 && is_in_model_ && (name == "vocab" || name == "merges")) {
      list_ = name == "vocab" ? &vocabulary_ : &merges_;
      bool &was_there = name == "vocab" ? has_vocabulary_ : has_merges_;
      return !std::exchange(was_there, true);
    }
    return rest_.key(name);
  }

  bool parse_error(size_t /*position*/, const std::string & /*token*/,
                   const nlohmann::detail::exception & /*error*/) override {
    return false;
  }

  TokenizerJson take() {
    return {std::move(vocabulary_.tokens), std::move(merges_.merges), rest_.take()};
  }

private:
  bool open(bool is_object, size_t size) {
    if (list_ != nullptr) {
      return list_->open(is_object);
    }
    ++depth_;
    return is_object ? rest_.start_object(size) : rest_.start_array(size);
  }
  bool close(bool is_object) {
    if (list_ != nullptr) {
      return after(list_->close());
    }
    --depth_;
    return is_object ? rest_.end_object() : rest_.end_array();
  }
  /// Behind the last event of a list, the document goes on.
  bool after(bool is_well) {
    if (list_->is_over()) {
      list_ = nullptr;
    }
    return is_well;
  }

  JsonBuilder rest_{kMaxSideFileValues};
  ListReader vocabulary_{ListReader::Kind::kTokens};
  ListReader merges_{ListReader::Kind::kMerges};
  ListReader *list_ = nullptr; // that the value belongs to which is being read
  size_t depth_ = 0;           // of the document
  bool is_in_model_ = false;
  bool has_vocabulary_ = false;
  bool has_merges_ = false;
};

/// The whole file is one list of tokens.
class TokensEvents final : public JsonEvents {
public:
  bool null() override { return false; }
  bool boolean(bool /*value*/) override { return false; }
  bool number_integer(number_integer_t /*value*/) override { return false; }
  bool number_unsigned(number_unsigned_t value) override {
    return !list.is_over() && list.number(value);
  }
  bool number_float(number_float_t /*value*/, const string_t & /*text*/) override { return false; }
  bool string(string_t & /*value*/) override { return false; }
  bool binary(binary_t & /*value*/) override { return false; }
  bool start_object(size_t /*size*/) override { return list.open(true); }
  bool key(string_t &name) override { return list.name(name); }
  bool end_object() override { return list.close(); }
  bool start_array(size_t /*size*/) override { return false; }
  bool end_array() override { return false; }
  bool parse_error(size_t /*position*/, const std::string & /*token*/,
                   const nlohmann::detail::exception & /*error*/) override {
    return false;
  }

  ListReader list{ListReader::Kind::kTokens};
};

Result<void> check_size(std::string_view file, std::string_view text) {
  if (text.size() > kMaxSideFile) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Expected ", file, " to have at most ", kMaxSideFile >> 20U, " MiB, found ",
                        text.size(), " bytes."),
                 {},
                 {},
                 {}};
  }
  return {};
}

/// The words of a line, parted by spaces and the like.
std::vector<std::string_view> parts_of(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\f\v";
  std::vector<std::string_view> parts;
  while (true) {
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(kBlanks)));
    if (line.empty()) {
      return parts;
    }
    const size_t length = std::min(line.size(), line.find_first_of(kBlanks));
    parts.push_back(line.substr(0, length));
    line.remove_prefix(length);
  }
}

} // namespace

Result<TokenizerJson> read_tokenizer_json(std::string_view text) {
  if (const auto fits = check_size("tokenizer.json", text); !fits) {
    return fits.error();
  }
  TokenizerEvents events;
  if (!read_json(text, events)) {
    return side_file_error("tokenizer.json", "a JSON object with a vocabulary",
                           concat("something else, or more than ", kMaxVocabulary, " tokens"));
  }
  TokenizerJson tokenizer = events.take();
  if (!tokenizer.rest.is_object()) {
    return side_file_error("tokenizer.json", "a JSON object", "another value");
  }
  return tokenizer;
}

Result<std::vector<Token>> read_tokens(std::string_view file, std::string_view text) {
  if (const auto fits = check_size(file, text); !fits) {
    return fits.error();
  }
  TokensEvents events;
  if (!read_json(text, events)) {
    return side_file_error(file, "tokens and their numbers", "something else");
  }
  return std::move(events.list.tokens);
}

std::vector<std::string> read_merges(std::string_view text) {
  std::vector<std::string> merges;
  bool is_first = true;
  while (!text.empty() && merges.size() < kMaxMerges) {
    const size_t length = std::min(text.size(), text.find('\n'));
    const std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(text.size(), length + 1));
    const auto parts = parts_of(line);
    if (parts.size() == 2 && !(is_first && parts[0].starts_with('#'))) {
      merges.push_back(concat(parts[0], " ", parts[1]));
    }
    is_first = false;
  }
  return merges;
}

} // namespace monoquant::llama_cpp
