#include "monoquant/torch/pickle.h"

#include <array>
#include <bit>

namespace monoquant::torch {

std::string_view node_kind_name(NodeKind kind) {
  constexpr std::array<std::string_view, 14> kNames = {"None",         "a boolean",
                                                       "an integer",   "a large integer",
                                                       "a number",     "a text",
                                                       "bytes",        "a tuple",
                                                       "a list",       "a set",
                                                       "a dictionary", "a global name",
                                                       "an object",    "a persistent reference"};
  return kNames[static_cast<size_t>(kind)];
}

const Pickle::Additions *Pickle::additions(NodeId node) const {
  const Node &of = nodes_[node];
  switch (of.kind) {
  case NodeKind::kList:
  case NodeKind::kSet:
  case NodeKind::kDict:
  case NodeKind::kObject:
  case NodeKind::kPersistent:
    return of.extra == 0 ? nullptr : &additions_[of.extra - 1];
  default:
    return nullptr;
  }
}

std::string_view Pickle::view(Text text) const {
  constexpr uint32_t kDecoded = 1U << 31U;
  const auto &from = (text.offset & kDecoded) != 0 ? decoded_ : bytes_;
  return {reinterpret_cast<const char *>(from.data()) + (text.offset & ~kDecoded), text.length};
}

bool Pickle::boolean(NodeId node) const {
  return kind(node) == NodeKind::kBool && nodes_[node].payload != 0;
}

int64_t Pickle::integer(NodeId node) const {
  return kind(node) == NodeKind::kInt ? static_cast<int64_t>(nodes_[node].payload) : 0;
}

double Pickle::real(NodeId node) const {
  return kind(node) == NodeKind::kFloat ? std::bit_cast<double>(nodes_[node].payload) : 0.0;
}

std::string_view Pickle::text(NodeId node) const {
  const Node &of = nodes_[node];
  if (of.kind != NodeKind::kText && of.kind != NodeKind::kBytes) {
    return {};
  }
  return view({low(of), high(of)});
}

std::span<const NodeId> Pickle::children(NodeId node) const {
  const Node &of = nodes_[node];
  if (of.kind == NodeKind::kTuple) {
    return of.extra == 0 ? std::span<const NodeId>{}
                         : std::span<const NodeId>(blocks_[low(of)].get() + high(of), of.extra);
  }
  const Additions *added = additions(node);
  if (added == nullptr) {
    return {};
  }
  return of.kind == NodeKind::kDict ? added->items : added->children;
}

std::string_view Pickle::global_module(NodeId node) const {
  const Node &of = nodes_[node];
  return of.kind == NodeKind::kGlobal ? view(names_[low(of)].module) : std::string_view{};
}

std::string_view Pickle::global_name(NodeId node) const {
  const Node &of = nodes_[node];
  return of.kind == NodeKind::kGlobal ? view(names_[low(of)].name) : std::string_view{};
}

bool Pickle::is_only_made(NodeId node) const {
  const Node &of = nodes_[node];
  if (of.kind != NodeKind::kGlobal || calls_objects_) {
    return false;
  }
  const GlobalName &name = names_[low(of)];
  return name.uses == name.made;
}

NodeId Pickle::callable(NodeId node) const {
  return kind(node) == NodeKind::kObject ? low(nodes_[node]) : kNoneNode;
}

NodeId Pickle::arguments(NodeId node) const {
  return kind(node) == NodeKind::kObject ? high(nodes_[node]) : kNoneNode;
}

std::optional<NodeId> Pickle::keywords(NodeId node) const {
  const Additions *added = additions(node);
  return added == nullptr ? std::nullopt : added->keywords;
}

std::optional<NodeId> Pickle::state(NodeId node) const {
  const Additions *added = additions(node);
  return added == nullptr ? std::nullopt : added->state;
}

std::span<const NodeId> Pickle::items(NodeId node) const {
  const Additions *added = additions(node);
  return added == nullptr || kind(node) != NodeKind::kObject ? std::span<const NodeId>{}
                                                             : added->items;
}

NodeId Pickle::persistent_id(NodeId node) const {
  return kind(node) == NodeKind::kPersistent ? low(nodes_[node]) : kNoneNode;
}

} // namespace monoquant::torch
