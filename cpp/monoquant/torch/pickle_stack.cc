// The stack and its marks.
#include "monoquant/torch/pickle_machine.h"

namespace monoquant::torch {

bool PickleMachine::push_if(std::optional<NodeId> node) {
  if (node) {
    push(*node);
  }
  return node.has_value();
}

bool PickleMachine::push_use(std::optional<NodeId> node) {
  if (node && !builder_.memory().exhausted()) {
    builder_.note_use(*node);
  }
  return push_if(node);
}

std::optional<NodeId> PickleMachine::pop() {
  const auto node = top();
  if (node) {
    stack_.pop_back();
  }
  return node;
}

std::optional<NodeId> PickleMachine::top() {
  if (stack_.size() <= floor()) {
    source_.malformed("expected a value on the stack, found none");
    return std::nullopt;
  }
  return stack_.back();
}

std::optional<std::span<const NodeId>> PickleMachine::above_mark() {
  if (marks_.empty()) {
    source_.malformed("expected a mark on the stack, found none");
    return std::nullopt;
  }
  return std::span<const NodeId>(stack_).subspan(marks_.back());
}

void PickleMachine::drop_to_mark() {
  stack_.resize(marks_.back());
  marks_.pop_back();
}

std::optional<NodeId> PickleMachine::below_mark() {
  const size_t height = marks_.back();
  const size_t floor = marks_.size() < 2 ? 0 : marks_[marks_.size() - 2];
  if (height <= floor) {
    source_.malformed("expected a container below the mark, found nothing");
    return std::nullopt;
  }
  return stack_[height - 1];
}

} // namespace monoquant::torch
