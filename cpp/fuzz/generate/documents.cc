#include "generate/documents.h"

#include <iterator>
#include <limits>

#include "generate/names.h"

namespace monoquant::fuzz {
namespace {

/// `depth`: of lists and objects in it, at most.
Json make_value(Choices &choices, int depth = 3) {
  constexpr double kNumbers[] = {-1, 0.5, 1e308, -1e308, 4294967296.0, 9007199254740993.0, 1e-320};
  switch (choices.below(depth > 0 ? 12 : 9)) {
  case 1:
    return choices.flag();
  case 2:
    return choices.below(300);
  case 3:
    return std::numeric_limits<uint64_t>::max() - choices.below(2);
  case 4:
    return std::numeric_limits<int64_t>::min();
  case 5:
    return choices.pick(kNumbers);
  case 6:
    return odd_text(choices);
  case 7:
    return Json::array();
  case 8:
    return Json::object();
  case 9:
    return Json::array({make_value(choices, depth - 1), make_value(choices, depth - 1)});
  case 10:
    return Json::object({{odd_text(choices), make_value(choices, depth - 1)}});
  case 11:
    return choices.text(6);
  default:
    return nullptr;
  }
}

/// Some value inside of the document.
Json &choose(Choices &choices, Json &document) {
  Json *value = &document;
  while (value->is_structured() && !value->empty() && !choices.chance(6)) {
    auto child = value->begin();
    std::advance(child, static_cast<std::ptrdiff_t>(choices.below(value->size())));
    value = &*child;
  }
  return *value;
}

void change(Choices &choices, Json &document) {
  Json &value = choose(choices, document);
  const uint64_t kind = choices.below(4);
  if (kind == 1 && value.is_array() && !value.empty()) {
    value.erase(value.begin());
  } else if (kind == 1 && value.is_object() && !value.empty()) {
    value.erase(value.begin());
  } else if (kind == 2 && value.is_array()) {
    value.push_back(make_value(choices));
  } else if (kind == 2 && value.is_object()) {
    value[odd_text(choices)] = make_value(choices);
  } else {
    value = make_value(choices);
  }
}

} // namespace

Json make_damaged(Choices &choices, Json document) {
  for (uint64_t changes = choices.between(1, 3); changes > 0; --changes) {
    change(choices, document);
  }
  return document;
}

std::string document_text(const Json &document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::ignore);
}

} // namespace monoquant::fuzz
