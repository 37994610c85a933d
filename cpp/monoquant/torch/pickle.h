// A Python pickle as a graph of plain nodes: what it would build, without building it.
// It exists because a pickle is a program: here its opcodes only ever make nodes, and a call to a class or
// function is a node that names it. Nothing is looked up, imported or run.
// Children may be shared, and lists, sets, dicts and objects may contain themselves: walk with a memory.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
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
  kText,  // str, and the byte strings of Python 2; not checked to be UTF-8
  kBytes, // bytes and bytearray
  kTuple,
  kList,
  kSet, // and frozenset
  kDict,
  kGlobal,     // a class or function, by name
  kObject,     // what calling one would have returned
  kPersistent, // a reference to something outside of the pickle
};

/// For messages: "an integer", "a list", …
std::string_view node_kind_name(NodeKind kind);

inline constexpr uint64_t kMaxPickleBytes = 64ULL << 20U; // the largest real ones have about 20 MB
inline constexpr uint64_t kMaxPickleMemory = 128ULL
                                             << 20U; // of a pickle and of what reading it takes
inline constexpr uint64_t kMaxGlobalBytes = 1024;    // a module's name, or a name in one

/// Only the opcodes for containers make kList, kSet and kDict. What a call returns stays a kObject, also where
/// the callable is a container: `collections OrderedDict`, `defaultdict`, `Counter` and `deque`, `torch Size`,
/// and `dict`, `list`, `set`, `frozenset` and `tuple` of `builtins` (Python 2: `__builtin__`, which is how
/// protocol 2 writes sets). Their content is in arguments() (a list, or a list of pairs), and in children() and
/// items() where it was added after the call.
///
/// Asking a node for what its kind does not have gives 0, nothing, or the node of None.
class Pickle {
public:
  static constexpr NodeId kNoneNode = 0; // in every pickle

  [[nodiscard]] NodeId root() const { return root_; }
  [[nodiscard]] size_t node_count() const { return nodes_.size(); }
  [[nodiscard]] NodeKind kind(NodeId node) const { return nodes_[node].kind; }

  [[nodiscard]] bool boolean(NodeId node) const;    // kBool
  [[nodiscard]] int64_t integer(NodeId node) const; // kInt
  [[nodiscard]] double real(NodeId node) const;     // kFloat
  [[nodiscard]] std::string_view
  text(NodeId node) const; // kText, kBytes; lives as long as the pickle

  /// kTuple, kList, kSet: the elements. kDict: key, value, key, value, … in the order of insertion, later
  /// values of an equal key replacing earlier ones; equal are text and integer keys of the same content, and all
  /// others only where they are one node. kObject: what was appended to it.
  [[nodiscard]] std::span<const NodeId> children(NodeId node) const;

  [[nodiscard]] std::string_view global_module(NodeId node) const; // kGlobal: "torch._utils"
  [[nodiscard]] std::string_view global_name(NodeId node) const;   // kGlobal: "_rebuild_tensor_v2"
  /// kGlobal: whether all that the pickle does with it is to make empty objects of it (NEWOBJ) and give them a
  /// state. Python then runs neither its __init__ nor its __call__, in no way that a pickle has: it is no argument,
  /// and no element or attribute of anything.
  [[nodiscard]] bool is_only_made(NodeId node) const;

  [[nodiscard]] NodeId callable(NodeId node) const;  // kObject: a kGlobal, kObject or kPersistent
  [[nodiscard]] NodeId arguments(NodeId node) const; // kObject: a kTuple
  /// kObject: a kDict, where there were arguments by name (NEWOBJ_EX).
  [[nodiscard]] std::optional<NodeId> keywords(NodeId node) const;
  /// kObject, kList, kSet, kDict, kPersistent: the argument of BUILD, the last one where there were several.
  [[nodiscard]] std::optional<NodeId> state(NodeId node) const;
  /// kObject: key, value, … that were set on it like on a dict; equal keys as in children().
  [[nodiscard]] std::span<const NodeId> items(NodeId node) const;

  [[nodiscard]] NodeId persistent_id(NodeId node) const; // kPersistent: usually a kTuple

  /// Every kGlobal node, one for each name, in the order of their first appearance.
  [[nodiscard]] std::span<const NodeId> globals() const { return globals_; }

private:
  friend class PickleBuilder;

  /// Bytes of the pickle, or of `decoded_` where the highest bit of the offset is set.
  struct Text {
    uint32_t offset = 0;
    uint32_t length = 0;
  };

  // What the two numbers mean depends on the kind:
  //   kBool, kInt, kFloat   payload: the value's bits         extra: kInt: the first node of equal key
  //   kText, kBytes         payload: a Text                   extra: kText: the first node of equal key
  //   kTuple                payload: block, place in it       extra: count
  //   kGlobal               payload: index in names_
  //   kObject               payload: callable, arguments      extra: additions
  //   kPersistent           payload: the id's node            extra: additions
  //   kList, kSet, kDict                                      extra: additions
  struct Node {
    NodeKind kind = NodeKind::kNone;
    uint32_t extra = 0;
    uint64_t payload = 0; // of two halves, the first is the low one
  };
  static_assert(sizeof(Node) == 16);

  /// What was added to a node after it was made. Node::extra is its index + 1, or 0 for no additions.
  struct Additions {
    std::vector<NodeId> children;
    std::vector<NodeId> items; // of a kDict, too
    std::optional<NodeId> state;
    std::optional<NodeId> keywords;
  };

  struct GlobalName {
    Text module;
    Text name;
    uint32_t uses = 0; // how often it came onto the stack
    uint32_t made = 0; // how often NEWOBJ took it from there
  };

  static uint32_t low(const Node &node) { return static_cast<uint32_t>(node.payload); }
  static uint32_t high(const Node &node) { return static_cast<uint32_t>(node.payload >> 32U); }
  [[nodiscard]] const Additions *additions(NodeId node) const;
  [[nodiscard]] std::string_view view(Text text) const;

  NodeId root_ = kNoneNode;
  std::vector<uint8_t> bytes_;   // the pickle itself
  std::vector<uint8_t> decoded_; // texts that it has only with escapes
  std::deque<Node> nodes_;
  std::deque<Additions> additions_;
  std::vector<std::unique_ptr<NodeId[]>> blocks_; // elements of tuples
  std::vector<GlobalName> names_;
  std::vector<NodeId> globals_;
  bool calls_objects_ = false; // something that a pickle made is called, or may be
};

struct PickleRead {
  Pickle pickle;
  uint64_t end = 0; // bytes up to and with STOP
};

/// Reads one pickle of protocol 0 to 5 from the beginning of `bytes`. Nothing where it goes on after the end
/// of `bytes` and `is_whole` is false: call again with more. `origin` is where `bytes` stand in the file, for
/// errors. Errors: kMalformedFile (with the offset), kFileTruncated, kLimitExceeded (size, memory, a global's name).
Result<std::optional<PickleRead>> read_pickle(std::span<const uint8_t> bytes, bool is_whole,
                                              uint64_t origin);

/// What a pickle names up to its end, or up to where it cannot be read: Python runs it that far.
struct PickleNames {
  Pickle pickle;    // of a broken one, only globals() and kinds can be asked for
  uint64_t end = 0; // 0: it is broken
};
/// `bytes`: all that there are. Errors: none of the pickle's.
PickleNames read_pickle_names(std::span<const uint8_t> bytes);

} // namespace monoquant::torch
