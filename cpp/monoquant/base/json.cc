#include "monoquant/base/json.h"

#include <numeric>
#include <span>
#include <string>
#include <utility>

#include "monoquant/base/sort.h"

namespace monoquant {
namespace {

/// Up to so many, a member is looked up among those that are there: one by one, as the library's objects do it.
constexpr size_t kFewMembers = 64;

/// Of members with one name the last value counts, in the first one's place.
void keep_last(Json::object_t &object) {
  const std::span members(object.data(), object.size());
  std::vector<size_t> order(members.size());
  std::iota(order.begin(), order.end(), size_t{0});
  sort(order, [&](size_t a, size_t b) { return members[a].first < members[b].first; });
  // Where the value of the first of a name is; nowhere for the others.
  std::vector<size_t> last(members.size());
  bool has_twice = false;
  for (size_t i = 0; i < order.size();) {
    size_t end = i + 1;
    while (end < order.size() && members[order[end]].first == members[order[i]].first) {
      last[order[end++]] = SIZE_MAX;
    }
    last[order[i]] = order[end - 1];
    has_twice = has_twice || end - i > 1;
    i = end;
  }
  if (!has_twice) {
    return;
  }
  Json::object_t kept;
  for (size_t i = 0; i < members.size(); ++i) {
    if (last[i] != SIZE_MAX) {
      kept.emplace_back(members[i].first, std::move(members[last[i]].second));
    }
  }
  object.swap(kept);
}

} // namespace

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
  if (object.size() < kFewMembers) {
    place_ = &object[std::move(name)];
  } else { // what stands twice is found at the end
    auto &members = *object.get_ptr<Json::object_t *>();
    members.emplace_back(std::move(name), nullptr);
    place_ = &members.back().second;
  }
  return true;
}
bool JsonBuilder::end_object() {
  if (open_.back()->size() > kFewMembers) {
    keep_last(*open_.back()->get_ptr<Json::object_t *>());
  }
  return leave();
}
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
  return ++values_ <= most_values_;
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

Json parse_json(std::string_view text, size_t most_values) {
  JsonBuilder builder(most_values);
  return read_json(text, builder) ? builder.take() : Json(Json::value_t::discarded);
}

} // namespace monoquant
