#include "monoquant/torch/object_graph.h"

#include <algorithm>
#include <optional>
#include <set>

#include "monoquant/base/text.h"
#include "monoquant/torch/globals.h"
#include "monoquant/torch/persistent_id.h"
#include "monoquant/torch/rebuild_call.h"

namespace monoquant::torch {
namespace {

using Nodes = std::span<const NodeId>;

// A hostile file may give one huge dict to a million objects: only so much of it is searched for each.
// A module has what is looked for among its first twenty attributes.
constexpr size_t kMaxSearched = 256;
constexpr size_t kMaxHiddenBuffers = 4096;

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
  const auto forbids = [](const std::optional<ClassName> &name) {
    return name && danger_of(name->module, name->name) == Danger::kDangerous;
  };
  NodeId callable = object;
  constexpr int kMaxCalls = 16; // a function that a function returned that …
  for (int i = 0; pickle.kind(callable) == NodeKind::kObject; ++i) {
    if (i == kMaxCalls || forbids(object_class(pickle, callable))) {
      return true;
    }
    callable = pickle.callable(callable);
  }
  return forbids(class_name(pickle, callable));
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
std::vector<NodeId> dict_entries(const Pickle &pickle, NodeId node) {
  std::vector<NodeId> entries;
  if (pickle.kind(node) == NodeKind::kDict) {
    entries.assign(pickle.children(node).begin(), pickle.children(node).end());
  } else if (pickle.kind(node) == NodeKind::kObject) {
    const Nodes arguments = pickle.children(pickle.arguments(node));
    if (!arguments.empty() && pickle.kind(arguments[0]) == NodeKind::kDict) {
      entries = dict_entries(pickle, arguments[0]);
    } else if (!arguments.empty() && is_list_of_pairs(pickle, arguments[0])) {
      for (const NodeId pair : pickle.children(arguments[0])) {
        const Nodes parts = pickle.children(pair);
        entries.insert(entries.end(), parts.begin(), parts.end());
      }
    }
    entries.insert(entries.end(), pickle.items(node).begin(), pickle.items(node).end());
  }
  return entries;
}

bool is_plain_mapping(const Pickle &pickle, NodeId object) {
  const auto name = object_class(pickle, object);
  return name &&
         ((name->module == "collections" && name->name == "OrderedDict") ||
          ((name->module == "builtins" || name->module == "__builtin__") && name->name == "dict"));
}

/// The attributes of an object: its state, or the first half of (attributes, slots).
std::optional<NodeId> attributes(const Pickle &pickle, NodeId object) {
  auto state = pickle.state(object);
  if (state && pickle.kind(*state) == NodeKind::kTuple && pickle.children(*state).size() == 2) {
    state = pickle.children(*state)[0];
  }
  return state && pickle.kind(*state) == NodeKind::kDict ? state : std::nullopt;
}

/// The attributes of a pickled nn.Module; nothing for other objects.
std::optional<NodeId> module_attributes(const Pickle &pickle, NodeId object) {
  const auto is_module = [&](NodeId dict) {
    return dict_value(pickle, dict, "_parameters") && dict_value(pickle, dict, "_modules");
  };
  const auto own = attributes(pickle, object);
  if (own && is_module(*own)) {
    return own;
  }
  // torch.fx writes reduce_graph_module(attributes, source).
  const Nodes arguments = pickle.children(pickle.arguments(object));
  if (!own && !arguments.empty() && pickle.kind(arguments[0]) == NodeKind::kDict &&
      is_module(arguments[0])) {
    return arguments[0];
  }
  return std::nullopt;
}

/// The names in _non_persistent_buffers_set, a set or set([…]).
std::set<std::string_view> hidden_buffers(const Pickle &pickle, NodeId module) {
  std::set<std::string_view> names;
  const auto add = [&](Nodes nodes) {
    for (const NodeId node : nodes.first(std::min(nodes.size(), kMaxHiddenBuffers))) {
      if (pickle.kind(node) == NodeKind::kText) {
        names.insert(pickle.text(node));
      }
    }
  };
  const auto set = dict_value(pickle, module, "_non_persistent_buffers_set");
  if (set && pickle.kind(*set) == NodeKind::kSet) {
    add(pickle.children(*set));
  } else if (set && pickle.kind(*set) == NodeKind::kObject) {
    const Nodes arguments = pickle.children(pickle.arguments(*set));
    if (!arguments.empty() && is_sequence(pickle, arguments[0])) {
      add(pickle.children(arguments[0]));
    }
  }
  return names;
}

void add_entries(Nodes entries, std::vector<Edge> &edges) {
  for (size_t i = 0; i + 1 < entries.size(); i += 2) {
    edges.push_back({entries[i + 1], Edge::Name::kKey, entries[i], 0});
  }
}

void add_elements(Nodes elements, std::vector<Edge> &edges) {
  for (size_t i = 0; i < elements.size(); ++i) {
    edges.push_back({elements[i], Edge::Name::kIndex, 0, static_cast<uint32_t>(i)});
  }
}

/// What state_dict() walks through: parameters, buffers, modules. Nothing else of a module is looked at.
void add_module(const Pickle &pickle, NodeId module, std::vector<Edge> &edges) {
  const auto hidden = hidden_buffers(pickle, module);
  for (const std::string_view part : {"_parameters", "_buffers", "_modules"}) {
    const auto members = dict_value(pickle, module, part);
    if (!members) {
      continue;
    }
    const auto entries = dict_entries(pickle, *members);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const bool is_hidden = part == "_buffers" && pickle.kind(entries[i]) == NodeKind::kText &&
                             hidden.contains(pickle.text(entries[i]));
      if (!is_hidden) {
        edges.push_back({entries[i + 1], Edge::Name::kKey, entries[i], 0});
      }
    }
  }
}

void add_arguments(const Pickle &pickle, NodeId object, std::vector<Edge> &edges) {
  const Nodes arguments = pickle.children(pickle.arguments(object));
  const auto function = class_name(pickle, pickle.callable(object));
  const auto stands_for_object = [&](size_t index) {
    if (arguments.size() == 1) {
      return is_container(pickle, arguments[0]); // deque([…]), build_tensorlist([…])
    }
    return function && ((is_copy_function(function->module) && index == 2) ||
                        (function->module == "torch.jit._pickle" && index == 0));
  };
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto name = stands_for_object(i) ? Edge::Name::kNone : Edge::Name::kIndex;
    edges.push_back({arguments[i], name, 0, static_cast<uint32_t>(i)});
  }
  if (const auto keywords = pickle.keywords(object)) {
    add_entries(pickle.children(*keywords), edges);
  }
}

void add_state(const Pickle &pickle, NodeId state, std::vector<Edge> &edges) {
  if (pickle.kind(state) == NodeKind::kDict) {
    add_entries(pickle.children(state), edges);
    return;
  }
  const Nodes parts = pickle.children(state);
  const auto is_attributes = [&](NodeId part) {
    return pickle.kind(part) == NodeKind::kDict || pickle.kind(part) == NodeKind::kNone;
  };
  if (pickle.kind(state) == NodeKind::kTuple && parts.size() == 2 && is_attributes(parts[0]) &&
      is_attributes(parts[1])) { // (attributes, slots)
    for (const NodeId part : parts) {
      add_entries(pickle.children(part), edges);
    }
    return;
  }
  edges.push_back({state, Edge::Name::kNone, 0, 0});
}

void add_object(const Pickle &pickle, NodeId object, std::vector<Edge> &edges) {
  if (is_dangerous(pickle, object)) {
    return;
  }
  if (const auto module = module_attributes(pickle, object)) {
    add_module(pickle, *module, edges);
    return;
  }
  if (is_plain_mapping(pickle, object)) { // the state of an OrderedDict is _metadata
    add_entries(dict_entries(pickle, object), edges);
    return;
  }
  if (const auto parts = subclass_parts(pickle, object)) {
    add_state(pickle, *parts, edges);
    return;
  }
  add_arguments(pickle, object, edges);
  add_entries(pickle.items(object), edges);
  add_elements(pickle.children(object), edges);
  if (const auto state = pickle.state(object)) {
    add_state(pickle, *state, edges);
  }
}

/// "__torch__.torch.nn.modules.conv.___torch_mangle_11" → "torch.nn.modules.conv".
std::string without_mangling(std::string_view module) {
  constexpr std::string_view kRoot = "__torch__";
  module.remove_prefix(kRoot.size());
  std::string text;
  while (!module.empty()) {
    const size_t end = std::min(module.find('.', 1), module.size());
    const std::string_view part = module.substr(0, end);
    if (!part.starts_with(".___torch_mangle_")) {
      text += part;
    }
    module.remove_prefix(end);
  }
  return text.starts_with('.') ? text.substr(1) : text;
}

} // namespace

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
