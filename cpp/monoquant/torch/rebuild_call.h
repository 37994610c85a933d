// Which objects of a pickle stand for tensors, told by the function that would make them.
// It exists so that marking a graph is cheap: nothing is computed before a tensor is asked for by name.
// Wrappers (parameters, subclasses) are seen through; what cannot be read has its reason here.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "monoquant/torch/persistent_id.h"
#include "monoquant/torch/pickle.h"

namespace monoquant::torch {

enum class RebuildKind : uint8_t {
  kNone,  // no tensor
  kPlain, // (storage, offset, size, stride, …): _rebuild_tensor, _v2, and states of old tensors
  kTyped, // _rebuild_tensor_v3: the dtype is the seventh argument
  kQuantized,  // _rebuild_qtensor
  kWrapper,    // the tensor is the first argument
  kUnreadable, // holds data in a way that does not come out as a tensor
};

struct RebuildCall {
  RebuildKind kind = RebuildKind::kNone;
  std::span<const NodeId> arguments;
  std::string_view reason;            // kUnreadable
  std::optional<ClassName> type = {}; // the subclass that is not known
};

/// `node` may be anything. Sees through _rebuild_from_type_v2, and through a DTensor whose local tensor is all of it.
RebuildCall rebuild_call(const Pickle &pickle, NodeId node);

/// The attributes of a tensor subclass, or of a parameter that holds one, whose data are tensors among them that are
/// known to be all of it: torchao's codes, scales and zero points. It is no tensor then: they are. A kDict.
std::optional<NodeId> subclass_parts(const Pickle &pickle, NodeId node);

} // namespace monoquant::torch
