#include "monoquant/torch/rebuild.h"

#include <algorithm>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/persistent_id.h"

namespace monoquant::torch {
namespace {

/// A tuple, a list or a torch.Size of counts.
Result<std::vector<uint64_t>> read_counts(const Pickle &pickle, NodeId node, std::string_view what,
                                          const std::string &name) {
  if (pickle.kind(node) == NodeKind::kObject && !pickle.children(pickle.arguments(node)).empty()) {
    node = pickle.children(pickle.arguments(node))[0];
  }
  if (pickle.kind(node) != NodeKind::kTuple && pickle.kind(node) != NodeKind::kList) {
    return malformed_checkpoint(
        concat("the ", what, " of tensor \"", name, "\" is no list of numbers"), name);
  }
  if (pickle.children(node).size() > kMaxRank) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Tensor \"", name, "\" has ", pickle.children(node).size(),
                        " dimensions, at most ", kMaxRank, " are supported."),
                 "Save the tensor with fewer dimensions.", name, std::nullopt};
  }
  std::vector<uint64_t> counts;
  for (const NodeId element : pickle.children(node)) {
    if (pickle.kind(element) != NodeKind::kInt || pickle.integer(element) < 0 ||
        static_cast<uint64_t>(pickle.integer(element)) > kMaxCheckpointBytes) {
      return malformed_checkpoint(concat("the ", what, " of tensor \"", name,
                                         "\" holds something else than counts below 2^53"),
                                  name);
    }
    counts.push_back(static_cast<uint64_t>(pickle.integer(element)));
  }
  return counts;
}

/// Whether {'conj': True} or the like says so.
bool has_flag(const Pickle &pickle, std::span<const NodeId> arguments, size_t index,
              std::string_view flag) {
  if (index >= arguments.size() || pickle.kind(arguments[index]) != NodeKind::kDict) {
    return false;
  }
  const auto entries = pickle.children(arguments[index]);
  for (size_t i = 0; i + 1 < entries.size(); i += 2) {
    if (pickle.kind(entries[i]) == NodeKind::kText && pickle.text(entries[i]) == flag) {
      return pickle.kind(entries[i + 1]) == NodeKind::kBool && pickle.boolean(entries[i + 1]);
    }
  }
  return false;
}

/// PyTorch's float4_e2m1fn_x2 counts bytes, F4 counts elements. False where the pairs are not neighbours.
bool split_pairs(PlainTensor &tensor) {
  if (tensor.shape.empty() || tensor.strides.back() != 1) {
    return false;
  }
  for (uint64_t &stride : tensor.strides) {
    stride *= 2; // both below 2^53
  }
  tensor.strides.back() = 1;
  tensor.shape.back() *= 2;
  tensor.first *= 2;
  return true;
}

/// The last element that strides reach, or nothing beyond 64 bits. No extent is 0.
std::optional<uint64_t> last_element(const PlainTensor &tensor) {
  std::optional<uint64_t> last = tensor.first;
  for (size_t i = 0; last && i < tensor.shape.size(); ++i) {
    const auto reach = checked_mul(tensor.shape[i] - 1, tensor.strides[i]);
    last = reach ? checked_add(*last, *reach) : std::nullopt;
  }
  return last;
}

/// The longest text among some values, or among the arguments of a call that is one of them: what NumPy's
/// arrays and nested storages have inside of the pickle. Protocol 2 writes bytes as `encode(text, "latin1")`.
uint64_t inline_bytes(const Pickle &pickle, std::span<const NodeId> values) {
  uint64_t bytes = 0;
  const auto look = [&](NodeId value) {
    if (pickle.kind(value) == NodeKind::kBytes || pickle.kind(value) == NodeKind::kText) {
      bytes = std::max<uint64_t>(bytes, pickle.text(value).size());
    }
  };
  for (const NodeId value : values) {
    look(value);
    if (pickle.kind(value) == NodeKind::kObject) {
      for (const NodeId argument : pickle.children(pickle.arguments(value))) {
        look(argument);
      }
    }
  }
  return bytes;
}

} // namespace

Result<void> check_tensor(PlainTensor &tensor, uint64_t unit, uint64_t units,
                          const std::string &name) {
  if (tensor.shape.size() != tensor.strides.size()) {
    return malformed_checkpoint(concat("tensor \"", name, "\" has ", tensor.shape.size(),
                                       " dimensions but ", tensor.strides.size(), " strides"),
                                name);
  }
  const auto elements = checked_product(tensor.shape);
  const auto bytes = elements ? checked_mul(*elements, unit) : std::nullopt;
  if (!bytes || *bytes > kMaxCheckpointBytes) {
    return malformed_checkpoint(concat("tensor \"", name, "\" of shape ", shape_text(tensor.shape),
                                       " is beyond 2^53 bytes"),
                                name);
  }
  tensor.bytes = *bytes;
  if (*elements == 0) {
    tensor.first = 0;
    return {};
  }
  const auto last = last_element(tensor);
  if (!last || *last >= units) {
    return malformed_checkpoint(
        concat("tensor \"", name, "\" of shape ", shape_text(tensor.shape), " from element ",
               tensor.first, " on reaches beyond its storage, which has ", units, " elements"),
        name);
  }
  if (*bytes > kMaxExpandedBytes && *bytes / kMaxExpansion > units * unit) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Tensor \"", name, "\" of shape ", shape_text(tensor.shape), " would have ",
                        *bytes, " bytes, made from ", units * unit, " bytes of storage."),
                 "Save the tensor before it is expanded.", name, std::nullopt};
  }
  return {};
}

bool Rebuilder::is_tensor(NodeId node) const {
  return rebuild_call(pickle_, node).kind != RebuildKind::kNone || find_external(node) != nullptr;
}

const PlainTensor *Rebuilder::find_external(NodeId node) const {
  if (external_ == nullptr || pickle_.kind(node) != NodeKind::kPersistent) {
    return nullptr;
  }
  const auto key = storage_key(pickle_, pickle_.persistent_id(node));
  const auto found = key ? external_->find(*key) : external_->end();
  return found == external_->end() ? nullptr : &found->second;
}

Result<const Rebuilt *> Rebuilder::rebuild(NodeId node, const std::string &name) {
  const auto known = made_.find(node);
  if (known != made_.end()) {
    return &known->second;
  }
  auto rebuilt = make(node, name);
  if (!rebuilt) {
    return rebuilt.error();
  }
  return &made_.emplace(node, std::move(rebuilt.value())).first->second;
}

Result<Rebuilt> Rebuilder::make(NodeId node, const std::string &name) {
  constexpr int kMaxWrappers = 16;
  for (int i = 0; i < kMaxWrappers; ++i) {
    if (const PlainTensor *external = find_external(node)) {
      return Rebuilt{*external, {}, {}, {}, external->bytes};
    }
    const RebuildCall call = rebuild_call(pickle_, node);
    switch (call.kind) {
    case RebuildKind::kPlain:
    case RebuildKind::kTyped:
      return make_plain(call, name);
    case RebuildKind::kQuantized:
      return make_quantized(call, name);
    case RebuildKind::kUnreadable:
      return make_unreadable(node, call);
    case RebuildKind::kNone:
      return Rebuilt{{}, {}, {}, "a parameter whose data is no tensor that is known", 0};
    case RebuildKind::kWrapper:
      if (call.arguments.empty()) {
        return Rebuilt{{}, {}, {}, "a parameter without data", 0};
      }
      node = call.arguments[0];
    }
  }
  return malformed_checkpoint(
      concat("tensor \"", name, "\" is wrapped more than ", kMaxWrappers, " times"), name);
}

Result<Rebuilt> Rebuilder::make_unreadable(NodeId node, const RebuildCall &call) {
  Rebuilt rebuilt;
  rebuilt.unreadable = call.reason;
  if (call.type) {
    rebuilt.unreadable += concat(" (", call.type->module, ".", call.type->name, ")");
  }
  if (is_storage_reference(pickle_, node)) {
    auto reference = read_storage_reference(pickle_, node);
    if (!reference) {
      return reference.error();
    }
    rebuilt.bytes = reference.value().bytes;
    return rebuilt;
  }
  for (const NodeId argument : call.arguments) { // parts of a nested tensor are tensors themselves
    if (rebuild_call(pickle_, argument).kind == RebuildKind::kPlain) {
      auto part = make_plain(rebuild_call(pickle_, argument), std::string(call.reason));
      rebuilt.bytes += part ? part.value().bytes : 0; // a count for a report: no reason to fail
    }
  }
  rebuilt.bytes += inline_bytes(pickle_, call.arguments);
  if (const auto state = pickle_.state(node)) {
    rebuilt.bytes += inline_bytes(pickle_, pickle_.children(*state));
  }
  return rebuilt;
}

Result<Rebuilt> Rebuilder::make_plain(const RebuildCall &call, const std::string &name) {
  const auto arguments = call.arguments;
  const bool typed = call.kind == RebuildKind::kTyped;
  if (arguments.size() < (typed ? 7U : 4U)) {
    return malformed_checkpoint(
        concat("tensor \"", name, "\" is described by only ", arguments.size(), " values"), name);
  }
  if (!is_storage_reference(pickle_, arguments[0])) {
    return Rebuilt{{}, {}, {}, "a tensor whose storage is not in the file", 0};
  }
  auto reference = read_storage_reference(pickle_, arguments[0]);
  if (!reference) {
    return reference.error();
  }
  const StorageReference &storage = reference.value();
  ElementType type = storage.type;
  if (typed) {
    const auto dtype = pickle_.kind(arguments[6]) == NodeKind::kGlobal
                           ? torch_dtype(pickle_.global_name(arguments[6]))
                           : std::nullopt;
    if (!dtype) {
      return Rebuilt{{}, {}, {}, "a tensor of a dtype that is not supported", storage.bytes};
    }
    type = *dtype;
  }
  auto shape = read_counts(pickle_, arguments[2], "shape", name);
  auto strides = shape ? read_counts(pickle_, arguments[3], "stride", name) : shape;
  if (!strides) {
    return strides.error();
  }
  if (pickle_.kind(arguments[1]) != NodeKind::kInt || pickle_.integer(arguments[1]) < 0) {
    return malformed_checkpoint(
        concat("the offset of tensor \"", name, "\" in its storage is no count"), name);
  }
  auto claim = claims_.claim(storage.key, storage.bytes);
  if (!claim) {
    return claim.error();
  }
  PlainTensor tensor;
  tensor.dtype = type.dtype;
  tensor.shape = std::move(shape.value());
  tensor.strides = std::move(strides.value());
  tensor.first = static_cast<uint64_t>(pickle_.integer(arguments[1]));
  tensor.claim = claim.value();
  tensor.conjugate = has_flag(pickle_, arguments, typed ? 7 : 6, "conj");
  tensor.negative = has_flag(pickle_, arguments, typed ? 7 : 6, "neg");
  uint64_t units = storage.view_units * storage.type.bytes / type.bytes;
  if (call.kind == RebuildKind::kQuantized) {
    units *= type.per_byte;
  }
  if (auto checked = check_tensor(tensor, type.bytes, units, name); !checked) {
    return checked.error();
  }
  tensor.first += storage.view_first * storage.type.bytes / type.bytes; // both below 2^53
  Rebuilt rebuilt{std::move(tensor), {}, {}, {}, 0};
  rebuilt.bytes = rebuilt.tensor.bytes;
  if (type.pairs && !split_pairs(rebuilt.tensor)) {
    rebuilt.unreadable = "a tensor of packed 4-bit floats that are not side by side";
  }
  return rebuilt;
}

} // namespace monoquant::torch
