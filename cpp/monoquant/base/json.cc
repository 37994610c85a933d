#include "monoquant/base/json.h"

#include <string>
#include <utility>

namespace monoquant {

bool JsonBuilder::null() { return add(nullptr); }
bool JsonBuilder::boolean(bool value) { return add(value); }
bool JsonBuilder::number_integer(number_integer_t value) { return add(value); }
bool JsonBuilder::number_unsigned(number_unsigned_t value) { return add(value); }
bool JsonBuilder::number_float(number_float_t value, const string_t & /*text*/) {
  return add(value);
}
bool JsonBuilder::string(string_t &value) { return add(std::move(value)); }
bool JsonBuilder::binary(binary_t & /*value*/) { return false; } // no JSON has it

bool JsonBuilder::start_object(size_t /*size*/) { return enter(Json::value_t::object); }
bool JsonBuilder::key(string_t &name) {
  Json &object = *open_.back();
  place_ = &object[std::move(name)];
  return object.size() <= limits_.members;
}
bool JsonBuilder::end_object() { return leave(); }
bool JsonBuilder::start_array(size_t /*size*/) { return enter(Json::value_t::array); }
bool JsonBuilder::end_array() { return leave(); }

bool JsonBuilder::parse_error(size_t /*position*/, const std::string & /*token*/,
                              const nlohmann::detail::exception & /*error*/) {
  return false;
}

Json JsonBuilder::take() { return std::move(document_); }

bool JsonBuilder::add(Json value) {
  if (!open_.empty() && open_.back()->is_array()) {
    open_.back()->push_back(nullptr);
    place_ = &open_.back()->back();
  }
  *place_ = std::move(value);
  return ++values_ <= limits_.values;
}

bool JsonBuilder::enter(Json::value_t kind) {
  const bool fits = add(kind);
  open_.push_back(place_);
  return fits && open_.size() <= kMaxJsonDepth;
}

bool JsonBuilder::leave() {
  open_.pop_back();
  return true;
}

bool read_json(std::string_view text, JsonEvents &events) {
  // A text of nothing may be nowhere, and nothing is no JSON.
  return !text.empty() && Json::sax_parse(text.data(), text.data() + text.size(), &events);
}

Json parse_json(std::string_view text, JsonLimits limits) {
  JsonBuilder builder(limits);
  return read_json(text, builder) ? builder.take() : Json(Json::value_t::discarded);
}

} // namespace monoquant
