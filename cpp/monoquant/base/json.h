// The JSON library, set up for a build without exceptions, for reading; base/json_writer.h writes.
// nlohmann/json: the most used one for C++, header-only, and its SAX parser sees duplicate keys.
// Its parser stands in one source: each use of its own would be another copy in the engine.
#pragma once

#define JSON_NOEXCEPTION 1
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "monoquant/base/json_name.h"

namespace monoquant {

/// What is told of a document piece by piece.
using JsonEvents = nlohmann::json_sax<Json>;

/// Objects and lists inside each other, at most. Documents of people and tools have a dozen.
inline constexpr size_t kMaxJsonDepth = 128;

/// False where the text is no JSON or `events` did not want more of it.
bool read_json(std::string_view text, JsonEvents &events);

/// Makes a document of what it is told. It wants no more of one that nests too deeply or has too many values.
class JsonBuilder final : public JsonEvents {
public:
  explicit JsonBuilder(size_t most_values = SIZE_MAX) : most_values_(most_values) {}

  bool null() override;
  bool boolean(bool value) override;
  bool number_integer(number_integer_t value) override;
  bool number_unsigned(number_unsigned_t value) override;
  bool number_float(number_float_t value, const string_t &text) override;
  bool string(string_t &value) override;
  bool binary(binary_t &value) override;
  bool start_object(size_t size) override;
  bool key(string_t &name) override;
  bool end_object() override;
  bool start_array(size_t size) override;
  bool end_array() override;
  bool parse_error(size_t position, const std::string &token,
                   const nlohmann::detail::exception &error) override;

  Json take();

private:
  bool add(Json value);
  bool enter(Json::value_t kind);
  bool leave();

  size_t most_values_;
  size_t values_ = 0;
  Json document_;
  std::vector<Json *> open_; // from the outermost inwards: none moves while it is open
  Json *place_ = &document_; // of the value that comes next, unless it is in a list
};

/// The whole document; where the text is no JSON, nests too deeply or has too many values, one that is_discarded().
Json parse_json(std::string_view text, size_t most_values = SIZE_MAX);

} // namespace monoquant
