#include "monoquant/llama_cpp/side_files.h"

#include "monoquant/base/text.h"

namespace monoquant::llama_cpp {

Error side_file_error(std::string_view file, std::string_view expected, std::string_view found) {
  return {ErrorCode::kMalformedFile,
          concat("Expected ", file, " to hold ", expected, ", found ", found, "."),
          concat("Get the model's ", file, " again."),
          {},
          {}};
}

Result<Json> read_side_file(std::string_view file, std::string_view text) {
  if (text.size() > kMaxSideFile) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Expected ", file, " to have at most ", kMaxSideFile >> 20U, " MiB, found ",
                        text.size(), " bytes."),
                 {},
                 {},
                 {}};
  }
  Json document = parse_json(text, kMaxSideFileValues);
  if (!document.is_object()) {
    return side_file_error(file, "one JSON object",
                           document.is_discarded() ? "something else, or too much"
                                                   : "another value");
  }
  return document;
}

Result<Json> read_side_file(std::string_view file, const std::optional<std::string_view> &text) {
  return text ? read_side_file(file, *text) : Result<Json>(Json::object());
}

const Json *member(const Json &object, std::string_view name) {
  if (!object.is_object()) {
    return nullptr;
  }
  const auto found = object.find(std::string(name));
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

const Json *member(const Json *object, std::string_view name) {
  return object == nullptr ? nullptr : member(*object, name);
}

std::optional<std::string_view> text_of(const Json *value) {
  const std::string *text = value == nullptr ? nullptr : value->get_ptr<const std::string *>();
  return text == nullptr ? std::nullopt : std::optional<std::string_view>(*text);
}

std::optional<std::string_view> text_of(const Json &object, std::string_view name) {
  return text_of(member(object, name));
}

bool is_true(const Json &object, std::string_view name) {
  const Json *value = member(object, name);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

} // namespace monoquant::llama_cpp
