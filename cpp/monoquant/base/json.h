// The JSON library, set up for a build without exceptions.
// It stands in a header of its own so that only sources which need JSON pay for compiling it.
// nlohmann/json: the most used one for C++, header-only, and its SAX parser sees duplicate keys.
#pragma once

#define JSON_NOEXCEPTION 1
#include <nlohmann/json.hpp>

#include <string>

#include "monoquant/base/result.h"

namespace monoquant {

/// Keeps the order in which members were added, so that documents read as they are written here.
using Json = nlohmann::ordered_json;

/// Text of a document; bytes that are not UTF-8 are replaced, so it cannot fail.
inline std::string json_text(const Json &document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The error as TypeScript's EngineError.
inline Json error_json(const Error &error) {
  Json document{{"code", error_code_name(error.code)}, {"message", error.message}};
  if (!error.suggestion.empty()) {
    document["suggestion"] = error.suggestion;
  }
  if (!error.tensor.empty()) {
    document["tensor"] = error.tensor;
  }
  if (error.offset) {
    document["offset"] = *error.offset;
  }
  return document;
}

} // namespace monoquant
