// A Python pickle as a graph of plain nodes: what it would build, without building it.
// It exists because a pickle is a program: here its opcodes only ever make nodes, and a call to a class or
// function is a node that names it. Nothing is looked up, imported or run.
// Children may be shared, and lists, sets, dicts and objects may contain themselves: walk with a memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::torch {

/// A node of one Pickle.
using NodeId = uint32_t;

enum class NodeKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kBigInt, // beyond 64 bits: only its existence is kept
  kFloat,
  kText, // str, and the byte strings of Python 2
  kBytes,
  kTuple,
  kList,
  kSet,
  kDict,
  kGlobal,     // a class or function, by name
  kObject,     // what calling one would have returned
  kPersistent, // a reference to something outside of the pickle
};

inline constexpr uint64_t kMaxPickleBytes = 64ULL << 20U; // the largest real ones have about 20 MB
inline constexpr uint64_t kMaxPickleMemory = 128ULL << 20U; // of all nodes together

class Pickle {
public:
  [[nodiscard]] NodeId root() const { return root_; }
  [[nodiscard]] size_t node_count() const;
  [[nodiscard]] NodeKind kind(NodeId node) const;

  [[nodiscard]] bool boolean(NodeId node) const;    // kBool
  [[nodiscard]] int64_t integer(NodeId node) const; // kInt
  [[nodiscard]] double real(NodeId node) const;     // kFloat
  [[nodiscard]] std::string_view
  text(NodeId node) const; // kText, kBytes; lives as long as the pickle

  /// kTuple, kList, kSet: the elements. kDict: key, value, key, value, … in the order of insertion, later
  /// values of an equal text or integer key replacing earlier ones. kObject: what was appended to it.
  [[nodiscard]] std::span<const NodeId> children(NodeId node) const;

  [[nodiscard]] std::string_view global_module(NodeId node) const; // kGlobal: "torch._utils"
  [[nodiscard]] std::string_view global_name(NodeId node) const;   // kGlobal: "_rebuild_tensor_v2"

  [[nodiscard]] NodeId callable(NodeId node) const;  // kObject: a kGlobal, or a kObject
  [[nodiscard]] NodeId arguments(NodeId node) const; // kObject: a kTuple
  /// kObject, kDict, kList, kSet …: the argument of BUILD, the last one where there were several.
  [[nodiscard]] std::optional<NodeId> state(NodeId node) const;
  /// kObject: key, value, … that were set on it like on a dict (OrderedDict, defaultdict, …).
  [[nodiscard]] std::span<const NodeId> items(NodeId node) const;

  [[nodiscard]] NodeId persistent_id(NodeId node) const; // kPersistent: usually a kTuple

  /// Every kGlobal node, one for each name, in the order of their first appearance.
  [[nodiscard]] std::span<const NodeId> globals() const;
};

struct PickleRead {
  Pickle pickle;
  uint64_t end = 0; // bytes up to and with STOP
};

/// Reads one pickle of protocol 0 to 5 from the beginning of `bytes`. Nothing where it goes on after the end
/// of `bytes` and `is_whole` is false: call again with more. `origin` is where `bytes` stand in the file, for
/// errors. Errors: kMalformedFile (with the offset), kFileTruncated, kLimitExceeded (size, memory, depth of marks).
Result<std::optional<PickleRead>> read_pickle(std::span<const uint8_t> bytes, bool is_whole,
                                              uint64_t origin);

} // namespace monoquant::torch
