// The stack machine that a pickle is a program for.
// It exists to run all opcodes of protocols 0 to 5 with nodes in place of Python's objects.
// Each opcode takes time linear in the bytes and stack entries that it uses up; nothing recurses.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "monoquant/torch/pickle.h"
#include "monoquant/torch/pickle_builder.h"
#include "monoquant/torch/pickle_memo.h"
#include "monoquant/torch/pickle_source.h"

namespace monoquant::torch {

class PickleMachine {
public:
  /// `memory`: what the pickle and reading it may take, in bytes.
  PickleMachine(std::span<const uint8_t> bytes, bool is_whole, uint64_t origin,
                uint64_t memory = kMaxPickleMemory)
      : source_(bytes, is_whole, origin), builder_(bytes, memory), memo_(builder_.memory()),
        memory_(memory) {}

  Result<std::optional<PickleRead>> run();
  /// After `run` has failed: what was named until then.
  Pickle names() {
    Pickle pickle = builder_.finish(PickleBuilder::kNone, source_.position());
    return builder_.memory().exhausted() ? Pickle() : std::move(pickle);
  }

private:
  // Each runs the opcodes of its kind and passes the others on to the next. False: the source has failed.
  bool run_value(uint8_t opcode);     // numbers, texts
  bool run_stack(uint8_t opcode);     // marks, memo, protocol
  bool run_container(uint8_t opcode); // tuples, lists, sets, dicts
  bool run_object(uint8_t opcode);    // globals, calls, persistent ids
  bool refuse(uint8_t opcode);        // all others

  void push(NodeId node) { builder_.memory().push(stack_, node); }
  bool push_if(std::optional<NodeId> node);
  /// The same for what may be a class or function.
  bool push_use(std::optional<NodeId> node);
  /// Removes the topmost one, which must lie above the last mark.
  std::optional<NodeId> pop();
  /// The topmost one.
  std::optional<NodeId> top();
  /// What lies above the last mark; valid until something is pushed.
  std::optional<std::span<const NodeId>> above_mark();
  /// What lies directly below the last mark, which must be there.
  std::optional<NodeId> below_mark();
  /// Removes the last mark and what lies above it.
  void drop_to_mark();
  [[nodiscard]] size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  bool push_unicode_line();
  bool push_quoted_line();
  bool push_number_line(uint8_t opcode);
  bool push_float_line();
  bool push_integer(std::optional<int64_t> value);
  bool push_long(std::optional<std::string_view> bytes);
  bool push_slice(NodeKind kind, std::optional<std::string_view> bytes);
  bool push_tuple(size_t count);
  bool push_marked(NodeKind kind);
  std::optional<std::string_view> sized_with_sign();

  bool enter_frame();
  bool pop_or_unmark();
  bool put(std::optional<uint64_t> number);
  bool get(std::optional<uint64_t> number);
  std::optional<uint64_t> number_of_line();

  bool append_one();
  bool append_marked(NodeKind to);
  bool set_one();
  bool set_marked();

  std::optional<NodeId> global_of_lines();
  bool push_stack_global();
  bool push_instance_lines();
  bool push_instance_marked();
  bool call();
  bool make();
  /// Before an object gets elements or a state: Python looks up `append`, `extend`, `add` and `__setstate__` on it.
  void note_change(NodeId object);
  bool call_with_keywords();
  bool build();
  bool refer(std::optional<NodeId> id);
  bool check_global(size_t module_bytes, size_t name_bytes);
  bool expect(NodeId node, NodeKind kind);
  bool expect_callable(NodeId node);
  bool expect_object_or(NodeId node, NodeKind kind);

  PickleSource source_;
  PickleBuilder builder_;
  PickleMemo memo_;
  std::vector<NodeId> stack_;
  std::vector<uint32_t> marks_; // heights of the stack
  uint64_t frame_end_ = 0;      // of the frame that reaches furthest
  uint64_t memory_;
};

} // namespace monoquant::torch
