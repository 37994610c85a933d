#include "monoquant/torch/persistent_id.h"

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"

namespace monoquant::torch {
namespace {

constexpr uint64_t kMaxStorageBytes = (1ULL << 53U) - 1; // integers that JavaScript holds exactly

bool is_text(const Pickle &pickle, NodeId node, std::string_view text) {
  return pickle.kind(node) == NodeKind::kText && pickle.text(node) == text;
}

std::optional<uint64_t> count(const Pickle &pickle, NodeId node) {
  if (pickle.kind(node) != NodeKind::kInt || pickle.integer(node) < 0) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(pickle.integer(node));
}

/// (view_key, offset, numel), which the first releases wrote behind the size of the whole storage.
Result<void> read_view(const Pickle &pickle, NodeId node, StorageReference &reference) {
  if (pickle.kind(node) == NodeKind::kNone) {
    return {};
  }
  const auto parts =
      pickle.kind(node) == NodeKind::kTuple ? pickle.children(node) : std::span<const NodeId>();
  const auto offset = parts.size() == 3 ? count(pickle, parts[1]) : std::nullopt;
  const auto units = parts.size() == 3 ? count(pickle, parts[2]) : std::nullopt;
  if (!offset || !units || *offset > reference.view_units ||
      *units > reference.view_units - *offset) {
    return malformed_checkpoint(
        concat("a view of storage \"", reference.key, "\" does not lie inside of it"));
  }
  reference.view_first = *offset;
  reference.view_units = *units;
  return {};
}

} // namespace

std::optional<ClassName> class_name(const Pickle &pickle, NodeId node) {
  if (pickle.kind(node) == NodeKind::kPersistent) { // ('module', class, file, source)
    const NodeId id = pickle.persistent_id(node);
    if (pickle.kind(id) != NodeKind::kTuple || pickle.children(id).size() < 2 ||
        !is_text(pickle, pickle.children(id)[0], "module")) {
      return std::nullopt;
    }
    node = pickle.children(id)[1];
  }
  if (pickle.kind(node) != NodeKind::kGlobal) {
    return std::nullopt;
  }
  return ClassName{pickle.global_module(node), pickle.global_name(node)};
}

std::optional<std::string> storage_key(const Pickle &pickle, NodeId node) {
  if (pickle.kind(node) == NodeKind::kText) {
    return std::string(pickle.text(node));
  }
  if (pickle.kind(node) == NodeKind::kInt) {
    return std::to_string(pickle.integer(node));
  }
  return std::nullopt;
}

bool is_storage_reference(const Pickle &pickle, NodeId node) {
  if (pickle.kind(node) != NodeKind::kPersistent) {
    return false;
  }
  const NodeId id = pickle.persistent_id(node);
  return pickle.kind(id) == NodeKind::kTuple && !pickle.children(id).empty() &&
         is_text(pickle, pickle.children(id)[0], "storage");
}

Result<StorageReference> read_storage_reference(const Pickle &pickle, NodeId node) {
  const auto parts = pickle.children(pickle.persistent_id(node));
  if (parts.size() < 5) {
    return malformed_checkpoint(
        concat("a reference to a storage has ", parts.size(), " parts, expected at least 5"));
  }
  const auto name = class_name(pickle, parts[1]);
  const auto key = storage_key(pickle, parts[2]);
  const auto units = count(pickle, parts[4]);
  if (!name || !key || !units) {
    return malformed_checkpoint("a reference to a storage lacks a class, a key or a size");
  }
  const auto type = storage_class(name->module, name->name);
  if (!type) {
    return Error{ErrorCode::kUnsupportedFormat,
                 concat("Storage \"", *key, "\" has the class ", name->module, ".", name->name,
                        ", which is none of PyTorch's."),
                 "Save the model with plain tensors.",
                 {},
                 {}};
  }
  const auto bytes = checked_mul(*units, type->bytes);
  if (!bytes || *bytes > kMaxStorageBytes) {
    return malformed_checkpoint(concat("storage \"", *key, "\" claims ", *units, " elements"));
  }
  StorageReference reference{*type, *key, *bytes, 0, *units};
  if (parts.size() > 5) {
    if (auto view = read_view(pickle, parts[5], reference); !view) {
      return view.error();
    }
  }
  return reference;
}

} // namespace monoquant::torch
