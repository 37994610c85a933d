#include "monoquant/search/prior.h"

#include <algorithm>
#include <map>
#include <optional>

namespace monoquant::search {
namespace {

/// "a.b.weight" → "a.b"; other names are modules as they stand.
std::string_view module_of(std::string_view name) {
  constexpr std::string_view kWeight = ".weight";
  return name.ends_with(kWeight) ? name.substr(0, name.size() - kWeight.size()) : name;
}

/// Whether a name ends with these words, whole ones.
bool ends_like(std::string_view module, std::string_view words) {
  if (!module.ends_with(words)) {
    return false;
  }
  return module.size() == words.size() || module[module.size() - words.size() - 1] == '.';
}

/// The role with the longest matching end: "attention.output.dense" is another than "output.dense".
const Role *role_of(std::string_view module, const PriorTable &table) {
  const Role *found = nullptr;
  size_t longest = 0;
  for (const Role &role : table.roles) {
    for (const std::string &layer : role.layers) {
      if (layer.size() > longest && ends_like(module, layer)) {
        found = &role;
        longest = layer.size();
      }
    }
  }
  return found;
}

struct Place {
  std::string_view stack; // "model.layers."
  uint64_t layer = 0;
};

/// The first part of a name that is a number. One of more digits than any layer has is a name.
std::optional<Place> place_of(std::string_view module) {
  constexpr size_t kMostDigits = 9;
  for (size_t begin = 0; begin < module.size();) {
    const size_t end = std::min(module.find('.', begin), module.size());
    const std::string_view part = module.substr(begin, end - begin);
    const bool is_number =
        !part.empty() && part.size() <= kMostDigits &&
        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_number) {
      uint64_t layer = 0;
      for (const char digit : part) {
        layer = layer * 10 + static_cast<uint64_t>(digit - '0');
      }
      return Place{module.substr(0, begin), layer};
    }
    begin = end + 1;
  }
  return std::nullopt;
}

double depth_factor(const PriorTable &table, const Role &role, uint64_t layer, uint64_t last) {
  double factor = 1;
  if (layer < table.first.count) {
    factor *= table.first.factor;
  }
  if (last - layer < table.last.count) {
    factor *= table.last.factor;
  }
  const auto &roles = table.last_layer_roles;
  if (layer == last && std::find(roles.begin(), roles.end(), role.name) != roles.end()) {
    factor *= table.last_layer;
  }
  return factor;
}

/// Where there is no head, embeddings are it, too: it is tied to them.
void take_for_heads(std::vector<const Role *> &roles, const PriorTable &table) {
  const auto is = [](std::string_view name) {
    return [name](const Role *role) { return role != nullptr && role->name == name; };
  };
  const auto head = std::find_if(table.roles.begin(), table.roles.end(),
                                 [](const Role &role) { return role.name == "head"; });
  if (head != table.roles.end() && std::none_of(roles.begin(), roles.end(), is("head"))) {
    std::replace_if(roles.begin(), roles.end(), is("embedding"), &*head);
  }
}

} // namespace

std::vector<Prior> priors_of(std::span<const std::string> names, const PriorTable &table) {
  std::vector<Prior> priors(names.size());
  std::vector<const Role *> roles(names.size());
  std::map<std::string_view, uint64_t> last_layers; // of stacks
  bool has_roles = false;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string_view module = module_of(names[i]);
    roles[i] = role_of(module, table);
    const auto place = place_of(module);
    if (roles[i] != nullptr && place) {
      has_roles = true;
      uint64_t &last = last_layers[place->stack];
      last = std::max(last, place->layer);
    }
  }
  take_for_heads(roles, table);
  for (size_t i = 0; i < names.size(); ++i) {
    priors[i].factor = table.other;
    if (roles[i] == nullptr) {
      continue;
    }
    priors[i] = {roles[i]->name, roles[i]->factor, roles[i]->least_bits};
    if (const auto place = place_of(module_of(names[i]))) {
      priors[i].factor *= depth_factor(table, *roles[i], place->layer, last_layers[place->stack]);
    }
  }
  if (!has_roles && !names.empty()) {
    priors.front().factor *= table.ends;
    if (names.size() > 1) {
      priors.back().factor *= table.ends;
    }
  }
  return priors;
}

} // namespace monoquant::search
