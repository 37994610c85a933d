// The opcodes that push numbers and texts, and those around the memo.
#include <algorithm>

#include "monoquant/base/text.h"
#include "monoquant/torch/pickle_machine.h"
#include "monoquant/torch/pickle_opcodes.h"
#include "monoquant/torch/pickle_text.h"

namespace monoquant::torch {
namespace {

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (static_cast<uint8_t>(c) & 0x80U) != 0; });
}

} // namespace

bool PickleMachine::push_integer(std::optional<int64_t> value) {
  return value && push_if(builder_.integer(value));
}

bool PickleMachine::push_long(std::optional<std::string_view> bytes) {
  return bytes && push_if(builder_.integer(integer_of(*bytes).value));
}

bool PickleMachine::push_slice(NodeKind kind, std::optional<std::string_view> bytes) {
  return bytes && push_if(builder_.text(kind, *bytes));
}

std::optional<std::string_view> PickleMachine::sized_with_sign() {
  const auto length = source_.number<int32_t>();
  if (!length) {
    return std::nullopt;
  }
  if (*length < 0) {
    source_.malformed(concat("expected a length, found ", *length));
    return std::nullopt;
  }
  return source_.take(static_cast<uint64_t>(*length));
}

bool PickleMachine::push_number_line(uint8_t opcode) {
  auto line = source_.line();
  if (!line) {
    return false;
  }
  if (opcode == op::kInt && (*line == "00" || *line == "01")) { // how protocol 1 writes booleans
    push(*line == "01" ? PickleBuilder::kTrue : PickleBuilder::kFalse);
    return true;
  }
  if (opcode == op::kLong && line->ends_with('L')) {
    line->remove_suffix(1);
  }
  const auto number = parse_decimal(*line);
  if (!number) {
    return source_.malformed("expected an integer in decimal, found something else");
  }
  return push_if(builder_.integer(number->value));
}

bool PickleMachine::push_float_line() {
  const auto line = source_.line();
  const auto number = line ? parse_float(*line) : std::nullopt;
  if (line && !number) {
    return source_.malformed("expected a number in decimal, found something else");
  }
  return number && push_if(builder_.real(*number));
}

bool PickleMachine::push_quoted_line() {
  auto line = source_.line();
  if (!line) {
    return false;
  }
  const size_t end = line->find_last_not_of(" \t\r\v\f");
  line = line->substr(0, end == std::string_view::npos ? 0 : end + 1);
  const bool quoted = line->size() >= 2 && line->front() == line->back() &&
                      (line->front() == '\'' || line->front() == '"');
  if (!quoted) {
    return source_.malformed("expected a text in quotes, found none");
  }
  const auto content = line->substr(1, line->size() - 2);
  if (content.find('\\') == std::string_view::npos) {
    return push_slice(NodeKind::kText, content);
  }
  return push_if(builder_.decoded_text(content, decode_string_escapes)) ||
         source_.malformed("expected escapes of Python in a text, found a broken one");
}

bool PickleMachine::push_unicode_line() {
  const auto line = source_.line();
  if (!line) {
    return false;
  }
  const bool plain = line->find('\\') == std::string_view::npos && is_ascii(*line);
  if (plain) {
    return push_slice(NodeKind::kText, line);
  }
  return push_if(builder_.decoded_text(*line, decode_unicode_escapes)) ||
         source_.malformed("expected escapes of Unicode in a text, found a broken one");
}

std::optional<uint64_t> PickleMachine::number_of_line() {
  const auto line = source_.line();
  const auto number = line ? parse_decimal(*line) : std::nullopt;
  if (!line || (number && number->value && *number->value >= 0)) {
    return line ? std::optional(static_cast<uint64_t>(*number->value)) : std::nullopt;
  }
  source_.malformed("expected a number of the memo, found something else");
  return std::nullopt;
}

bool PickleMachine::put(std::optional<uint64_t> number) {
  const auto node = number ? top() : std::nullopt;
  if (!node) {
    return false;
  }
  memo_.put(*number, *node);
  return true;
}

bool PickleMachine::get(std::optional<uint64_t> number) {
  if (!number) {
    return false;
  }
  const auto node = memo_.get(*number);
  if (!node) {
    return source_.malformed(
        concat("expected something under ", *number, " in the memo, found nothing"));
  }
  return push_use(node);
}

/// A frame is what a writer buffered; the opcodes in it are like all others. Its length is only remembered: asking
/// for that many bytes here would let the outcome depend on what follows the pickle.
bool PickleMachine::enter_frame() {
  const auto length = source_.number<uint64_t>();
  if (length && *length > kMaxPickleBytes) {
    return source_.malformed(
        concat("expected a frame of at most ", kMaxPickleBytes, " bytes, found one of ", *length));
  }
  if (length) {
    frame_end_ = std::max(frame_end_, source_.position() + *length);
  }
  return length.has_value();
}

bool PickleMachine::pop_or_unmark() {
  if (!marks_.empty() && stack_.size() == marks_.back()) {
    marks_.pop_back();
    return true;
  }
  return pop().has_value();
}

} // namespace monoquant::torch
