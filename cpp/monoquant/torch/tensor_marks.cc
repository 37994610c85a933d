#include "monoquant/torch/tensor_marks.h"

#include "monoquant/base/text.h"

namespace monoquant::torch {
namespace {

// Objects may share a dict of attributes, which is then looked through once for each of them.
constexpr size_t kMaxEdges = 8'000'000;

bool is_worth_following(NodeKind kind) {
  return kind == NodeKind::kTuple || kind == NodeKind::kList || kind == NodeKind::kDict ||
         kind == NodeKind::kObject || kind == NodeKind::kPersistent;
}

struct Link {
  NodeId child;
  NodeId parent;
};

/// All links between what can be reached from the root, and the tensors among it.
struct Reachable {
  std::vector<Link> links;
  std::vector<NodeId> tensors;
};

Result<Reachable> explore(const Pickle &pickle, const Rebuilder &rebuilder) {
  Reachable reachable;
  std::vector<bool> seen(pickle.node_count());
  std::vector<NodeId> waiting = {pickle.root()};
  std::vector<Edge> edges;
  size_t edge_count = 0;
  seen[pickle.root()] = true;
  while (!waiting.empty()) {
    const NodeId node = waiting.back();
    waiting.pop_back();
    if (rebuilder.is_tensor(node)) {
      reachable.tensors.push_back(node);
      continue;
    }
    edges.clear();
    list_edges(pickle, node, edges);
    edge_count += edges.size();
    if (edge_count > kMaxEdges) {
      return Error{
          ErrorCode::kLimitExceeded,
          concat("The checkpoint's objects refer to each other more than ", kMaxEdges, " times."),
          "Save only the state dict of the model.",
          {},
          {}};
    }
    for (const Edge &edge : edges) {
      if (!is_worth_following(pickle.kind(edge.child))) {
        continue;
      }
      reachable.links.push_back({edge.child, node});
      if (!seen[edge.child]) {
        seen[edge.child] = true;
        waiting.push_back(edge.child);
      }
    }
  }
  return reachable;
}

} // namespace

Result<std::vector<bool>> mark_tensors(const Pickle &pickle, const Rebuilder &rebuilder) {
  auto explored = explore(pickle, rebuilder);
  if (!explored) {
    return explored.error();
  }
  Reachable &reachable = explored.value();

  // Parents grouped by child: those of node n stand from first[n] up to first[n + 1].
  std::vector<uint32_t> first(pickle.node_count() + 2);
  for (const Link &link : reachable.links) {
    ++first[link.child + 2];
  }
  for (size_t i = 2; i < first.size(); ++i) {
    first[i] += first[i - 1];
  }
  std::vector<NodeId> parents(reachable.links.size());
  for (const Link &link : reachable.links) {
    parents[first[link.child + 1]++] = link.parent;
  }
  reachable.links = {};

  std::vector<bool> marks(pickle.node_count());
  std::vector<NodeId> waiting = std::move(reachable.tensors);
  for (const NodeId tensor : waiting) {
    marks[tensor] = true;
  }
  while (!waiting.empty()) {
    const NodeId node = waiting.back();
    waiting.pop_back();
    for (uint32_t i = first[node]; i < first[node + 1]; ++i) {
      if (!marks[parents[i]]) {
        marks[parents[i]] = true;
        waiting.push_back(parents[i]);
      }
    }
  }
  return marks;
}

} // namespace monoquant::torch
