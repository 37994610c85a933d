#include <bit>
#include <map>
#include <utility>

#include "monoquant/base/text.h"
#include "support/pickle_writer.h"

namespace monoquant::test {
namespace {

using torch::NodeId;
using torch::NodeKind;

/// Keys as a dict compares them: by content where they are texts or integers.
std::vector<size_t> last_of_equal(const PickleValues &values, const std::vector<size_t> &items) {
  const auto equal = [&](size_t a, size_t b) {
    const PickleValue &x = values[a];
    const PickleValue &y = values[b];
    if (x.kind != y.kind) {
      return false;
    }
    switch (x.kind) {
    case NodeKind::kNone:
      return true;
    case NodeKind::kBool:
    case NodeKind::kInt:
      return x.integer == y.integer;
    case NodeKind::kText:
      return x.text == y.text;
    case NodeKind::kTuple: // the empty one is one node
      return a == b || (x.children.empty() && y.children.empty());
    case NodeKind::kGlobal:
      return x.text == y.text && x.name == y.name;
    case NodeKind::kFloat: // written anew each time
      return false;
    default:
      return a == b;
    }
  };
  std::vector<size_t> kept;
  for (size_t i = 0; i < items.size(); i += 2) {
    size_t place = 0;
    while (place < kept.size() && !equal(kept[place], items[i])) {
      place += 2;
    }
    if (place == kept.size()) {
      kept.insert(kept.end(), {items[i], items[i + 1]});
    } else {
      kept[place + 1] = items[i + 1];
    }
  }
  return kept;
}

} // namespace

std::string compare_pickle(const PickleValues &values, const torch::Pickle &pickle) {
  std::map<std::pair<size_t, NodeId>, bool> seen;
  std::map<size_t, NodeId> nodes; // of what the memo holds: one each
  std::vector<std::pair<size_t, NodeId>> open{{values.size() - 1, pickle.root()}};
  const auto walk = [&](const std::vector<size_t> &expected, std::span<const NodeId> found) {
    for (size_t i = 0; i < std::min(expected.size(), found.size()); ++i) {
      open.emplace_back(expected[i], found[i]);
    }
    return expected.size() == found.size();
  };
  while (!open.empty()) {
    const auto [index, node] = open.back();
    open.pop_back();
    if (std::exchange(seen[{index, node}], true)) {
      continue;
    }
    const PickleValue &value = values[index];
    const NodeKind kind = value.kind;
    const bool memorized = kind != NodeKind::kNone && kind != NodeKind::kBool &&
                           kind != NodeKind::kInt && kind != NodeKind::kFloat;
    if (memorized && nodes.emplace(index, node).first->second != node) {
      return concat("value ", index, " is two nodes");
    }
    bool same = pickle.kind(node) == kind;
    const std::vector<NodeId> state =
        pickle.state(node) ? std::vector{*pickle.state(node)} : std::vector<NodeId>{};
    same = same && walk(value.state, state) &&
           walk(last_of_equal(values, value.items), pickle.items(node));
    switch (kind) {
    case NodeKind::kBool:
      same = same && pickle.boolean(node) == (value.integer != 0);
      break;
    case NodeKind::kInt:
      same = same && pickle.integer(node) == value.integer;
      break;
    case NodeKind::kFloat:
      same =
          same && std::bit_cast<uint64_t>(pickle.real(node)) == std::bit_cast<uint64_t>(value.real);
      break;
    case NodeKind::kText:
    case NodeKind::kBytes:
      same = same && pickle.text(node) == value.text;
      break;
    case NodeKind::kGlobal:
      same = same && pickle.global_module(node) == value.text &&
             pickle.global_name(node) == value.name;
      break;
    case NodeKind::kObject:
      same =
          same && walk(value.children, std::vector{pickle.callable(node), pickle.arguments(node)});
      break;
    case NodeKind::kPersistent:
      if (pickle.kind(pickle.persistent_id(node)) != NodeKind::kText) { // PERSID makes a new text
        same = same && walk(value.children, std::vector{pickle.persistent_id(node)});
      } else {
        same = same && pickle.text(pickle.persistent_id(node)) == values[value.children[0]].text;
      }
      break;
    case NodeKind::kDict:
      same = same && walk(last_of_equal(values, value.children), pickle.children(node));
      break;
    default:
      same = same && walk(value.children, pickle.children(node));
    }
    if (!same) {
      return concat("value ", index, " is not node ", node, ": expected ",
                    torch::node_kind_name(kind), ", found ",
                    torch::node_kind_name(pickle.kind(node)));
    }
  }
  return {};
}

} // namespace monoquant::test
