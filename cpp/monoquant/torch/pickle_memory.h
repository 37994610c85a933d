// What reading one pickle may take of our memory.
// It exists because a few bytes of a pickle can ask for very much: each allocation is counted before it is made.
// Once something did not fit, nothing more is allocated; the reader asks after every opcode.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace monoquant::torch {

class PickleMemory {
public:
  explicit PickleMemory(uint64_t limit) : left_(limit) {}

  /// True from the moment when something did not fit.
  [[nodiscard]] bool exhausted() const { return exhausted_; }

  /// Counts `bytes`; false where they do not fit.
  bool take(uint64_t bytes) {
    if (exhausted_ || bytes > left_) {
      exhausted_ = true;
      return false;
    }
    left_ -= bytes;
    return true;
  }
  void give_back(uint64_t bytes) { left_ += bytes; }

  /// Room for `more` elements behind the last one. The old room counts until the new one is filled.
  template <typename T> bool make_room(std::vector<T> &list, size_t more) {
    const size_t room = list.capacity();
    if (more <= room - list.size()) {
      return !exhausted_;
    }
    const size_t wanted = std::max(list.size() + more, room * 2);
    if (!take(kAllocationBytes + uint64_t{wanted} * sizeof(T))) {
      return false;
    }
    list.reserve(wanted);
    if (room > 0) {
      give_back(kAllocationBytes + uint64_t{room} * sizeof(T));
    }
    return true;
  }

  template <typename T> void push(std::vector<T> &list, T value) {
    if (make_room(list, 1)) {
      list.push_back(std::move(value));
    }
  }

  /// Frees what make_room() allocated.
  template <typename T> void free(std::vector<T> &list) {
    if (list.capacity() > 0) {
      give_back(kAllocationBytes + uint64_t{list.capacity()} * sizeof(T));
    }
    std::vector<T>().swap(list);
  }

  static constexpr uint64_t kAllocationBytes = 32; // an allocator's own, and what it rounds up

private:
  uint64_t left_;
  bool exhausted_ = false;
};

} // namespace monoquant::torch
