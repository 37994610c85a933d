#include "monoquant/torch/globals.h"

#include <algorithm>
#include <array>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/dangerous_names.h"
#include "monoquant/torch/script_code.h"

namespace monoquant::torch {
namespace {

// Each line: a module, and the names that it defines.
#include "monoquant/torch/harmless_names.inc"

/// Modules that many others import: "torch.serialization" "os.system" is the same as "os" "system".
constexpr std::array<std::string_view, 20> kReachedThroughOthers = {
    "_builtins", "_os",       "_sys",   "_types",     "bltns", "builtins",    "__builtin__",
    "ctypes",    "importlib", "nt",     "marshal",    "os",    "pickle",      "posix",
    "runpy",     "shutil",    "socket", "subprocess", "sys",   "__builtins__"};

/// What follows `key` in its line of sorted lines: "" or " name name". Nothing where there is no such line.
std::optional<std::string_view> find_line(std::string_view lines, std::string_view key) {
  while (!lines.empty()) {
    const size_t middle = lines.size() / 2;
    const size_t before = middle == 0 ? std::string_view::npos : lines.rfind('\n', middle - 1);
    const size_t begin = before == std::string_view::npos ? 0 : before + 1;
    const size_t end = lines.find('\n', begin);
    const auto line = lines.substr(begin, end - begin);
    const auto found = line.substr(0, line.find(' '));
    if (found == key) {
      return line.substr(found.size());
    }
    lines = key < found ? lines.substr(0, begin) : lines.substr(end + 1);
  }
  return std::nullopt;
}

bool lists(std::string_view table, std::string_view module, std::string_view name) {
  const auto names = find_line(table, module);
  if (!names || name.empty() || name.find(' ') != std::string_view::npos) {
    return false;
  }
  for (size_t at = names->find(name); at != std::string_view::npos;
       at = names->find(name, at + 1)) {
    const size_t end = at + name.size();
    if ((*names)[at - 1] == ' ' && (end == names->size() || (*names)[end] == ' ')) {
      return true;
    }
  }
  return false;
}

/// Whether the path, or what it lies in, is a line.
bool is_known_as_dangerous(std::string_view path) {
  for (size_t length = path.size(); length != std::string_view::npos && length > 0;
       length = path.rfind('.', length - 1)) {
    if (find_line(kDangerousNames, path.substr(0, length))) {
      return true;
    }
  }
  return false;
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

Danger danger_of(std::string_view module, std::string_view name, Use use) {
  if (module ==
      "__builtin__") { // its name in Python 2, and in what Python 3 writes up to protocol 2
    module = "builtins";
  }
  if (lists(kMayBeCalled, module, name) || (use == Use::kMade && lists(kMayBeMade, module, name))) {
    return Danger::kSafe;
  }
  const std::string path = concat(module, ".", name);
  return leads_elsewhere(path, name) || is_known_as_dangerous(path) ? Danger::kDangerous
                                                                    : Danger::kUnknown;
}

void GlobalList::add(const Pickle &pickle, Unpickler unpickler) {
  for (const NodeId node : pickle.globals()) {
    const auto module = pickle.global_module(node);
    const auto name = pickle.global_name(node);
    const bool is_program = unpickler == Unpickler::kScript &&
                            (module == "__torch__" || module.starts_with("__torch__."));
    const Danger danger =
        is_program ? danger_of_script_class(concat(module, ".", name))
                   : danger_of(module, name, pickle.is_only_made(node) ? Use::kMade : Use::kAny);
    add({std::string(module), std::string(name), danger});
  }
}

void GlobalList::add(const GlobalList &others) {
  for (const Global &global : others.globals_) {
    add(global);
  }
}

void GlobalList::add(Global global) {
  const auto [place, is_new] = places_.try_emplace({global.module, global.name}, globals_.size());
  if (is_new) {
    globals_.push_back(std::move(global));
  } else {
    Danger &worst = globals_[place->second].danger;
    worst = std::max(worst, global.danger);
  }
}

std::vector<Global> GlobalList::list() const {
  std::vector<Global> globals = globals_;
  sort(globals, [](const Global &a, const Global &b) {
    return a.danger == Danger::kDangerous && b.danger != Danger::kDangerous;
  });
  return globals;
}

} // namespace monoquant::torch
