#include "monoquant/torch/pickle_machine.h"

#include <bit>

#include "monoquant/base/text.h"
#include "monoquant/torch/pickle_opcodes.h"

namespace monoquant::torch {
namespace {

constexpr uint8_t kHighestProtocol = 5;

/// Of how many elements; the opcodes are neighbours.
size_t tuple_size(uint8_t opcode) { return static_cast<size_t>(opcode - op::kTuple1) + 1; }

} // namespace

Result<std::optional<PickleRead>> read_pickle(std::span<const uint8_t> bytes, bool is_whole,
                                              uint64_t origin) {
  return PickleMachine(bytes, is_whole, origin).run();
}

PickleNames read_pickle_names(std::span<const uint8_t> bytes) {
  PickleMachine machine(bytes, true, 0);
  auto read = machine.run();
  if (read && read.value()) {
    return {std::move(read.value()->pickle), read.value()->end};
  }
  return {machine.names(), 0};
}

Result<std::optional<PickleRead>> PickleMachine::run() {
  const PickleMemory &memory = builder_.memory();
  const auto outcome = [&]() -> Result<std::optional<PickleRead>> {
    if (memory.exhausted()) {
      source_.exceeded(concat("it takes more than ", memory_, " bytes of memory"));
    }
    if (source_.error()) {
      return *source_.error();
    }
    return std::optional<PickleRead>();
  };
  while (true) {
    source_.begin_opcode();
    const size_t begin = source_.position();
    const uint64_t frame_end = frame_end_;
    const auto opcode = source_.number<uint8_t>();
    if (!opcode) {
      return outcome();
    }
    if (*opcode == op::kStop) {
      break;
    }
    if (!run_value(*opcode) || !source_.is_good() || memory.exhausted()) {
      return outcome();
    }
    // Python's C code would drop what it has of the frame and read on behind it: other names than those here.
    if (begin < frame_end && source_.position() > frame_end) {
      source_.malformed("expected an opcode to end with its frame, found one that goes on");
      return outcome();
    }
  }
  const auto root = pop();
  if (root && frame_end_ > source_.position()) {
    source_.malformed(concat("expected ", frame_end_ - source_.position(),
                             " more bytes of a frame, found the end"));
  }
  if (!root || !source_.is_good()) {
    return outcome();
  }
  memo_.clear();
  builder_.memory().free(stack_);
  builder_.memory().free(marks_);
  PickleRead read{builder_.finish(*root, source_.position()), source_.position()};
  if (memory.exhausted()) {
    return outcome();
  }
  return std::optional(std::move(read));
}

bool PickleMachine::run_value(uint8_t opcode) {
  switch (opcode) {
  case op::kNone:
    push(PickleBuilder::kNone);
    return true;
  case op::kNewTrue:
  case op::kNewFalse:
    push(opcode == op::kNewTrue ? PickleBuilder::kTrue : PickleBuilder::kFalse);
    return true;
  case op::kInt:
  case op::kLong:
    return push_number_line(opcode);
  case op::kFloat:
    return push_float_line();
  case op::kBinInt:
    return push_integer(source_.number<int32_t>());
  case op::kBinInt1:
    return push_integer(source_.number<uint8_t>());
  case op::kBinInt2:
    return push_integer(source_.number<uint16_t>());
  case op::kLong1:
    return push_long(source_.sized<uint8_t>());
  case op::kLong4:
    return push_long(sized_with_sign());
  case op::kBinFloat: {
    const auto bits = source_.number<uint64_t>();
    return bits && push_if(builder_.real(std::bit_cast<double>(__builtin_bswap64(*bits))));
  }
  case op::kString:
    return push_quoted_line();
  case op::kUnicode:
    return push_unicode_line();
  case op::kBinString:
    return push_slice(NodeKind::kText, sized_with_sign());
  case op::kBinUnicode:
    return push_slice(NodeKind::kText, source_.sized<uint32_t>());
  case op::kShortBinString:
  case op::kShortBinUnicode:
    return push_slice(NodeKind::kText, source_.sized<uint8_t>());
  case op::kBinUnicode8:
    return push_slice(NodeKind::kText, source_.sized<uint64_t>());
  case op::kShortBinBytes:
    return push_slice(NodeKind::kBytes, source_.sized<uint8_t>());
  case op::kBinBytes:
    return push_slice(NodeKind::kBytes, source_.sized<uint32_t>());
  case op::kBinBytes8:
  case op::kByteArray8:
    return push_slice(NodeKind::kBytes, source_.sized<uint64_t>());
  default:
    return run_stack(opcode);
  }
}

bool PickleMachine::run_stack(uint8_t opcode) {
  switch (opcode) {
  case op::kProto: {
    const auto protocol = source_.number<uint8_t>();
    if (protocol && *protocol > kHighestProtocol) {
      return source_.malformed(concat("expected a protocol from 0 to 5, found ", *protocol));
    }
    return protocol.has_value();
  }
  case op::kFrame:
    return enter_frame();
  case op::kMark:
    builder_.memory().push(marks_, static_cast<uint32_t>(stack_.size()));
    return true;
  case op::kPop:
    return pop_or_unmark();
  case op::kPopMark:
    if (!above_mark()) {
      return false;
    }
    drop_to_mark();
    return true;
  case op::kDup:
    return push_use(top());
  case op::kMemoize:
    return put(memo_.size());
  case op::kPut:
    return put(number_of_line());
  case op::kBinPut:
    return put(source_.number<uint8_t>());
  case op::kLongBinPut:
    return put(source_.number<uint32_t>());
  case op::kGet:
    return get(number_of_line());
  case op::kBinGet:
    return get(source_.number<uint8_t>());
  case op::kLongBinGet:
    return get(source_.number<uint32_t>());
  default:
    return run_container(opcode);
  }
}

bool PickleMachine::run_container(uint8_t opcode) {
  switch (opcode) {
  case op::kEmptyTuple:
    push(PickleBuilder::kEmptyTuple);
    return true;
  case op::kTuple1:
  case op::kTuple2:
  case op::kTuple3:
    return push_tuple(tuple_size(opcode));
  case op::kTuple:
    return push_marked(NodeKind::kTuple);
  case op::kEmptyList:
    return push_if(builder_.container(NodeKind::kList));
  case op::kList:
    return push_marked(NodeKind::kList);
  case op::kEmptySet:
    return push_if(builder_.container(NodeKind::kSet));
  case op::kFrozenSet:
    return push_marked(NodeKind::kSet);
  case op::kEmptyDict:
    return push_if(builder_.container(NodeKind::kDict));
  case op::kDict:
    return push_marked(NodeKind::kDict);
  case op::kAppend:
    return append_one();
  case op::kAppends:
    return append_marked(NodeKind::kList);
  case op::kAddItems:
    return append_marked(NodeKind::kSet);
  case op::kSetItem:
    return set_one();
  case op::kSetItems:
    return set_marked();
  default:
    return run_object(opcode);
  }
}

bool PickleMachine::run_object(uint8_t opcode) {
  switch (opcode) {
  case op::kGlobal:
    return push_use(global_of_lines());
  case op::kStackGlobal:
    return push_stack_global();
  case op::kInst:
    return push_instance_lines();
  case op::kObj:
    return push_instance_marked();
  case op::kReduce:
    return call();
  case op::kNewObj:
    return make();
  case op::kNewObjEx:
    return call_with_keywords();
  case op::kBuild:
    return build();
  case op::kPersId: {
    const auto line = source_.line();
    return line && refer(builder_.text(NodeKind::kText, *line));
  }
  case op::kBinPersId:
    return refer(pop());
  default:
    return refuse(opcode);
  }
}

bool PickleMachine::refuse(uint8_t opcode) {
  switch (opcode) {
  case op::kExt1:
  case op::kExt2:
  case op::kExt4:
    return source_.malformed(
        "expected classes by name, found a number of Python's extension registry");
  case op::kNextBuffer:
  case op::kReadonlyBuffer:
    return source_.malformed(
        "expected all data in the pickle, found a reference to a buffer outside");
  default:
    return source_.malformed(concat("expected an opcode, found the byte ", opcode));
  }
}

} // namespace monoquant::torch
