// Picks a tensor's elements out of its storage, in the tensor's own order.
// It exists because a view is only numbers: which element lies where follows from shape and strides.
// It takes the storage in runs, in any order, and touches only what lies in each.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace monoquant::run {

class Gather {
public:
  Gather() = default;
  /// Elements [begin, end) of a tensor, counted in its own order. begin < end.
  Gather(std::span<const uint64_t> shape, std::span<const uint64_t> strides, uint64_t first,
         uint32_t element_bytes, uint64_t begin, uint64_t end);

  /// The run of the storage, in bytes, that all these elements lie in.
  [[nodiscard]] uint64_t source_begin() const { return source_begin_; }
  [[nodiscard]] uint64_t source_end() const { return source_end_; }

  /// Copies the elements that lie wholly in `source`, which begins at byte `source_offset` of the storage: a
  /// multiple of the element's width. `target` holds all the elements of this gather.
  void take(std::span<const uint8_t> source, uint64_t source_offset,
            std::span<uint8_t> target) const;

private:
  struct Run;
  void take_dimension(const Run &run, size_t dimension, uint64_t base, uint64_t begin, uint64_t end,
                      uint8_t *target) const;

  std::vector<uint64_t> shape_; // without dimensions of one element
  std::vector<uint64_t> strides_;
  std::vector<uint64_t> inner_; // elements below each dimension
  std::vector<uint64_t> reach_; // how far the elements below each dimension lie apart
  uint64_t first_ = 0;
  uint32_t element_bytes_ = 1;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  uint64_t source_begin_ = 0;
  uint64_t source_end_ = 0;
};

} // namespace monoquant::run
