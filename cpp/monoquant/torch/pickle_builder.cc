#include "monoquant/torch/pickle_builder.h"

#include <bit>
#include <memory>

#include "monoquant/base/checksum.h"

namespace monoquant::torch {
namespace {

constexpr uint32_t kDecoded = 1U << 31U; // offsets of 31 bits: both buffers are far smaller
static_assert(kMaxPickleBytes < kDecoded && kMaxPickleMemory < kDecoded);

constexpr size_t kBlockElements = 16384; // of tuples
constexpr size_t kLargeTuple = 4096; // gets a block of its own, so that little of a block is lost

// A deque's own for each element: it allocates them in blocks of 512 bytes.
constexpr uint64_t deque_bytes(uint64_t element) { return element + element / 16 + 1; }

// The tree's node around key and value.
constexpr uint64_t kMapNodeBytes = 96;

} // namespace

PickleBuilder::PickleBuilder(std::span<const uint8_t> source, uint64_t memory)
    : source_(source), memory_(memory) {
  add(NodeKind::kNone, 0, 0);
  add(NodeKind::kBool, 0, 0);
  add(NodeKind::kBool, 0, 1);
  add(NodeKind::kTuple, 0, 0);
}

NodeId PickleBuilder::add(NodeKind kind, uint32_t extra, uint64_t payload) {
  if (!memory_.take(deque_bytes(sizeof(Pickle::Node)))) {
    return kNone;
  }
  pickle_.nodes_.push_back({kind, extra, payload});
  return static_cast<NodeId>(pickle_.nodes_.size() - 1);
}

PickleBuilder::Text PickleBuilder::slice_of(std::string_view slice) const {
  const auto *begin = reinterpret_cast<const char *>(source_.data());
  return {static_cast<uint32_t>(slice.data() - begin), static_cast<uint32_t>(slice.size())};
}

std::string_view PickleBuilder::view(Text text) const {
  const uint8_t *from = (text.offset & kDecoded) != 0 ? pickle_.decoded_.data() : source_.data();
  return {reinterpret_cast<const char *>(from) + (text.offset & ~kDecoded), text.length};
}

NodeId PickleBuilder::integer(std::optional<int64_t> value) {
  return value ? add(NodeKind::kInt, 0, static_cast<uint64_t>(*value))
               : add(NodeKind::kBigInt, 0, 0);
}

NodeId PickleBuilder::real(double value) {
  return add(NodeKind::kFloat, 0, std::bit_cast<uint64_t>(value));
}

NodeId PickleBuilder::text(NodeKind kind, std::string_view slice) {
  const Text text = slice_of(slice);
  return add(kind, 0, pair(text.offset, text.length));
}

std::optional<NodeId> PickleBuilder::decoded_text(std::string_view slice, Decode decode) {
  auto &decoded = pickle_.decoded_;
  if (!memory_.make_room(decoded, 2 * slice.size())) {
    return kNone;
  }
  const auto begin = static_cast<uint32_t>(decoded.size());
  if (!decode(slice, decoded)) {
    return std::nullopt;
  }
  return add(NodeKind::kText, 0,
             pair(begin | kDecoded, static_cast<uint32_t>(decoded.size()) - begin));
}

NodeId PickleBuilder::tuple(std::span<const NodeId> elements) {
  if (elements.empty()) {
    return kEmptyTuple;
  }
  auto &blocks = pickle_.blocks_;
  const size_t count = elements.size();
  const bool large = count > kLargeTuple;
  if (large || count > block_left_) {
    const size_t size = large ? count : kBlockElements;
    if (!memory_.take(uint64_t{size} * sizeof(NodeId) + PickleMemory::kAllocationBytes) ||
        !memory_.make_room(blocks, 1)) {
      return kNone;
    }
    blocks.push_back(std::make_unique_for_overwrite<NodeId[]>(size));
    if (!large) {
      block_ = static_cast<uint32_t>(blocks.size() - 1);
      block_left_ = kBlockElements;
    }
  }
  const auto block = large ? static_cast<uint32_t>(blocks.size() - 1) : block_;
  const size_t place = large ? 0 : kBlockElements - block_left_;
  std::copy(elements.begin(), elements.end(), blocks[block].get() + place);
  block_left_ -= large ? 0 : count;
  return add(NodeKind::kTuple, static_cast<uint32_t>(count),
             pair(block, static_cast<uint32_t>(place)));
}

NodeId PickleBuilder::container(NodeKind kind) { return add(kind, 0, 0); }

NodeId PickleBuilder::object(NodeId callable, NodeId arguments) {
  return add(NodeKind::kObject, 0, pair(callable, arguments));
}

NodeId PickleBuilder::persistent(NodeId id) { return add(NodeKind::kPersistent, 0, id); }

NodeId PickleBuilder::global(std::string_view module, std::string_view name) {
  return add_global(slice_of(module), slice_of(name));
}

NodeId PickleBuilder::global(NodeId module, NodeId name) {
  const auto text = [&](NodeId node) {
    const Pickle::Node &of = pickle_.nodes_[node];
    return Text{Pickle::low(of), Pickle::high(of)};
  };
  return add_global(text(module), text(name));
}

NodeId PickleBuilder::add_global(Text module, Text name) {
  Checksum hash;
  GlobalKey key{0, view(module), view(name)};
  for (const std::string_view part : {key.module, key.name}) {
    hash.add({reinterpret_cast<const uint8_t *>(part.data()), part.size()});
  }
  key.hash = hash.digest();
  if (const auto known = global_nodes_.find(key); known != global_nodes_.end()) {
    return known->second;
  }
  const auto index = static_cast<uint32_t>(pickle_.names_.size());
  memory_.push(pickle_.names_, {module, name, 0, 0});
  const NodeId node = add(NodeKind::kGlobal, 0, index);
  memory_.push(pickle_.globals_, node);
  if (memory_.take(kMapNodeBytes)) {
    global_nodes_.emplace(key, node);
  }
  return node;
}

void PickleBuilder::note_use(NodeId node) {
  if (kind(node) == NodeKind::kGlobal) {
    ++pickle_.names_[Pickle::low(pickle_.nodes_[node])].uses;
  }
}

void PickleBuilder::note_made(NodeId callable) {
  if (kind(callable) == NodeKind::kGlobal) {
    ++pickle_.names_[Pickle::low(pickle_.nodes_[callable])].made;
  }
}

bool PickleBuilder::has_chosen_attributes(NodeId object) const {
  if (kind(object) != NodeKind::kObject) {
    return false;
  }
  if (pickle_.state(object)) {
    return true;
  }
  // SimpleNamespace takes attributes as an argument; deque, set and the like take elements.
  const NodeId callable = pickle_.callable(object);
  const bool is_namespace =
      kind(callable) == NodeKind::kGlobal &&
      view(pickle_.names_[Pickle::low(pickle_.nodes_[callable])].module) == "types";
  return is_namespace && pickle_.arguments(object) != kEmptyTuple;
}

Pickle::Additions *PickleBuilder::additions(NodeId node) {
  Pickle::Node &of = pickle_.nodes_[node];
  if (of.extra == 0) {
    if (!memory_.take(deque_bytes(sizeof(Pickle::Additions)))) {
      return nullptr;
    }
    pickle_.additions_.emplace_back();
    of.extra = static_cast<uint32_t>(pickle_.additions_.size());
  }
  return &pickle_.additions_[of.extra - 1];
}

void PickleBuilder::append(NodeId to, std::span<const NodeId> elements) {
  if (elements.empty()) {
    return;
  }
  auto *added = additions(to);
  if (added != nullptr && memory_.make_room(added->children, elements.size())) {
    added->children.insert(added->children.end(), elements.begin(), elements.end());
  }
}

void PickleBuilder::set_items(NodeId of, std::span<const NodeId> keys_and_values) {
  if (keys_and_values.empty()) {
    return;
  }
  auto *added = additions(of);
  if (added != nullptr && memory_.make_room(added->items, keys_and_values.size())) {
    added->items.insert(added->items.end(), keys_and_values.begin(), keys_and_values.end());
  }
}

void PickleBuilder::set_state(NodeId of, NodeId state) {
  if (auto *added = additions(of)) {
    added->state = state;
  }
}

void PickleBuilder::set_keywords(NodeId of, NodeId keywords) {
  if (auto *added = additions(of)) {
    added->keywords = keywords;
  }
}

Pickle PickleBuilder::finish(NodeId root, size_t end) {
  memory_.give_back(uint64_t{global_nodes_.size()} * kMapNodeBytes);
  global_nodes_.clear();
  keep_last_of_equal_keys();
  if (memory_.take(end)) {
    pickle_.bytes_.assign(source_.begin(), source_.begin() + static_cast<std::ptrdiff_t>(end));
    pickle_.root_ = root;
  }
  return std::move(pickle_);
}

} // namespace monoquant::torch
