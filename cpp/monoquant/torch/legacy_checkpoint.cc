// The stream of torch.save before 1.6: five pickles, then the storages.
//
//  +-------+----------+----------+--------+------+-----------+------+-----------+------+--
//  | magic | protocol | sys_info | object | keys | i64 numel | data | i64 numel | data | …
//  +-------+----------+----------+--------+------+-----------+------+-----------+------+--
//
// Storages stand in the order of the keys, and are little-endian whatever machine wrote them
// (torch/csrc/serialization.cpp). Source: torch/serialization.py, _legacy_save and _legacy_load.
#include <algorithm>
#include <array>
#include <map>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/container/zip_records.h"
#include "monoquant/torch/assembly.h"
#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/globals.h"
#include "monoquant/torch/persistent_id.h"

namespace monoquant::torch {
namespace {

constexpr uint64_t kFirstRead = 256ULL * 1024; // the pickles of most files
constexpr uint64_t kGrowth = 4;
constexpr int64_t kProtocol = 1001;
// 0x1950a86a20f9469cfc6c, as LONG1 has it, and as protocol 0 does.
constexpr std::string_view kMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
constexpr std::string_view kMagicText = "L119547037146038801333356L";

/// The five pickles, and where they end.
struct LegacyHead {
  std::array<Pickle, 5> pickles;
  uint64_t end = 0;
};

Error no_checkpoint(std::string_view found) {
  return {ErrorCode::kUnsupportedFormat,
          concat("Expected a PyTorch checkpoint, found ", found, "."),
          "Save the model with torch.save, or as .safetensors.",
          {},
          0};
}

Error truncated(const std::string &message, uint64_t offset) {
  return {ErrorCode::kFileTruncated,
          message,
          "Download or copy the file again: it is incomplete.",
          {},
          offset};
}

/// Nothing where the window's first `length` bytes do not hold all of the pickles.
Result<std::optional<LegacyHead>> read_head(std::span<const uint8_t> bytes, bool is_whole) {
  LegacyHead head;
  for (size_t i = 0; i < head.pickles.size(); ++i) {
    const auto rest = bytes.subspan(static_cast<size_t>(head.end));
    if (rest.empty() && is_whole) {
      return truncated(concat("The file ends at ", bytes.size(), ", after ", i,
                              " of the 5 pickles that a checkpoint begins with."),
                       bytes.size());
    }
    auto read = read_pickle(rest, is_whole, head.end);
    if (!read) {
      return read.error();
    }
    if (!read.value()) {
      return std::optional<LegacyHead>();
    }
    if (i == 0) {
      const std::string_view text(reinterpret_cast<const char *>(rest.data()),
                                  static_cast<size_t>(read.value()->end));
      if (text.find(kMagic) == std::string_view::npos &&
          text.find(kMagicText) == std::string_view::npos) {
        return no_checkpoint("a Python pickle that torch.save did not write");
      }
    }
    head.end += read.value()->end;
    head.pickles[i] = std::move(read.value()->pickle);
  }
  const Pickle &protocol = head.pickles[1];
  if (protocol.kind(protocol.root()) != NodeKind::kInt ||
      protocol.integer(protocol.root()) != kProtocol) {
    return no_checkpoint("one of a protocol that is not supported");
  }
  return std::optional(std::move(head));
}

/// Where a storage stands, and in which units its size is written in front of it.
struct LegacyStorage {
  uint64_t offset = 0; // of its data
  uint64_t bytes = 0;
  uint32_t unit = 1;
};
using LegacyStorages = std::map<std::string, LegacyStorage, std::less<>>;

/// Every reference in the object, wanted or not: without all sizes no place is known.
Result<LegacyStorages> collect_storages(const Pickle &pickle, StorageClaims &claims) {
  LegacyStorages storages;
  for (size_t i = 0; i < pickle.node_count(); ++i) {
    const auto node = static_cast<NodeId>(i);
    if (!is_storage_reference(pickle, node)) {
      continue;
    }
    auto reference = read_storage_reference(pickle, node);
    if (!reference) {
      return reference.error();
    }
    const StorageReference &storage = reference.value();
    if (auto claim = claims.claim(storage.key, storage.bytes); !claim) {
      return claim.error();
    }
    storages.try_emplace(storage.key, LegacyStorage{0, storage.bytes, storage.type.bytes});
  }
  return storages;
}

/// What looks for an archive's end, as torch.jit.load does, finds another checkpoint in a file with one behind `end`.
Result<Needs> refuse_archive(const ByteWindow &window, uint64_t end) {
  using container::zip::End;
  constexpr uint64_t kMost = End::kBytes + container::zip::kSaturated16;
  const uint64_t length = std::min(window.file_size() - end, kMost);
  if (length < End::kBytes) {
    return Needs();
  }
  const uint64_t begin = window.file_size() - length;
  const auto tail = window.find(begin, length);
  if (!tail) {
    return Needs{{begin, length}};
  }
  for (size_t at = 0; at + End::kBytes <= tail->size(); ++at) {
    if (load_le<uint32_t>(&(*tail)[at]) == End::kSignature) {
      return malformed_checkpoint(concat("behind its last storage, at ", begin + at,
                                         ", is the end of a zip archive: two files in one"));
    }
  }
  return Needs();
}

/// Walks through the storages behind the pickles, in the order of their keys.
Result<Needs> place(const ByteWindow &window, const LegacyHead &head, LegacyStorages &storages) {
  const Pickle &keys = head.pickles[4];
  if (keys.kind(keys.root()) != NodeKind::kList) {
    return malformed_checkpoint("the list of storages is no list");
  }
  Needs needs;
  uint64_t position = head.end;
  for (const NodeId node : keys.children(keys.root())) {
    const auto key = storage_key(keys, node);
    const auto known = key ? storages.find(*key) : storages.end();
    if (known == storages.end() || known->second.offset != 0) {
      return malformed_checkpoint(
          concat("storage \"", key ? *key : std::string("?"),
                 "\" is listed, but no tensor uses it, or it is listed twice"));
    }
    LegacyStorage &storage = known->second;
    constexpr uint64_t kSizeBytes = 8;
    if (!window.contains(position, kSizeBytes) ||
        !window.contains(position + kSizeBytes, storage.bytes)) {
      return truncated(concat("Storage \"", *key, "\" has ", storage.bytes, " bytes from ",
                              position, " on, but the file has only ", window.file_size(), "."),
                       window.file_size());
    }
    const auto size = window.find(position, kSizeBytes);
    if (!size) {
      needs.push_back({position, kSizeBytes});
    } else if (checked_mul(load_le<uint64_t>(size->data()), storage.unit) != storage.bytes) {
      return malformed_checkpoint(concat("storage \"", *key, "\" at ", position, " has ",
                                         load_le<uint64_t>(size->data()),
                                         " elements, its tensors say ", storage.bytes, " bytes"));
    }
    storage.offset = position + kSizeBytes;
    position = storage.offset + storage.bytes;
  }
  if (needs.empty()) {
    return refuse_archive(window, position);
  }
  return needs;
}

Result<Checkpoint> make_checkpoint(const LegacyHead &head, StorageClaims claims,
                                   const LegacyStorages &storages, const Choice &choice) {
  AssemblyOptions options;
  options.choice = choice;
  auto assembled = assemble(head.pickles[3], std::move(claims), options);
  if (!assembled) {
    return assembled.error();
  }
  Checkpoint &checkpoint = assembled.value().checkpoint;
  GlobalList globals; // Python loads all five
  for (const Pickle &pickle : head.pickles) {
    globals.add(pickle);
  }
  checkpoint.globals = globals.list();
  if (auto some = require_tensors(checkpoint); !some) {
    return some.error();
  }
  for (StorageClaim &claim : assembled.value().claims) {
    Storage storage;
    storage.bytes = claim.bytes;
    if (claim.is_literal) {
      storage.literal = std::move(claim.literal);
    } else {
      const auto known = storages.find(claim.key);
      if (known == storages.end() || known->second.offset == 0) {
        return malformed_checkpoint(concat("storage \"", claim.key, "\" is not in the file"));
      }
      storage.offset = known->second.offset;
      storage.stored_bytes = claim.bytes;
    }
    checkpoint.storages.push_back(std::move(storage));
  }
  checkpoint.format = "torch-legacy";
  return std::move(checkpoint);
}

} // namespace

Result<Parsed<Checkpoint>> read_legacy_checkpoint(const ByteWindow &window, const Choice &choice) {
  using Step = Parsed<Checkpoint>;
  const uint64_t size = window.file_size();
  if (size == 0) {
    return no_checkpoint("an empty file");
  }
  uint64_t length = std::min(size, kFirstRead);
  std::optional<LegacyHead> head;
  while (!head) {
    const auto bytes = window.find(0, length);
    if (!bytes) {
      return Step(Needs{{0, length}});
    }
    auto read = read_head(*bytes, length == size);
    if (!read) {
      return read.error();
    }
    head = std::move(read.value());
    if (!head && length == size) {
      return truncated("The file ends before its pickles do.", size);
    }
    if (!head && length > 2 * kMaxPickleBytes) {
      return Error{ErrorCode::kLimitExceeded,
                   concat("The checkpoint's pickles have more than ", kMaxPickleBytes, " bytes."),
                   "Save only the state dict of the model.",
                   {},
                   {}};
    }
    length = std::min(size, length * kGrowth);
  }
  StorageClaims claims;
  auto storages = collect_storages(head->pickles[3], claims);
  if (!storages) {
    return storages.error();
  }
  auto needs = place(window, *head, storages.value());
  if (!needs) {
    return needs.error();
  }
  if (!needs.value().empty()) {
    return Step(std::move(needs.value()));
  }
  auto checkpoint = make_checkpoint(*head, std::move(claims), storages.value(), choice);
  if (!checkpoint) {
    return checkpoint.error();
  }
  return Step(std::move(checkpoint.value()));
}

} // namespace monoquant::torch
