#include "monoquant/base/json.h"

#include <string>
#include <utility>
#include <vector>

namespace monoquant {
namespace {

/// Makes a document of what it is told.
class DocumentBuilder final : public JsonEvents {
public:
  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t & /*text*/) override { return add(value); }
  bool string(string_t &value) override { return add(std::move(value)); }
  bool binary(binary_t & /*value*/) override { return false; } // no JSON has it

  bool start_object(size_t /*size*/) override { return enter(Json::value_t::object); }
  bool key(string_t &name) override {
    place_ = &(*open_.back())[std::move(name)];
    return true;
  }
  bool end_object() override { return leave(); }
  bool start_array(size_t /*size*/) override { return enter(Json::value_t::array); }
  bool end_array() override { return leave(); }

  bool parse_error(size_t /*position*/, const std::string & /*token*/,
                   const nlohmann::detail::exception & /*error*/) override {
    return false;
  }

  Json take() { return std::move(document_); }

private:
  bool add(Json value) {
    if (!open_.empty() && open_.back()->is_array()) {
      open_.back()->push_back(nullptr);
      place_ = &open_.back()->back();
    }
    *place_ = std::move(value);
    return true;
  }

  bool enter(Json::value_t kind) {
    add(kind);
    open_.push_back(place_);
    return open_.size() <= kMaxJsonDepth;
  }

  bool leave() {
    open_.pop_back();
    return true;
  }

  Json document_;
  std::vector<Json *> open_; // from the outermost inwards: none moves while it is open
  Json *place_ = &document_; // of the value that comes next, unless it is in a list
};

} // namespace

bool read_json(std::string_view text, JsonEvents &events) {
  // A text of nothing may be nowhere, and nothing is no JSON.
  return !text.empty() && Json::sax_parse(text.data(), text.data() + text.size(), &events);
}

Json parse_json(std::string_view text) {
  DocumentBuilder builder;
  return read_json(text, builder) ? builder.take() : Json(Json::value_t::discarded);
}

} // namespace monoquant
