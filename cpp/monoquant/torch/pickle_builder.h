// Makes the nodes of a Pickle, and counts the memory that they take.
// It exists so that the machine knows opcodes and no layout, and the Pickle that comes out cannot be changed.
// Where memory is exhausted, nodes are those of None: the machine looks at memory() and gives up.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "monoquant/torch/pickle.h"
#include "monoquant/torch/pickle_memory.h"

namespace monoquant::torch {

class PickleBuilder {
public:
  /// `source`: the bytes of which texts are slices, from the pickle's first one on.
  PickleBuilder(std::span<const uint8_t> source, uint64_t memory);
  PickleBuilder(const PickleBuilder &) = delete; // the memo and the stack refer to its memory
  PickleBuilder &operator=(const PickleBuilder &) = delete;

  PickleMemory &memory() { return memory_; }
  [[nodiscard]] NodeKind kind(NodeId node) const { return pickle_.nodes_[node].kind; }

  // One node each: nothing can be added to them.
  static constexpr NodeId kNone = Pickle::kNoneNode;
  static constexpr NodeId kFalse = 1;
  static constexpr NodeId kTrue = 2;
  static constexpr NodeId kEmptyTuple = 3;

  NodeId integer(std::optional<int64_t> value); // no value: a kBigInt
  NodeId real(double value);
  NodeId text(NodeKind kind, std::string_view slice); // kText or kBytes, of the source
  /// A kText of protocol 0. Nothing where `decode` refuses the slice; it may make twice as many bytes of it.
  using Decode = bool (*)(std::string_view, std::vector<uint8_t> &);
  std::optional<NodeId> decoded_text(std::string_view slice, Decode decode);
  NodeId tuple(std::span<const NodeId> elements);
  NodeId container(NodeKind kind); // an empty kList, kSet or kDict
  NodeId object(NodeId callable, NodeId arguments);
  NodeId persistent(NodeId id);
  NodeId global(std::string_view module, std::string_view name); // slices of the source
  NodeId global(NodeId module, NodeId name);                     // two kText

  // What becomes of a class or function (Pickle::is_only_made). Other nodes are passed over.
  void note_use(NodeId node);      // it is on the stack once more
  void note_made(NodeId callable); // NEWOBJ has taken it
  /// Something was called that a call returned, or may have been: an object whose attributes a pickle chose.
  void note_call_of_object() { pickle_.calls_objects_ = true; }
  /// Whether the next append, add or state of an object may call one of its attributes: those are found by name.
  [[nodiscard]] bool has_chosen_attributes(NodeId object) const;

  [[nodiscard]] size_t text_bytes(NodeId text) const { return Pickle::high(pickle_.nodes_[text]); }

  void append(NodeId to, std::span<const NodeId> elements);
  void set_items(NodeId of, std::span<const NodeId> keys_and_values);
  void set_state(NodeId of, NodeId state);
  void set_keywords(NodeId of, NodeId keywords);

  /// The pickle, of which `source` has the bytes up to `end`. Afterwards the builder is empty.
  Pickle finish(NodeId root, size_t end);

private:
  using Text = Pickle::Text;
  struct GlobalKey {
    uint64_t hash; // goes first: comparing long names that begin alike would take long
    std::string_view module;
    std::string_view name;
    bool operator<(const GlobalKey &other) const {
      return std::tie(hash, module, name) < std::tie(other.hash, other.module, other.name);
    }
  };

  static constexpr uint64_t pair(uint32_t low, uint32_t high) {
    return low | (uint64_t{high} << 32U);
  }

  NodeId add(NodeKind kind, uint32_t extra, uint64_t payload);
  NodeId add_global(Text module, Text name);
  Pickle::Additions *additions(NodeId node);
  [[nodiscard]] Text slice_of(std::string_view slice) const;
  [[nodiscard]] std::string_view view(Text text) const;

  // Of equal keys (pickle_keys.cc).
  void keep_last_of_equal_keys();
  std::vector<uint64_t> list_keys();
  void find_first_of_equal(std::vector<uint64_t> &keys);
  void drop_replaced(std::vector<NodeId> &items, std::vector<uint64_t> &scratch) const;
  [[nodiscard]] uint32_t hash_of_key(NodeId key) const;
  [[nodiscard]] bool key_goes_before(NodeId a, NodeId b) const;
  [[nodiscard]] bool is_compared_by_content(NodeId key) const;

  std::span<const uint8_t> source_;
  PickleMemory memory_;
  Pickle pickle_;
  size_t block_left_ = 0; // elements at the end of block_
  uint32_t block_ = 0;
  std::map<GlobalKey, NodeId> global_nodes_;
};

} // namespace monoquant::torch
