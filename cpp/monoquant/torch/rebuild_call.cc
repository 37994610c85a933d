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
constexpr auto kUnreadable = RebuildKind::kUnreadable;

constexpr std::array<Function, 24> kFunctions = {{
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
    {kUtils, "_rebuild_meta_tensor_no_storage", kUnreadable, "a meta tensor, which has no data"},
    {kUtils, "_rebuild_wrapper_subclass", kUnreadable, "a tensor subclass without data of its own"},
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

} // namespace

RebuildCall rebuild_call(const Pickle &pickle, NodeId node) {
  if (is_storage_reference(pickle, node)) {
    return {kUnreadable, {}, "a storage without a tensor"};
  }
  if (pickle.kind(node) != NodeKind::kObject) {
    return {};
  }
  NodeId callable = pickle.callable(node);
  auto arguments = elements(pickle, pickle.arguments(node));
  auto name = class_name(pickle, callable);
  constexpr int kMaxWrapping = 16; // nobody wraps types in types; a hostile file might without end
  for (int i = 0; i < kMaxWrapping && name && is_from_type(name->module, name->name); ++i) {
    if (arguments.size() < 3) {
      return {};
    }
    callable = arguments[0];
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
  return {known->kind, arguments, known->reason};
}

} // namespace monoquant::torch
