// The JSON library, set up for a build without exceptions, for reading; base/json_writer.h writes.
// nlohmann/json: the most used one for C++, header-only, and its SAX parser sees duplicate keys.
// Its parser stands in one source: each use of its own would be another copy in the engine.
#pragma once

#define JSON_NOEXCEPTION 1
#include <nlohmann/json.hpp>

#include <string_view>

#include "monoquant/base/json_name.h"

namespace monoquant {

/// What is told of a document piece by piece.
using JsonEvents = nlohmann::json_sax<Json>;

/// Objects and lists inside each other, at most. Documents of people and tools have a dozen.
inline constexpr size_t kMaxJsonDepth = 128;

/// False where the text is no JSON or `events` did not want more of it.
bool read_json(std::string_view text, JsonEvents &events);

/// The whole document; where the text is no JSON or nests too deeply, one that is_discarded().
Json parse_json(std::string_view text);

} // namespace monoquant
