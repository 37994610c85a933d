// Which classes and functions a checkpoint may name without anybody having to worry.
// It exists to tell users what a file would do elsewhere: here nothing that a pickle names is ever run.
// Safe is what stands in the list of harmless names, module and name, letter by letter; what is on no list is unknown.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/pickle.h"

namespace monoquant::torch {

/// What a pickle does with a name.
enum class Use : uint8_t {
  kMade, // empty objects of it, at most: Pickle::is_only_made
  kAny,
};

Danger danger_of(std::string_view module, std::string_view name, Use use = Use::kMade);

/// Whose unpickler reads a pickle.
enum class Unpickler : uint8_t {
  kPython,
  kScript, // TorchScript's own: classes of "__torch__" are programs in the archive, not modules of Python
};

/// The names of several pickles, each once, with the worst of its verdicts.
class GlobalList {
public:
  void add(const Pickle &pickle, Unpickler unpickler = Unpickler::kPython);
  void add(const GlobalList &others);
  void add(Global global);
  /// The dangerous ones first, else in the order in which they were added.
  [[nodiscard]] std::vector<Global> list() const;

private:
  std::vector<Global> globals_;
  std::map<std::pair<std::string, std::string>, size_t> places_;
};

} // namespace monoquant::torch
