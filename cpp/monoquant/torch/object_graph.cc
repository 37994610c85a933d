#include "monoquant/torch/object_graph.h"

#include <algorithm>
#include <unordered_set>

#include "monoquant/base/text.h"
#include "monoquant/torch/globals.h"
#include "monoquant/torch/persistent_id.h"

namespace monoquant::torch {
namespace {

// A hostile file may give one huge dict to a million objects: only so much of it is searched for each.
// A module has what is looked for among its first twenty attributes.
constexpr size_t kMaxSearched = 256;
constexpr size_t kMaxHiddenBuffers = 4096;

using Nodes = std::span<const NodeId>;

/// The value of a text key of a plain dict.
std::optional<NodeId> dict_value(const Pickle &pickle, NodeId dict, std::string_view key) {
  const Nodes entries = pickle.children(dict);
  for (size_t i = 0; i + 1 < std::min(entries.size(), 2 * kMaxSearched); i += 2) {
    if (pickle.kind(entries[i]) == NodeKind::kText && pickle.text(entries[i]) == key) {
      return entries[i + 1];
    }
  }
  return std::nullopt;
}

/// The value of a text key of a plain dict.
std::optional<NodeId> dict_value(const Pickle &pickle, NodeId dict, std::string_view key) {
  const Nodes entries = pickle.children(dict);
  for (size_t i = 0; i + 1 < std::min(entries.size(), 2 * kMaxSearched); i += 2) {
    if (pickle.kind(entries[i]) == NodeKind::kText && pickle.text(entries[i]) == key) {
      return entries[i + 1];
    }
  }
  return std::nullopt;
}

bool is_sequence(const Pickle &pickle, NodeId node) {
  return pickle.kind(node) == NodeKind::kList || pickle.kind(node) == NodeKind::kTuple;
}

bool is_container(const Pickle &pickle, NodeId node) {
  return is_sequence(pickle, node) || pickle.kind(node) == NodeKind::kDict ||
         pickle.kind(node) == NodeKind::kObject;
}

bool is_copy_function(std::string_view module) {
  return module == "copy_reg" || module == "copyreg";
}

/// The class of an object: what is called, or the class that copyreg's functions are given.
std::optional<ClassName> object_class(const Pickle &pickle, NodeId object) {
  const auto name = class_name(pickle, pickle.callable(object));
  const Nodes arguments = pickle.children(pickle.arguments(object));
  if (name && is_copy_function(name->module) && !arguments.empty()) {
    return class_name(pickle, arguments[0]);
  }
  return name;
}

bool is_dangerous(const Pickle &pickle, NodeId object) {
  NodeId callable = object;
  constexpr int kMaxCalls = 16; // a function that a function returned that …
  for (int i = 0; pickle.kind(callable) == NodeKind::kObject; ++i) {
    if (i == kMaxCalls) {
      return true;
    }
    if (const auto name = object_class(pickle, callable);
        name && danger_of(name->module, name->name) == Danger::kDangerous) {
      return true;
    }
    callable = pickle.callable(callable);
  }
  const auto name = class_name(pickle, callable);
  return name && danger_of(name->module, name->name) == Danger::kDangerous;
}

/// [(key, value), …] as OrderedDict takes it.
bool is_list_of_pairs(const Pickle &pickle, NodeId node) {
  const auto is_pair = [&](NodeId element) {
    return is_sequence(pickle, element) && pickle.children(element).size() == 2;
  };
  return is_sequence(pickle, node) && !pickle.children(node).empty() &&
         std::all_of(pickle.children(node).begin(), pickle.children(node).end(), is_pair);
}

/// Key, value, key, value, … of dicts and of objects that are like them (OrderedDict, defaultdict, …).
void list_edges(const Pickle &pickle, NodeId node, std::vector<Edge> &edges) {
  switch (pickle.kind(node)) {
  case NodeKind::kDict:
    add_entries(pickle.children(node), edges);
    break;
  case NodeKind::kList:
  case NodeKind::kTuple:
    add_elements(pickle.children(node), edges);
    break;
  case NodeKind::kObject:
    add_object(pickle, node, edges);
    break;
  default:
    break;
  }
}

std::string module_type(const Pickle &pickle, NodeId node) {
  if (pickle.kind(node) != NodeKind::kObject) {
    return {};
  }
  const auto name = object_class(pickle, node);
  if (!name) {
    return {};
  }
  if (name->module.starts_with("__torch__")) {
    const std::string module = without_mangling(name->module);
    return module.empty() ? std::string(name->name) : concat(module, ".", name->name);
  }
  return module_attributes(pickle, node) ? concat(name->module, ".", name->name) : std::string();
}

} // namespace monoquant::torch
