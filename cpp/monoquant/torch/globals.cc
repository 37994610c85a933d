#include "monoquant/torch/globals.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/global_rules.h"

namespace monoquant::torch {
namespace {

static_assert(std::is_sorted(std::begin(kGlobalRules), std::end(kGlobalRules),
                             [](const auto &a, const auto &b) { return a.path < b.path; }));

/// Modules that many others import: "torch.serialization" "os.system" is the same as "os" "system".
constexpr std::array<std::string_view, 15> kReachedThroughOthers = {
    "builtins", "__builtin__", "__builtins__", "ctypes", "importlib", "marshal",    "nt", "os",
    "pickle",   "posix",       "runpy",        "shutil", "socket",    "subprocess", "sys"};

bool covers(const GlobalRule &rule, std::string_view path, std::string_view name) {
  switch (rule.reach) {
  case Reach::kOnlyItself:
    return rule.path == path;
  case Reach::kClasses:
    return !name.empty() && name[0] >= 'A' && name[0] <= 'Z' &&
           name.find('.') == std::string_view::npos;
  case Reach::kEverything:
    return true;
  }
  return false;
}

/// The longest rule for the path or for what it lies in.
const GlobalRule *find_rule(std::string_view path, std::string_view name) {
  for (size_t length = path.size(); length != std::string_view::npos && length > 0;
       length = path.rfind('.', length - 1)) {
    const auto prefix = path.substr(0, length);
    const auto *rule =
        std::lower_bound(std::begin(kGlobalRules), std::end(kGlobalRules), prefix,
                         [](const GlobalRule &a, std::string_view b) { return a.path < b; });
    if (rule != std::end(kGlobalRules) && rule->path == prefix && covers(*rule, path, name)) {
      return rule;
    }
  }
  return nullptr;
}

/// True where a part behind the first dot leads into another module or into Python's own machinery.
bool leads_elsewhere(std::string_view path, std::string_view name) {
  const size_t name_begin = path.size() - name.size();
  for (size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
    const auto rest = path.substr(dot + 1);
    const auto part = rest.substr(0, rest.find('.'));
    const bool known = std::find(kReachedThroughOthers.begin(), kReachedThroughOthers.end(),
                                 part) != kReachedThroughOthers.end();
    // "object.__subclasses__": attributes that every object has, of a name with dots.
    const bool machinery = dot + 1 > name_begin && part.starts_with("__");
    if (known || machinery) {
      return true;
    }
  }
  return false;
}

} // namespace

Danger danger_of(std::string_view module, std::string_view name) {
  if (module ==
      "__builtin__") { // its name in Python 2, and in what Python 3 writes up to protocol 2
    module = "builtins";
  }
  const std::string path = concat(module, ".", name);
  if (leads_elsewhere(path, name)) {
    return Danger::kDangerous;
  }
  const auto *rule = find_rule(path, name);
  return rule == nullptr ? Danger::kUnknown : rule->danger;
}

std::vector<Global> list_globals(const Pickle &pickle) {
  std::vector<Global> globals;
  globals.reserve(pickle.globals().size());
  for (const NodeId node : pickle.globals()) {
    const auto module = pickle.global_module(node);
    const auto name = pickle.global_name(node);
    globals.push_back({std::string(module), std::string(name), danger_of(module, name)});
  }
  sort(globals, [](const Global &a, const Global &b) {
    return a.danger == Danger::kDangerous && b.danger != Danger::kDangerous;
  });
  return globals;
}

} // namespace monoquant::torch
