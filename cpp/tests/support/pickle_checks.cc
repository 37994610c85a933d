#include "support/pickle_checks.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "monoquant/base/checksum.h"
#include "monoquant/base/text.h"
#include "monoquant/torch/globals.h"

namespace monoquant::test {
namespace {

using torch::NodeId;
using torch::NodeKind;
using torch::Pickle;

constexpr uint64_t kOrigin = 1000;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void require_kind(const Pickle &pickle, NodeId node, std::initializer_list<NodeKind> kinds) {
  require(node < pickle.node_count());
  require(std::find(kinds.begin(), kinds.end(), pickle.kind(node)) != kinds.end());
}

class Fingerprint {
public:
  void add(uint64_t value) { add_bytes({reinterpret_cast<const char *>(&value), sizeof(value)}); }
  void add_text(std::string_view text) {
    add(text.size());
    add_bytes(text);
  }
  void add_nodes(std::span<const NodeId> nodes, size_t count) {
    add(nodes.size());
    for (const NodeId node : nodes) {
      require(node < count);
      add(node);
    }
  }
  [[nodiscard]] uint64_t digest() const { return sum_.digest(); }

private:
  void add_bytes(std::string_view bytes) {
    sum_.add({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  }
  Checksum sum_;
};

bool same_error(const Error &a, const Error &b) {
  return a.code == b.code && a.message == b.message && a.offset == b.offset;
}

} // namespace

uint64_t pickle_fingerprint(const Pickle &pickle) {
  const size_t count = pickle.node_count();
  require(pickle.root() < count);
  require(pickle.kind(Pickle::kNoneNode) == NodeKind::kNone);
  Fingerprint sum;
  sum.add(pickle.root());
  for (NodeId node = 0; node < count; ++node) {
    const NodeKind kind = pickle.kind(node);
    require(!torch::node_kind_name(kind).empty());
    sum.add(static_cast<uint64_t>(kind));
    sum.add(pickle.boolean(node) ? 1 : 0);
    sum.add(static_cast<uint64_t>(pickle.integer(node)));
    sum.add(std::bit_cast<uint64_t>(pickle.real(node)));
    sum.add_text(pickle.text(node));
    sum.add_nodes(pickle.children(node), count);
    sum.add_nodes(pickle.items(node), count);
    require(kind != NodeKind::kDict || pickle.children(node).size() % 2 == 0);
    require(pickle.items(node).size() % 2 == 0);
    sum.add_text(pickle.global_module(node));
    sum.add_text(pickle.global_name(node));
    for (const NodeId other :
         {pickle.callable(node), pickle.arguments(node), pickle.persistent_id(node),
          pickle.state(node).value_or(0), pickle.keywords(node).value_or(0)}) {
      require(other < count);
      sum.add(other);
    }
    if (kind == NodeKind::kObject) {
      require_kind(pickle, pickle.callable(node),
                   {NodeKind::kGlobal, NodeKind::kObject, NodeKind::kPersistent});
      require_kind(pickle, pickle.arguments(node), {NodeKind::kTuple});
    }
  }
  for (const NodeId node : pickle.globals()) {
    require_kind(pickle, node, {NodeKind::kGlobal});
  }
  sum.add_nodes(pickle.globals(), count);
  torch::GlobalList globals;
  globals.add(pickle);
  require(globals.list().size() == pickle.globals().size());
  return sum.digest();
}

std::string check_pickle(std::span<const uint8_t> bytes) {
  const auto whole = torch::read_pickle(bytes, true, kOrigin);
  uint64_t fingerprint = 0;
  if (whole) {
    if (!whole.value() || whole.value()->end == 0 || whole.value()->end > bytes.size()) {
      return "a whole pickle was neither read nor refused";
    }
    fingerprint = pickle_fingerprint(whole.value()->pickle);
  } else if (whole.error().message.empty() || whole.error().suggestion.empty() ||
             !whole.error().offset || *whole.error().offset < kOrigin ||
             *whole.error().offset > kOrigin + bytes.size()) {
    return "an error without its words or with an offset outside of the file";
  }

  // Every place of a small file, and some of a large one.
  const size_t step = std::max<size_t>(1, bytes.size() / 64);
  for (size_t length = 0; length <= bytes.size(); length += step) {
    const auto part = torch::read_pickle(bytes.first(length), false, kOrigin);
    if (!part) {
      // A claim that is too long for any file is too long for this one, too.
      const bool other = whole || (!same_error(whole.error(), part.error()) &&
                                   !(whole.error().code == ErrorCode::kFileTruncated &&
                                     part.error().code == ErrorCode::kLimitExceeded));
      if (other) {
        return concat("the first ", length, " bytes are refused for another reason");
      }
    } else if (part.value()) {
      if (!whole || !whole.value() || part.value()->end != whole.value()->end ||
          part.value()->end > length || pickle_fingerprint(part.value()->pickle) != fingerprint) {
        return concat("the first ", length, " bytes make another pickle");
      }
    } else if (whole && length >= whole.value()->end) {
      return concat("the first ", length, " bytes are not enough, but hold the pickle");
    }
  }
  return {};
}

} // namespace monoquant::test
