#include "monoquant/base/json_writer.h"

#include <array>
#include <cmath>

#include "monoquant/base/json.h"
#include "monoquant/base/utf8.h"

namespace monoquant {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD"; // U+FFFD

void append_escaped(std::string &text, char c) {
  constexpr std::string_view kPlain = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  const size_t index = kPlain.find(c);
  text += '\\';
  if (index != std::string_view::npos) {
    text += kLetters[index];
    return;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  text += c < 0x10 ? "u000" : "u001";
  text += kDigits[static_cast<uint8_t>(c) % 16U];
}

/// ASCII that stands in JSON text as it is.
bool is_plain(char c) { return static_cast<signed char>(c) >= 0x20 && c != '"' && c != '\\'; }

void append_quoted(std::string &text, std::string_view value) {
  text += '"';
  size_t plain = 0; // where the bytes begin that are copied as they are
  for (size_t i = 0; i < value.size();) {
    if (is_plain(value[i])) {
      ++i;
      continue;
    }
    size_t broken = 0;
    const size_t length = utf8_character(value.substr(i), broken);
    if (length > 1) {
      i += length;
      continue;
    }
    text += value.substr(plain, i - plain);
    if (length == 1) {
      append_escaped(text, value[i]);
    } else {
      text += kReplacement;
    }
    i += broken;
    plain = i;
  }
  text += value.substr(plain);
  text += '"';
}

} // namespace

/// A comma, unless what comes next is the first of its kind or follows a key.
void JsonWriter::separate() {
  if (sink_ != nullptr && text_.size() >= kPiece) {
    hand_over();
  }
  const char last = text_.empty() ? last_ : text_.back();
  if (last != 0 && std::string_view("{[:").find(last) == std::string_view::npos) {
    text_ += ',';
  }
}

void JsonWriter::hand_over() {
  if (!text_.empty()) {
    last_ = text_.back();
    sink_->take(text_);
    text_.clear();
  }
}

JsonWriter &JsonWriter::begin_object() {
  separate();
  text_ += '{';
  open_ += '}';
  return *this;
}

JsonWriter &JsonWriter::begin_array() {
  separate();
  text_ += '[';
  open_ += ']';
  return *this;
}

JsonWriter &JsonWriter::end() {
  text_ += open_.back();
  open_.pop_back();
  return *this;
}

JsonWriter &JsonWriter::key(std::string_view name) {
  value(name);
  text_ += ':';
  return *this;
}

void JsonWriter::value(std::nullptr_t /*nothing*/) {
  separate();
  text_ += "null";
}

void JsonWriter::value(bool flag) {
  separate();
  text_ += flag ? "true" : "false";
}

void JsonWriter::natural(uint64_t number) {
  separate();
  text_ += std::to_string(number);
}

void JsonWriter::integer(int64_t number) {
  separate();
  text_ += std::to_string(number);
}

void JsonWriter::value(double number) {
  if (!std::isfinite(number)) {
    return value(nullptr);
  }
  separate();
  // The library's digits take no tables; std::to_chars() has 104 kB of them.
  std::array<char, 64> digits{};
  char *end = nlohmann::detail::to_chars(digits.data(), digits.data() + digits.size(), number);
  text_.append(digits.data(), end);
}

void JsonWriter::value(std::string_view text) {
  separate();
  append_quoted(text_, text);
}

void JsonWriter::value(const std::string &text) { value(std::string_view(text)); }

void JsonWriter::document(std::string_view text) {
  separate();
  text_ += text;
}

std::string error_json(const Error &error) {
  JsonWriter json;
  json.begin_object();
  json.member("code", error_code_name(error.code));
  json.member("message", error.message);
  if (!error.suggestion.empty()) {
    json.member("suggestion", error.suggestion);
  }
  if (!error.tensor.empty()) {
    json.member("tensor", error.tensor);
  }
  if (error.offset) {
    json.member("offset", *error.offset);
  }
  json.end();
  return json.take();
}

} // namespace monoquant
