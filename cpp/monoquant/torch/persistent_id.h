// References from a pickle to storages outside of it: ('storage', class, key, location, numel[, view]).
// It exists because three containers write them, each a little differently.
// Sizes are checked to fit 2^53 bytes; keys are text whatever they were.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "monoquant/base/result.h"
#include "monoquant/torch/element_type.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/storage_claims.h"

namespace monoquant::torch {

/// A storage as a tensor sees it: a part of one where the file is so old that storages could be views.
struct StorageReference {
  ElementType type;
  std::string key;
  uint64_t bytes = 0;      // of the whole storage
  uint64_t view_first = 0; // units of `type`
  uint64_t view_units = 0;
};

/// True for references to storages, well-formed or not.
bool is_storage_reference(const Pickle &pickle, NodeId node);

/// `node` must be one of those. Errors: kMalformedFile, and kUnsupportedFormat for an unknown class.
Result<StorageReference> read_storage_reference(const Pickle &pickle, NodeId node);

/// The module and name of a class: a global, or the class that a ('module', class, …) reference holds.
struct ClassName {
  std::string_view module;
  std::string_view name;
};
std::optional<ClassName> class_name(const Pickle &pickle, NodeId node);

/// Text, or an integer in decimal; nothing else can be a key of a storage.
std::optional<std::string> storage_key(const Pickle &pickle, NodeId node);

} // namespace monoquant::torch
