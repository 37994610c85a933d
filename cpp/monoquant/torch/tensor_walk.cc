#include "monoquant/torch/tensor_walk.h"

#include <algorithm>
#include <map>

#include "monoquant/base/text.h"
#include "monoquant/torch/key_text.h"
#include "monoquant/torch/object_graph.h"
#include "monoquant/torch/tensor_marks.h"
#include "monoquant/torch/well_known_keys.h"

namespace monoquant::torch {
namespace {

constexpr size_t kMaxSteps = 4'000'000;        // dead ends of cyclic graphs included
constexpr size_t kMaxWellKnown = 256;          // a list of pairs may repeat its keys
constexpr size_t kMaxPathBytes = 64ULL << 20U; // of all names together

Error too_much(std::string_view what, size_t limit) {
  return {ErrorCode::kLimitExceeded,
          concat("The checkpoint has more than ", limit, " ", what, "."),
          "Save only the state dict of the model.",
          {},
          {}};
}

/// An object on the way from the root to a tensor.
struct Step {
  NodeId node = 0;
  const std::vector<Edge> *edges = nullptr;
  size_t next = 0;        // of the edges
  size_t path_bytes = 0;  // of the path up to here
  size_t part_count = 0;  // of that path
  bool is_named = true;   // by the path up to here
  bool has_names = false; // the root, and what stands for it: its keys may be well-known ones
  std::optional<uint32_t> optimizer_end;
  bool is_wanted = false;           // the subtree that `key` names
  std::optional<size_t> well_known; // the innermost one around it
  bool opened = false;              // it is that one itself
};

class Walker {
public:
  Walker(const Pickle &pickle, const Rebuilder &rebuilder, const std::vector<bool> &marks,
         const std::optional<std::string> &key)
      : pickle_(pickle), rebuilder_(rebuilder), marks_(marks), key_(key),
        is_open_(pickle.node_count()) {}

  Result<TensorWalk> walk() {
    if (marks_[pickle_.root()]) {
      enter(pickle_.root(), nullptr);
    }
    while (!steps_.empty()) {
      Step &step = steps_.back();
      if (step.next == step.edges->size()) {
        leave();
        continue;
      }
      const Edge &edge = (*step.edges)[step.next++];
      if (!is_open_[edge.child]) {
        enter(edge.child, &edge);
      }
      if (auto limits = check_limits(); !limits) {
        return limits.error();
      }
    }
    return std::move(found_);
  }

private:
  /// The edges that lead to tensors.
  const std::vector<Edge> *edges_of(NodeId node) {
    const auto [entry, is_new] = edges_.try_emplace(node);
    if (is_new) {
      std::vector<Edge> &edges = entry->second;
      list_edges(pickle_, node, edges);
      std::erase_if(edges, [&](const Edge &edge) { return !marks_[edge.child]; });
      edges.shrink_to_fit();
    }
    return &entry->second;
  }

  void append_part(const Edge *edge) {
    if (edge == nullptr || edge->name == Edge::Name::kNone) {
      return;
    }
    if (!part_ends_.empty()) {
      path_ += '.';
    }
    path_ +=
        edge->name == Edge::Name::kKey ? key_text(pickle_, edge->key) : std::to_string(edge->index);
    part_ends_.push_back(static_cast<uint32_t>(path_.size()));
  }

  /// A dict of an optimizer, or a place that only one can have.
  bool begins_optimizer(NodeId node, const Edge *edge) const {
    if (part_ends_.size() == 1 && edge != nullptr && edge->name == Edge::Name::kKey &&
        is_optimizer_key(path_)) {
      return true;
    }
    return pickle_.kind(node) == NodeKind::kDict && has_key(node, "state") &&
           has_key(node, "param_groups");
  }

  [[nodiscard]] bool has_key(NodeId dict, std::string_view key) const {
    const auto entries = pickle_.children(dict);
    constexpr size_t kFirst = 16; // an optimizer's dict has two keys, or a few more
    for (size_t i = 0; i < std::min(entries.size(), 2 * kFirst); i += 2) {
      if (pickle_.kind(entries[i]) == NodeKind::kText && pickle_.text(entries[i]) == key) {
        return true;
      }
    }
    return false;
  }

  void enter(NodeId node, const Edge *edge) {
    ++step_count_;
    const Step *parent = steps_.empty() ? nullptr : &steps_.back();
    append_part(edge);
    Step step;
    step.node = node;
    step.path_bytes = path_.size();
    step.part_count = part_ends_.size();
    step.is_named =
        (parent == nullptr || parent->is_named) &&
        (edge == nullptr || edge->name != Edge::Name::kKey || key_has_text(pickle_, edge->key));
    step.optimizer_end = parent == nullptr ? std::nullopt : parent->optimizer_end;
    if (!step.optimizer_end && begins_optimizer(node, edge)) {
      step.optimizer_end = static_cast<uint32_t>(path_.size());
    }
    step.is_wanted = key_ && !found_.wanted && !part_ends_.empty() && path_ == *key_;
    if (step.is_wanted) {
      found_.wanted = Subtree{path_, found_.tensors.size(), found_.tensors.size() + 1, 0, {}};
    }
    if (rebuilder_.is_tensor(node)) {
      add_tensor(parent, step);
      shorten(parent);
      return;
    }
    note_well_known(step, parent, edge);
    step.edges = edges_of(node);
    is_open_[node] = true;
    steps_.push_back(step);
  }

  /// Notes that `step` may be a state dict: by its key, in the root or in another one that may be.
  void note_well_known(Step &step, const Step *parent, const Edge *edge) {
    const bool is_dict =
        pickle_.kind(step.node) == NodeKind::kDict ||
        (pickle_.kind(step.node) == NodeKind::kObject && module_type(pickle_, step.node).empty());
    if (parent == nullptr || edge->name == Edge::Name::kNone) {
      step.has_names = is_dict && (parent == nullptr || parent->has_names);
      step.well_known = parent == nullptr ? std::nullopt : parent->well_known;
      return;
    }
    const auto rank = parent->has_names && edge->name == Edge::Name::kKey
                          ? well_known_rank(key_text(pickle_, edge->key))
                          : std::nullopt;
    if (!rank || step.optimizer_end || found_.well_known.size() == kMaxWellKnown) {
      return;
    }
    const size_t begin = found_.tensors.size();
    found_.well_known.push_back({path_, begin, begin, *rank, parent->well_known});
    step.well_known = found_.well_known.size() - 1;
    step.has_names = is_dict && part_ends_.size() == 1; // one more level may follow
    step.opened = true;
  }

  void add_tensor(const Step *parent, const Step &step) {
    FoundTensor tensor;
    tensor.path = path_;
    tensor.parts = static_cast<uint8_t>(std::min(part_ends_.size(), tensor.part_ends.size()));
    std::copy_n(part_ends_.begin(), tensor.parts, tensor.part_ends.begin());
    tensor.node = step.node;
    tensor.is_named = step.is_named;
    if (parent != nullptr) {
      tensor.holder = parent->node;
    }
    tensor.optimizer_end = step.optimizer_end;
    path_bytes_ += path_.size();
    found_.tensors.push_back(std::move(tensor));
  }

  void leave() {
    const Step step = steps_.back();
    steps_.pop_back();
    is_open_[step.node] = false;
    if (step.opened) {
      found_.well_known[*step.well_known].end = found_.tensors.size();
    }
    if (step.is_wanted) {
      found_.wanted->end = found_.tensors.size();
    }
    shorten(steps_.empty() ? nullptr : &steps_.back());
  }

  void shorten(const Step *parent) {
    path_.resize(parent == nullptr ? 0 : parent->path_bytes);
    part_ends_.resize(parent == nullptr ? 0 : parent->part_count);
  }

  [[nodiscard]] Result<void> check_limits() const {
    if (steps_.size() > kMaxDepth) {
      return too_much("levels of objects around a tensor", kMaxDepth);
    }
    if (found_.tensors.size() > kMaxPaths) {
      return too_much("names of tensors", kMaxPaths);
    }
    if (step_count_ > kMaxSteps) {
      return too_much("ways to reach its tensors", kMaxSteps);
    }
    if (path_bytes_ > kMaxPathBytes) {
      return too_much("bytes of tensor names", kMaxPathBytes);
    }
    return {};
  }

  const Pickle &pickle_;
  const Rebuilder &rebuilder_;
  const std::vector<bool> &marks_;
  const std::optional<std::string> &key_;
  std::vector<bool>
      is_open_; // by node: on the way from the root to here, as cycles would come back to it
  std::map<NodeId, std::vector<Edge>> edges_;
  std::vector<Step> steps_;
  std::string path_;
  std::vector<uint32_t> part_ends_;
  size_t step_count_ = 0;
  size_t path_bytes_ = 0;
  TensorWalk found_;
};

} // namespace

Result<TensorWalk> find_tensors(const Pickle &pickle, const Rebuilder &rebuilder,
                                const std::optional<std::string> &key) {
  auto marks = mark_tensors(pickle, rebuilder);
  if (!marks) {
    return marks.error();
  }
  return Walker(pickle, rebuilder, marks.value(), key).walk();
}

} // namespace monoquant::torch
