// How one gets from an object of a pickle to those inside of it, and under which name.
// It exists because a checkpoint is whatever Python object somebody saved: dicts, lists, modules, and classes
// that nobody here has heard of. Modules show what their state_dict() would; the rest shows all it has.
// Objects that dangerous functions would make are never looked into.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "monoquant/torch/pickle.h"

namespace monoquant::torch {

/// A step from an object to one inside of it.
struct Edge {
  enum class Name : uint8_t {
    kKey,   // `key` names it
    kIndex, // `index` does
    kNone,  // it stands for the object itself: the list that an OrderedDict was made of
  };
  NodeId child = 0;
  Name name = Name::kNone;
  NodeId key = 0;
  uint32_t index = 0;
};

/// Appends the edges of a node, in order. Some children are no containers: not worth following, but here.
void list_edges(const Pickle &pickle, NodeId node, std::vector<Edge> &edges);

/// "torch.nn.modules.linear.Linear" for a module (pickled whole, or by TorchScript), else empty.
std::string module_type(const Pickle &pickle, NodeId node);

} // namespace monoquant::torch
