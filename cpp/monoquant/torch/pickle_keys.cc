// Equal keys of a dict: the last value counts, at the place of the first one, as in Python.
// Done once, when the pickle is complete, and by sorting: comparing each new key with the earlier ones takes too
// long for a large dict, and so do hash tables whose keys somebody chose to collide.
#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checksum.h"
#include "monoquant/torch/pickle_builder.h"

namespace monoquant::torch {
namespace {

constexpr NodeId kDropped = UINT32_MAX;

constexpr uint32_t low(uint64_t of) { return static_cast<uint32_t>(of); }
constexpr uint32_t high(uint64_t of) { return static_cast<uint32_t>(of >> 32U); }

} // namespace

bool PickleBuilder::is_compared_by_content(NodeId key) const {
  return kind(key) == NodeKind::kText || kind(key) == NodeKind::kInt;
}

uint32_t PickleBuilder::hash_of_key(NodeId key) const {
  const Pickle::Node &of = pickle_.nodes_[key];
  if (of.kind == NodeKind::kInt) {
    return Pickle::low(of) ^ Pickle::high(of);
  }
  const auto text = view({Pickle::low(of), Pickle::high(of)});
  Checksum hash;
  hash.add({reinterpret_cast<const uint8_t *>(text.data()), text.size()});
  return low(hash.digest());
}

/// Any order in which equal keys are neighbours and come in the order of the file.
bool PickleBuilder::key_goes_before(NodeId a, NodeId b) const {
  const Pickle::Node &of_a = pickle_.nodes_[a];
  const Pickle::Node &of_b = pickle_.nodes_[b];
  if (of_a.kind != of_b.kind) {
    return of_a.kind < of_b.kind;
  }
  if (of_a.kind == NodeKind::kInt) {
    return of_a.payload != of_b.payload ? of_a.payload < of_b.payload : a < b;
  }
  const int order = view({Pickle::low(of_a), Pickle::high(of_a)})
                        .compare(view({Pickle::low(of_b), Pickle::high(of_b)}));
  return order != 0 ? order < 0 : a < b;
}

/// Nodes that are keys beside others and compared by their content, each once, with their hash above it.
std::vector<uint64_t> PickleBuilder::list_keys() {
  std::vector<uint64_t> keys;
  for (const auto &added : pickle_.additions_) {
    for (size_t i = 0; added.items.size() > 2 && i < added.items.size(); i += 2) {
      const NodeId key = added.items[i];
      uint32_t &first = pickle_.nodes_[key].extra;
      if (is_compared_by_content(key) && first == 0) {
        first = key; // so far itself: not 0, which is None
        memory_.push(keys, pair(key, hash_of_key(key)));
      }
    }
  }
  return keys;
}

/// Lets every key's `extra` be the first node of the same content.
void PickleBuilder::find_first_of_equal(std::vector<uint64_t> &keys) {
  std::sort(keys.begin(), keys.end());
  for (size_t begin = 0, end = 0; begin < keys.size(); begin = end) {
    while (end < keys.size() && high(keys[end]) == high(keys[begin])) {
      ++end;
    }
    if (end - begin == 1) {
      continue;
    }
    const auto at = [&](size_t i) { return keys.begin() + static_cast<std::ptrdiff_t>(i); };
    std::sort(at(begin), at(end),
              [&](uint64_t a, uint64_t b) { return key_goes_before(low(a), low(b)); });
    for (size_t i = begin + 1; i < end; ++i) {
      Pickle::Node &before = pickle_.nodes_[low(keys[i - 1])];
      Pickle::Node &node = pickle_.nodes_[low(keys[i])];
      const Text text{Pickle::low(node), Pickle::high(node)};
      const Text text_before{Pickle::low(before), Pickle::high(before)};
      const bool equal = node.kind == before.kind &&
                         (node.kind == NodeKind::kInt ? node.payload == before.payload
                                                      : view(text) == view(text_before));
      if (equal) {
        node.extra = before.extra;
      }
    }
  }
}

void PickleBuilder::drop_replaced(std::vector<NodeId> &items,
                                  std::vector<uint64_t> &scratch) const {
  scratch.clear();
  for (size_t i = 0; i < items.size(); i += 2) {
    const NodeId key = items[i];
    const NodeId first = is_compared_by_content(key) ? pickle_.nodes_[key].extra : key;
    scratch.push_back(pair(static_cast<uint32_t>(i), first));
  }
  std::sort(scratch.begin(), scratch.end());
  bool dropped = false;
  for (size_t i = 1, first = 0; i < scratch.size(); ++i) {
    if (high(scratch[i]) != high(scratch[first])) {
      first = i;
      continue;
    }
    items[low(scratch[first]) + 1] = items[low(scratch[i]) + 1];
    items[low(scratch[i])] = kDropped;
    dropped = true;
  }
  if (!dropped) {
    return;
  }
  size_t kept = 0;
  for (size_t i = 0; i < items.size(); i += 2) {
    if (items[i] != kDropped) {
      items[kept] = items[i];
      items[kept + 1] = items[i + 1];
      kept += 2;
    }
  }
  items.resize(kept);
}

void PickleBuilder::keep_last_of_equal_keys() {
  std::vector<uint64_t> keys = list_keys();
  find_first_of_equal(keys);
  memory_.free(keys);
  std::vector<uint64_t> scratch;
  for (auto &added : pickle_.additions_) {
    if (added.items.size() <= 2) {
      continue;
    }
    scratch.clear();
    if (!memory_.make_room(scratch, added.items.size() / 2)) {
      return;
    }
    drop_replaced(added.items, scratch);
  }
  memory_.free(scratch);
}

} // namespace monoquant::torch
