#include "monoquant/torch/tar_tensors.h"

#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/assembly.h"
#include "monoquant/torch/persistent_id.h"

namespace monoquant::torch {
namespace {

constexpr uint64_t kSmallPickle = 1024;   // three values
constexpr uint64_t kChunk = 64ULL * 1024; // read at once: many storages, where they are small
constexpr uint64_t kMaxTensorsMember = 64ULL << 20U;
// Each may take a round of reading, and each round goes through all that were known before.
constexpr size_t kMaxTarStorages = 10'000;

Error broken(const container::TarMember &member) {
  return malformed_checkpoint(concat("member \"", member.name, "\" is not as torch.save had it"));
}

/// The elements of a tuple of at least `count`, or nothing.
std::span<const NodeId> parts(const Pickle &pickle, NodeId node, size_t count) {
  const bool fits = pickle.kind(node) == NodeKind::kTuple && pickle.children(node).size() >= count;
  return fits ? pickle.children(node) : std::span<const NodeId>();
}

std::optional<uint64_t> count_of(const Pickle &pickle, NodeId node) {
  return pickle.kind(node) == NodeKind::kInt && pickle.integer(node) >= 0
             ? std::optional(static_cast<uint64_t>(pickle.integer(node)))
             : std::nullopt;
}

} // namespace

Result<void> TarTensors::read() {
  auto done = read_storages();
  return done && needs.empty() ? read_tensors() : done;
}

Result<std::optional<Pickle>> TarTensors::next(const container::TarMember &member,
                                               uint64_t &position) {
  const uint64_t rest = member.offset + member.bytes - position;
  if (rest == 0) {
    return broken(member);
  }
  for (uint64_t length = std::min(rest, kSmallPickle);; length = std::min(rest, length * 4)) {
    const auto bytes = window_.find(position, length);
    if (!bytes) {
      needs.push_back({position, std::min(rest, std::max(length, kChunk))});
      return std::optional<Pickle>();
    }
    auto read = read_pickle(*bytes, length == rest, position);
    if (!read) {
      return read.error();
    }
    if (read.value()) {
      position += read.value()->end;
      globals.add(read.value()->pickle);
      return std::optional(std::move(read.value()->pickle));
    }
    if (length == rest) {
      return broken(member);
    }
  }
}

Result<void> TarTensors::read_storages() {
  uint64_t position = storages_.offset;
  auto head = next(storages_, position);
  if (!head || !head.value()) {
    return head ? Result<void>() : head.error();
  }
  const auto count = count_of(*head.value(), head.value()->root());
  if (!count || *count > kMaxTarStorages) {
    return broken(storages_);
  }
  for (uint64_t i = 0; i < *count; ++i) {
    if (auto one = read_storage(position); !one || !needs.empty()) {
      return one;
    }
  }
  return read_views(position);
}

Result<void> TarTensors::read_storage(uint64_t &position) {
  auto pickle = next(storages_, position);
  if (!pickle || !pickle.value()) {
    return pickle ? Result<void>() : pickle.error();
  }
  const Pickle &args = *pickle.value();
  const auto values = parts(args, args.root(), 3);
  const auto key = values.empty() ? std::nullopt : storage_key(args, values[0]);
  const auto name = values.empty() ? std::nullopt : class_name(args, values[2]);
  const auto type = name ? storage_class(name->module, name->name) : std::nullopt;
  const uint64_t end = storages_.offset + storages_.bytes;
  if (!key || !type || end - position < 8) {
    return broken(storages_);
  }
  const auto size = window_.find(position, 8);
  if (!size) {
    needs.push_back({position, std::min(end - position, kChunk)});
    return {};
  }
  position += 8;
  const auto units = load_le<uint64_t>(size->data());
  const auto bytes = checked_mul(units, type->bytes);
  if (!bytes || *bytes > end - position || views_.contains(*key)) {
    return broken(storages_);
  }
  auto claim = claims.claim(*key, *bytes);
  if (!claim) {
    return claim.error();
  }
  offsets[*key] = position;
  views_[*key] = {*type, claim.value(), 0, units};
  position += *bytes;
  return {};
}

Result<void> TarTensors::read_views(uint64_t position) {
  auto pickle = next(storages_, position);
  if (!pickle || !pickle.value()) {
    return pickle ? Result<void>() : pickle.error();
  }
  const Pickle &list = *pickle.value();
  for (const NodeId node : list.children(list.root())) {
    const auto values = parts(list, node, 4);
    const auto key = values.empty() ? std::nullopt : storage_key(list, values[0]);
    const auto root_key = values.empty() ? std::nullopt : storage_key(list, values[1]);
    const auto root = root_key ? views_.find(*root_key) : views_.end();
    const auto first = values.empty() ? std::nullopt : count_of(list, values[2]);
    const auto units = values.empty() ? std::nullopt : count_of(list, values[3]);
    if (!key || root == views_.end() || !first || !units || *first > root->second.units ||
        *units > root->second.units - *first) {
      return broken(storages_);
    }
    View view = root->second;
    view.first += *first;
    view.units = *units;
    views_.insert_or_assign(*key, view);
  }
  return {};
}

Result<void> TarTensors::read_tensors() {
  if (tensors_.bytes > kMaxTensorsMember) {
    return Error{ErrorCode::kLimitExceeded,
                 concat("Member \"", tensors_.name, "\" has ", tensors_.bytes, " bytes."),
                 "Check that the file is a checkpoint.",
                 {},
                 tensors_.offset};
  }
  if (tensors_.bytes != 0 && !window_.find(tensors_.offset, tensors_.bytes)) {
    needs.push_back({tensors_.offset, tensors_.bytes});
    return {};
  }
  uint64_t position = tensors_.offset;
  auto head = next(tensors_, position);
  if (!head || !head.value()) {
    return head ? Result<void>() : head.error();
  }
  const auto count = count_of(*head.value(), head.value()->root());
  if (!count || *count > kMaxTensors) {
    return broken(tensors_);
  }
  for (uint64_t i = 0; i < *count; ++i) {
    if (auto one = read_tensor(position); !one) {
      return one;
    }
  }
  return {};
}

Result<void> TarTensors::read_tensor(uint64_t &position) {
  auto pickle = next(tensors_, position);
  if (!pickle || !pickle.value()) {
    return pickle ? Result<void>() : pickle.error();
  }
  const Pickle &args = *pickle.value();
  const auto values = parts(args, args.root(), 3);
  const auto key = values.empty() ? std::nullopt : storage_key(args, values[0]);
  const auto storage_name = values.empty() ? std::nullopt : storage_key(args, values[1]);
  const auto storage = storage_name ? views_.find(*storage_name) : views_.end();
  const uint64_t rest = tensors_.offset + tensors_.bytes - position;
  if (!key || storage == views_.end() || rest < 8) {
    return broken(tensors_);
  }
  const auto bytes = window_.find(position, rest);
  const auto rank = load_le<uint32_t>(bytes->data());
  const uint64_t length = 8 + 16 * uint64_t{rank} + 8;
  if (rank > kMaxRank || length > rest) {
    return broken(tensors_);
  }
  PlainTensor tensor;
  tensor.dtype = storage->second.type.dtype;
  tensor.claim = storage->second.claim;
  for (uint32_t i = 0; i < rank; ++i) {
    tensor.shape.push_back(load_le<uint64_t>(&(*bytes)[8 + 8 * i]));
    tensor.strides.push_back(load_le<uint64_t>(&(*bytes)[8 + 8 * (rank + i)]));
  }
  tensor.first = load_le<uint64_t>(&(*bytes)[8 + 16 * rank]);
  position += length;
  const auto is_huge = [](uint64_t count) { return count > kMaxCheckpointBytes; };
  if (std::any_of(tensor.shape.begin(), tensor.shape.end(), is_huge) ||
      std::any_of(tensor.strides.begin(), tensor.strides.end(), is_huge)) {
    return broken(tensors_);
  }
  if (auto checked = check_tensor(tensor, storage->second.type.bytes, storage->second.units, *key);
      !checked) {
    return checked.error();
  }
  tensor.first += storage->second.first;
  tensors.insert_or_assign(*key, std::move(tensor));
  return {};
}

} // namespace monoquant::torch
