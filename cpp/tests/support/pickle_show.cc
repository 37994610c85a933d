#include "support/pickle_show.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "support/pickle_checks.h"

namespace monoquant::test {

using torch::NodeId;
using torch::Pickle;
using enum torch::NodeKind;

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

Pickle read_whole(std::string_view text) {
  auto result = torch::read_pickle(bytes_of(text), true, 0);
  EXPECT_EQ(check_pickle(bytes_of(text)), "");
  if (!result) {
    ADD_FAILURE() << result.error().message;
    return std::move(torch::read_pickle(bytes_of("N."), true, 0).value()->pickle);
  }
  return std::move(result.value()->pickle);
}

std::string outcome(std::string_view text, bool is_whole, uint64_t origin) {
  const auto result = torch::read_pickle(bytes_of(text), is_whole, origin);
  if (result) {
    return result.value() ? "read" : "more";
  }
  EXPECT_FALSE(result.error().message.empty());
  return concat(error_code_name(result.error().code), " ", *result.error().offset);
}

/// The whole graph as text; not for graphs that contain themselves.
std::string show(const Pickle &pickle, NodeId node) {
  const auto list = [&](std::span<const NodeId> nodes) {
    std::string text;
    for (const NodeId child : nodes) {
      text += (text.empty() ? "" : " ") + show(pickle, child);
    }
    return text;
  };
  switch (pickle.kind(node)) {
  case kNone:
    return "None";
  case kBool:
    return pickle.boolean(node) ? "True" : "False";
  case kInt:
    return std::to_string(pickle.integer(node));
  case kBigInt:
    return "big";
  case kFloat:
    return "f" + std::to_string(pickle.real(node));
  case kText:
    return "'" + std::string(pickle.text(node)) + "'";
  case kBytes:
    return "b'" + std::string(pickle.text(node)) + "'";
  case kTuple:
    return "(" + list(pickle.children(node)) + ")";
  case kList:
  case kSet:
  case kDict: {
    const std::string state = pickle.state(node) ? "+" + show(pickle, *pickle.state(node)) : "";
    const std::string open = pickle.kind(node) == kList  ? "["
                             : pickle.kind(node) == kSet ? "s{"
                                                         : "{";
    return open + list(pickle.children(node)) + (pickle.kind(node) == kList ? "]" : "}") + state;
  }
  case kGlobal:
    return std::string(pickle.global_module(node)) + ":" + std::string(pickle.global_name(node));
  case kPersistent:
    return "@" + show(pickle, pickle.persistent_id(node));
  case kObject: {
    std::string text = show(pickle, pickle.callable(node)) + show(pickle, pickle.arguments(node));
    text += pickle.keywords(node) ? "**" + show(pickle, *pickle.keywords(node)) : "";
    text += pickle.children(node).empty() ? "" : "[" + list(pickle.children(node)) + "]";
    text += pickle.items(node).empty() ? "" : "{" + list(pickle.items(node)) + "}";
    return text + (pickle.state(node) ? "+" + show(pickle, *pickle.state(node)) : "");
  }
  }
  return "?";
}

std::string show(std::string_view text) {
  const Pickle pickle = read_whole(text);
  return show(pickle, pickle.root());
}

} // namespace monoquant::test
