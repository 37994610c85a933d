// The memo of a pickle: nodes by number.
// It exists because the numbers are the file's: writers count from 0, but a number may be anything up to 64 bits.
// Takes memory for what was put into it, not for the highest number.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "monoquant/torch/pickle.h"
#include "monoquant/torch/pickle_memory.h"

namespace monoquant::torch {

class PickleMemo {
public:
  explicit PickleMemo(PickleMemory &memory) : memory_(memory) {}

  [[nodiscard]] uint64_t size() const { return size_; } // different numbers

  [[nodiscard]] std::optional<NodeId> get(uint64_t number) const {
    if (number < dense_.size() && dense_[static_cast<size_t>(number)] != kEmpty) {
      return dense_[static_cast<size_t>(number)];
    }
    const auto found = sparse_.find(number);
    return found == sparse_.end() ? std::nullopt : std::optional(found->second);
  }

  void put(uint64_t number, NodeId node) {
    size_ += get(number) ? 0U : 1U;
    if (number < kSlack + 2 * size_) { // at most half of the dense ones stay empty
      const auto index = static_cast<size_t>(number);
      if (index >= dense_.size()) {
        if (!memory_.make_room(dense_, index + 1 - dense_.size())) {
          return;
        }
        dense_.resize(index + 1, kEmpty);
      }
      dense_[index] = node; // goes before a sparse one of the same number
    } else if (memory_.take(kSparseBytes)) {
      sparse_[number] = node;
    }
  }

  void clear() {
    memory_.free(dense_);
    memory_.give_back(uint64_t{sparse_.size()} * kSparseBytes);
    sparse_.clear();
  }

private:
  static constexpr NodeId kEmpty = UINT32_MAX; // never a node: there is no memory for so many
  static constexpr uint64_t kSlack = 256;
  static constexpr uint64_t kSparseBytes = 64; // a node of the tree

  PickleMemory &memory_;
  uint64_t size_ = 0;
  std::vector<NodeId> dense_;
  std::map<uint64_t, NodeId> sparse_; // no hash table: numbers could be chosen to collide
};

} // namespace monoquant::torch
