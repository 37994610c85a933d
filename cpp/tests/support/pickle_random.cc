#include "support/pickle_writer.h"

namespace monoquant::test {
namespace {

using torch::NodeKind;

std::string random_text(Random &random, bool any_byte) {
  std::string text;
  const size_t length = random.chance(20) ? 200 + random.index(200) : random.index(12);
  while (text.size() < length) {
    text += static_cast<char>(any_byte ? random.below(256) : 'a' + random.below(26));
  }
  return text;
}

PickleValue random_value(Random &random, const PickleValues &before, int protocol) {
  const auto any = [&] { return random.index(before.size()); };
  const auto of_kind = [&](NodeKind kind) {
    size_t found = before.size();
    for (size_t tries = 0; tries < 2 * before.size() && found == before.size(); ++tries) {
      const size_t index = any();
      found = before[index].kind == kind ? index : found;
    }
    return found;
  };
  PickleValue value;
  value.kind = static_cast<NodeKind>(random.below(14));
  switch (value.kind) {
  case NodeKind::kBool:
    value.integer = random.chance(2) ? 1 : 0;
    break;
  case NodeKind::kInt:
    value.integer = static_cast<int64_t>(random.bits()) >> random.below(64);
    break;
  case NodeKind::kFloat:
    value.real = static_cast<double>(random.finite_bits());
    break;
  case NodeKind::kText:
    value.text = random_text(random, true);
    break;
  case NodeKind::kBytes:
    value.text = random_text(random, true);
    value.kind = protocol >= 3 ? NodeKind::kBytes : NodeKind::kText;
    break;
  case NodeKind::kTuple:
  case NodeKind::kSet:
  case NodeKind::kList:
    value.kind = value.kind == NodeKind::kSet && protocol < 4 ? NodeKind::kList : value.kind;
    for (size_t left = random.chance(30) ? 5000 : random.index(25); left > 0; --left) {
      value.children.push_back(value.kind == NodeKind::kList && random.chance(9) ? before.size()
                                                                                 : any());
    }
    if (value.kind == NodeKind::kList && random.chance(4)) {
      value.state = {any()};
    }
    break;
  case NodeKind::kDict:
    for (size_t left = random.index(25); left > 0; --left) {
      value.children.push_back(any());
      value.children.push_back(random.chance(9) ? before.size() : any());
    }
    break;
  case NodeKind::kGlobal:
    value.text = random_text(random, false) + ".x";
    value.name = random_text(random, false);
    break;
  case NodeKind::kObject: {
    const size_t callable = of_kind(random.chance(3) ? NodeKind::kObject : NodeKind::kGlobal);
    const size_t arguments = of_kind(NodeKind::kTuple);
    if (callable == before.size() || arguments == before.size()) {
      return {};
    }
    value.children = {callable, arguments};
    for (size_t left = random.index(3); left > 0; --left) {
      value.items.push_back(any());
      value.items.push_back(before.size());
    }
    if (random.chance(2)) {
      value.state = {random.chance(4) ? before.size() : any()};
    }
    break;
  }
  case NodeKind::kPersistent: {
    const size_t id = protocol == 0 ? of_kind(NodeKind::kText) : any();
    if (id == before.size() || before[id].text.find('\n') != std::string::npos) {
      return {};
    }
    value.children = {id};
    break;
  }
  default:
    value.kind = NodeKind::kNone;
  }
  return value;
}

} // namespace

PickleValues random_values(Random &random, size_t count, int protocol) {
  PickleValues values(1);
  while (values.size() < count) {
    values.push_back(random_value(random, values, protocol));
  }
  PickleValue root; // so that all are reached
  root.kind = NodeKind::kTuple;
  for (size_t i = 0; i < values.size(); ++i) {
    root.children.push_back(i);
  }
  values.push_back(root);
  return values;
}

} // namespace monoquant::test
