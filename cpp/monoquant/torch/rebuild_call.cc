#include "monoquant/torch/rebuild_call.h"

#include <algorithm>
#include <array>

#include "monoquant/torch/persistent_id.h"

namespace monoquant::torch {
namespace {

struct Function {
  std::string_view module;
  std::string_view name;
  RebuildKind kind;
  std::string_view reason;
};

constexpr std::string_view kUtils = "torch._utils";
constexpr std::string_view kSubclass = "_rebuild_wrapper_subclass";
constexpr auto kUnreadable = RebuildKind::kUnreadable;

constexpr std::array<Function, 25> kFunctions = {{
    {kUtils, "_rebuild_tensor", RebuildKind::kPlain, {}},
    {kUtils, "_rebuild_tensor_v2", RebuildKind::kPlain, {}},
    {kUtils, "_rebuild_tensor_v3", RebuildKind::kTyped, {}},
    {kUtils, "_rebuild_qtensor", RebuildKind::kQuantized, {}},
    {kUtils, "_rebuild_parameter", RebuildKind::kWrapper, {}},
    {kUtils, "_rebuild_parameter_with_state", RebuildKind::kWrapper, {}},
    {kUtils, "_rebuild_device_tensor_from_cpu_tensor", RebuildKind::kWrapper, {}},
    {"torch.nn.parameter", "Parameter", RebuildKind::kWrapper, {}},
    {"torch.nn.parameter", "Buffer", RebuildKind::kWrapper, {}},
    {"torch.autograd.variable", "Variable", RebuildKind::kWrapper, {}},
    {kUtils, "_rebuild_sparse_tensor", kUnreadable, "a sparse tensor"},
    {kUtils, "_rebuild_sparse_csr_tensor", kUnreadable, "a sparse tensor"},
    {kUtils, "_rebuild_nested_tensor", kUnreadable, "a nested tensor"},
    {"torch.nested._internal.nested_tensor", "_rebuild_njt", kUnreadable, "a nested tensor"},
    {kUtils, "_rebuild_meta_tensor_no_storage", kUnreadable, "a meta tensor, which has no data"},
    {kUtils, kSubclass, kUnreadable, "a tensor subclass that is not known here"},
    {kUtils, "_rebuild_device_tensor_from_numpy", kUnreadable, "a tensor stored as a NumPy array"},
    {kUtils, "_rebuild_xla_tensor", kUnreadable, "a tensor stored as a NumPy array"},
    {"torch.nn.parameter", "UninitializedParameter", kUnreadable,
     "an uninitialized parameter, which has no data"},
    {"torch.nn.parameter", "UninitializedBuffer", kUnreadable,
     "an uninitialized buffer, which has no data"},
    {"torch.storage", "_load_from_bytes", kUnreadable, "a storage inside of the pickle"},
    {"numpy.core.multiarray", "_reconstruct", kUnreadable, "a NumPy array"},
    {"numpy._core.multiarray", "_reconstruct", kUnreadable, "a NumPy array"},
    {"numpy.core.numeric", "_frombuffer", kUnreadable, "a NumPy array"},
    {"numpy._core.numeric", "_frombuffer", kUnreadable, "a NumPy array"},
}};

// (function, type, arguments, state)
bool is_from_type(std::string_view module, std::string_view name) {
  return (module == "torch._tensor" || module == "torch.tensor") &&
         (name == "_rebuild_from_type_v2" || name == "_rebuild_from_type");
}

std::span<const NodeId> elements(const Pickle &pickle, NodeId node) {
  return pickle.kind(node) == NodeKind::kTuple ? pickle.children(node) : std::span<const NodeId>();
}

/// torch.FloatTensor and its kin, whose state was (storage, offset, size, stride) until 2017.
RebuildCall old_tensor(const Pickle &pickle, NodeId node, const ClassName &name) {
  const bool is_tensor = (name.module == "torch" || name.module == "torch.cuda") &&
                         name.name.ends_with("Tensor") && pickle.state(node);
  const auto state = is_tensor ? elements(pickle, *pickle.state(node)) : std::span<const NodeId>();
  if (state.size() == 4 && is_storage_reference(pickle, state[0])) {
    return {RebuildKind::kPlain, state, {}};
  }
  return {};
}

/// The call that `node` is; subclasses are not looked into.
RebuildCall outer_call(const Pickle &pickle, NodeId node) {
  if (is_storage_reference(pickle, node)) {
    return {kUnreadable, {}, "a storage without a tensor"};
  }
  if (pickle.kind(node) != NodeKind::kObject) {
    return {};
  }
  NodeId callable = pickle.callable(node);
  auto arguments = elements(pickle, pickle.arguments(node));
  auto name = class_name(pickle, callable);
  std::optional<ClassName> type;
  constexpr int kMaxWrapping = 16; // nobody wraps types in types; a hostile file might without end
  for (int i = 0; i < kMaxWrapping && name && is_from_type(name->module, name->name); ++i) {
    if (arguments.size() < 3) {
      return {};
    }
    callable = arguments[0];
    type = class_name(pickle, arguments[1]);
    arguments = elements(pickle, arguments[2]);
    name = class_name(pickle, callable);
  }
  if (!name) {
    return {};
  }
  const auto *known =
      std::find_if(kFunctions.begin(), kFunctions.end(), [&](const Function &function) {
        return function.name == name->name && function.module == name->module;
      });
  if (known == kFunctions.end()) {
    return old_tensor(pickle, node, *name);
  }
  if (known->kind == RebuildKind::kWrapper && arguments.empty() && pickle.state(node)) {
    arguments = elements(pickle, *pickle.state(node)); // (data, …), as variables had it until 2018
  }
  if (known->name == kSubclass) {
    arguments = {}; // its size and the like: no data
    return {known->kind, arguments, known->reason, type};
  }
  return {known->kind, arguments, known->reason};
}

bool is_stored(RebuildKind kind) {
  return kind == RebuildKind::kPlain || kind == RebuildKind::kTyped;
}

/// The value of a text key of a dict; `state` is one, or (one or None, another for slots).
std::optional<NodeId> attribute(const Pickle &pickle, NodeId state, std::string_view key) {
  constexpr size_t kMaxSearched = 64; // subclasses have about ten
  const NodeId alone[] = {state};
  const auto halves = elements(pickle, state);
  for (const NodeId half : halves.empty() ? std::span<const NodeId>(alone) : halves) {
    const auto entries =
        pickle.kind(half) == NodeKind::kDict ? pickle.children(half) : std::span<const NodeId>();
    for (size_t i = 0; i + 1 < std::min(entries.size(), 2 * kMaxSearched); i += 2) {
      if (pickle.kind(entries[i]) == NodeKind::kText && pickle.text(entries[i]) == key) {
        return entries[i + 1];
      }
    }
  }
  return std::nullopt;
}

/// (function, type, arguments, state) of a wrapper subclass; else nothing.
std::span<const NodeId> subclass_call(const Pickle &pickle, NodeId node) {
  if (pickle.kind(node) != NodeKind::kObject) {
    return {};
  }
  const auto outer = class_name(pickle, pickle.callable(node));
  const auto call = elements(pickle, pickle.arguments(node));
  if (!outer || !is_from_type(outer->module, outer->name) || call.size() < 4) {
    return {};
  }
  const auto inner = class_name(pickle, call[0]);
  const bool is_subclass = inner && inner->module == kUtils && inner->name == kSubclass;
  return is_subclass ? call : std::span<const NodeId>();
}

/// Whether two shapes are the same: tuples, or torch.Size(tuple).
bool have_same_shape(const Pickle &pickle, NodeId a, NodeId b) {
  const auto extents = [&](NodeId shape) {
    const auto inner = elements(pickle, pickle.arguments(shape)); // of no object: of None
    return elements(pickle, inner.empty() ? shape : inner[0]);
  };
  const auto same = [&](NodeId one, NodeId other) {
    return pickle.kind(one) == NodeKind::kInt && pickle.kind(other) == NodeKind::kInt &&
           pickle.integer(one) == pickle.integer(other);
  };
  const auto of_a = extents(a);
  const auto of_b = extents(b);
  return std::equal(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), same);
}

/// The tensor that a DTensor is on each device, or on the only one. Of others each device has a part or a summand.
RebuildCall whole_local_tensor(const Pickle &pickle, std::span<const NodeId> call, NodeId local) {
  constexpr RebuildCall kPart = {kUnreadable, {}, "a part of a distributed tensor"};
  const auto spec = attribute(pickle, call[3], "_spec");
  const auto facts = spec ? pickle.state(*spec) : spec;
  const auto placements = facts ? attribute(pickle, *facts, "placements") : facts;
  const auto placed = placements ? elements(pickle, *placements) : std::span<const NodeId>();
  const auto is_whole = [&](NodeId placement) {
    const auto name = class_name(pickle, pickle.callable(placement));
    return name && (name->name == "Replicate" || name->name == "Shard");
  };
  const RebuildCall inner = outer_call(pickle, local);
  const auto global = elements(pickle, call[2]); // (class, dtype, shape, …)
  const bool is_all = is_stored(inner.kind) && inner.arguments.size() > 2 && global.size() > 2 &&
                      have_same_shape(pickle, inner.arguments[2], global[2]) && !placed.empty() &&
                      std::all_of(placed.begin(), placed.end(), is_whole);
  return is_all ? inner : kPart;
}

/// The attributes of a subclass of torchao's: codes, or another subclass that has them.
std::optional<NodeId> torchao_parts(const Pickle &pickle, NodeId node) {
  constexpr std::array<std::string_view, 4> kCodes = {"qdata", "int_data", "packed_weight",
                                                      "float8_data"};
  const auto call = subclass_call(pickle, node);
  if (call.empty()) {
    return std::nullopt;
  }
  const auto inner = attribute(pickle, call[3], "tensor_impl");
  const auto inner_call = inner ? subclass_call(pickle, *inner) : call;
  const bool has_codes =
      !inner_call.empty() && std::any_of(kCodes.begin(), kCodes.end(), [&](std::string_view name) {
        const auto codes = attribute(pickle, inner_call[3], name);
        return codes && is_stored(outer_call(pickle, *codes).kind);
      });
  return has_codes ? std::optional<NodeId>(call[3]) : std::nullopt;
}

} // namespace

std::optional<NodeId> subclass_parts(const Pickle &pickle, NodeId node) {
  constexpr int kMaxWrapping = 16;
  for (int i = 0; i < kMaxWrapping; ++i) {
    const RebuildCall call = outer_call(pickle, node);
    if (call.kind != RebuildKind::kWrapper || call.arguments.empty()) {
      return torchao_parts(pickle, node);
    }
    node = call.arguments[0];
  }
  return std::nullopt;
}

RebuildCall rebuild_call(const Pickle &pickle, NodeId node) {
  const RebuildCall call = outer_call(pickle, node);
  if (call.kind != RebuildKind::kWrapper && call.kind != kUnreadable) {
    return call;
  }
  if (subclass_parts(pickle, node)) {
    return {};
  }
  const auto subclass = subclass_call(pickle, node);
  const auto local =
      subclass.empty() ? std::nullopt : attribute(pickle, subclass[3], "_local_tensor");
  return local ? whole_local_tensor(pickle, subclass, *local) : call;
}

} // namespace monoquant::torch
