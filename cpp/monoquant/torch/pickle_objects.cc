// The opcodes that fill containers and make objects.
#include <array>

#include "monoquant/base/text.h"
#include "monoquant/torch/pickle_machine.h"

namespace monoquant::torch {

bool PickleMachine::expect(NodeId node, NodeKind kind) {
  const NodeKind found = builder_.kind(node);
  return found == kind || source_.malformed(concat("expected ", node_kind_name(kind), ", found ",
                                                   node_kind_name(found)));
}

bool PickleMachine::expect_object_or(NodeId node, NodeKind kind) {
  return builder_.kind(node) == NodeKind::kObject || expect(node, kind);
}

bool PickleMachine::expect_callable(NodeId node) {
  const NodeKind found = builder_.kind(node);
  return found == NodeKind::kGlobal || found == NodeKind::kObject ||
         found == NodeKind::kPersistent ||
         source_.malformed(concat("expected a class or function, found ", node_kind_name(found)));
}

bool PickleMachine::push_tuple(size_t count) {
  if (stack_.size() - floor() < count) {
    return source_.malformed(
        concat("expected ", count, " values on the stack, found ", stack_.size() - floor()));
  }
  const NodeId tuple = builder_.tuple(std::span<const NodeId>(stack_).last(count));
  stack_.resize(stack_.size() - count);
  push(tuple);
  return true;
}

bool PickleMachine::push_marked(NodeKind kind) {
  const auto elements = above_mark();
  if (!elements) {
    return false;
  }
  if (kind == NodeKind::kDict && elements->size() % 2 != 0) {
    return source_.malformed(
        concat("expected pairs of key and value, found ", elements->size(), " values"));
  }
  const bool tuple = kind == NodeKind::kTuple;
  const NodeId node = tuple ? builder_.tuple(*elements) : builder_.container(kind);
  if (builder_.memory().exhausted()) {
    return false;
  }
  if (kind == NodeKind::kDict) {
    builder_.set_items(node, *elements);
  } else if (!tuple) {
    builder_.append(node, *elements);
  }
  drop_to_mark();
  push(node);
  return true;
}

bool PickleMachine::append_one() {
  const auto element = pop();
  const auto list = element ? top() : std::nullopt;
  if (!list || !expect_object_or(*list, NodeKind::kList)) {
    return false;
  }
  note_change(*list);
  builder_.append(*list, {&*element, 1});
  return true;
}

bool PickleMachine::append_marked(NodeKind to) {
  const auto elements = above_mark();
  if (!elements) {
    return false;
  }
  const auto below = below_mark();
  if (!below || !expect_object_or(*below, to)) {
    return false;
  }
  note_change(*below);
  builder_.append(*below, *elements);
  drop_to_mark();
  return true;
}

bool PickleMachine::set_one() {
  const auto value = pop();
  const auto key = value ? pop() : std::nullopt;
  const auto dict = key ? top() : std::nullopt;
  if (!dict || !expect_object_or(*dict, NodeKind::kDict)) {
    return false;
  }
  builder_.set_items(*dict, std::array{*key, *value});
  return true;
}

bool PickleMachine::set_marked() {
  const auto items = above_mark();
  if (!items) {
    return false;
  }
  const auto below = below_mark();
  if (!below || !expect_object_or(*below, NodeKind::kDict)) {
    return false;
  }
  if (items->size() % 2 != 0) {
    return source_.malformed(
        concat("expected pairs of key and value, found ", items->size(), " values"));
  }
  builder_.set_items(*below, *items);
  drop_to_mark();
  return true;
}

bool PickleMachine::check_global(size_t module_bytes, size_t name_bytes) {
  if (module_bytes > kMaxGlobalBytes || name_bytes > kMaxGlobalBytes) {
    return source_.exceeded(concat("expected names of at most ", kMaxGlobalBytes,
                                   " bytes, found one of ", std::max(module_bytes, name_bytes)));
  }
  return true;
}

std::optional<NodeId> PickleMachine::global_of_lines() {
  const auto module = source_.line();
  const auto name = module ? source_.line() : std::nullopt;
  if (!name || !check_global(module->size(), name->size())) {
    return std::nullopt;
  }
  return builder_.global(*module, *name);
}

bool PickleMachine::push_stack_global() {
  const auto name = pop();
  const auto module = name ? pop() : std::nullopt;
  if (!module || !expect(*module, NodeKind::kText) || !expect(*name, NodeKind::kText) ||
      !check_global(builder_.text_bytes(*module), builder_.text_bytes(*name))) {
    return false;
  }
  return push_use(builder_.global(*module, *name));
}

bool PickleMachine::push_instance_lines() {
  const auto type = global_of_lines();
  const auto arguments = type ? above_mark() : std::nullopt;
  if (!arguments) {
    return false;
  }
  const NodeId tuple = builder_.tuple(*arguments);
  drop_to_mark();
  push(builder_.object(*type, tuple));
  return true;
}

bool PickleMachine::push_instance_marked() {
  const auto marked = above_mark();
  if (!marked) {
    return false;
  }
  if (marked->empty()) {
    return source_.malformed("expected a class above the mark, found nothing");
  }
  const NodeId type = marked->front();
  if (!expect_callable(type)) {
    return false;
  }
  if (builder_.kind(type) == NodeKind::kObject) {
    builder_.note_call_of_object();
  }
  const NodeId tuple = builder_.tuple(marked->subspan(1));
  drop_to_mark();
  push(builder_.object(type, tuple));
  return true;
}

bool PickleMachine::call() {
  const auto arguments = pop();
  const auto callable = arguments ? pop() : std::nullopt;
  if (!callable || !expect_callable(*callable) || !expect(*arguments, NodeKind::kTuple)) {
    return false;
  }
  if (builder_.kind(*callable) == NodeKind::kObject) {
    builder_.note_call_of_object();
  }
  return push_if(builder_.object(*callable, *arguments));
}

bool PickleMachine::make() {
  const auto callable =
      stack_.size() >= floor() + 2 ? std::optional(stack_[stack_.size() - 2]) : std::nullopt;
  if (!call()) {
    return false;
  }
  builder_.note_made(*callable);
  return true;
}

void PickleMachine::note_change(NodeId object) {
  if (builder_.has_chosen_attributes(object)) {
    builder_.note_call_of_object();
  }
}

bool PickleMachine::call_with_keywords() {
  const auto keywords = pop();
  if (!keywords || !expect(*keywords, NodeKind::kDict) || !call()) {
    return false;
  }
  if (!builder_.memory().exhausted()) {
    builder_.set_keywords(stack_.back(), *keywords);
  }
  return true;
}

bool PickleMachine::build() {
  const auto state = pop();
  const auto of = state ? top() : std::nullopt;
  if (!of) {
    return false;
  }
  switch (builder_.kind(*of)) {
  case NodeKind::kList:
  case NodeKind::kSet:
  case NodeKind::kDict:
  case NodeKind::kObject:
  case NodeKind::kPersistent:
    note_change(*of);
    builder_.set_state(*of, *state);
    return true;
  default:
    return source_.malformed(concat("expected an object to give a state to, found ",
                                    node_kind_name(builder_.kind(*of))));
  }
}

bool PickleMachine::refer(std::optional<NodeId> id) {
  return id && push_if(builder_.persistent(*id));
}

} // namespace monoquant::torch
