#include "monoquant/run/gather.h"

#include <algorithm>
#include <cstring>

#include "monoquant/base/checked.h"

namespace monoquant::run {
namespace {

/// Copies `count` elements whose sources are `stride` elements apart.
template <size_t kBytes>
void copy_strided(const uint8_t *source, uint64_t stride, uint64_t count, uint8_t *target) {
  for (uint64_t i = 0; i < count; ++i) {
    std::memcpy(target + i * kBytes, source + i * stride * kBytes, kBytes);
  }
}

void copy_elements(const uint8_t *source, uint64_t stride, uint64_t count, uint32_t element_bytes,
                   uint8_t *target) {
  if (stride == 1) {
    std::memcpy(target, source, static_cast<size_t>(count * element_bytes));
    return;
  }
  switch (element_bytes) {
  case 1:
    return copy_strided<1>(source, stride, count, target);
  case 2:
    return copy_strided<2>(source, stride, count, target);
  case 4:
    return copy_strided<4>(source, stride, count, target);
  case 8:
    return copy_strided<8>(source, stride, count, target);
  default:
    return copy_strided<16>(source, stride, count, target);
  }
}

} // namespace

/// A run of the storage, in elements.
struct Gather::Run {
  const uint8_t *bytes;
  uint64_t begin;
  uint64_t end;
};

Gather::Gather(std::span<const uint64_t> shape, std::span<const uint64_t> strides, uint64_t first,
               uint32_t element_bytes, uint64_t begin, uint64_t end)
    : first_(first), element_bytes_(element_bytes), begin_(begin), end_(end) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1) {
      shape_.push_back(shape[i]);
      strides_.push_back(strides[i]);
    }
  }
  if (shape_.empty()) { // one element
    shape_.push_back(1);
    strides_.push_back(1);
  }
  inner_.assign(shape_.size(), 1);
  reach_.assign(shape_.size(), 0);
  for (size_t i = shape_.size() - 1; i-- > 0;) {
    inner_[i] = inner_[i + 1] * shape_[i + 1];
    reach_[i] = reach_[i + 1] + (shape_[i + 1] - 1) * strides_[i + 1];
  }
  // Down to the first dimension in which the first and the last element differ; below it, all lie between.
  uint64_t low = first;
  uint64_t from = begin;
  uint64_t to = end - 1;
  for (size_t i = 0; i < shape_.size(); ++i) {
    const uint64_t low_index = from / inner_[i];
    const uint64_t high_index = to / inner_[i];
    if (low_index != high_index || i + 1 == shape_.size()) {
      source_end_ = low + high_index * strides_[i] + reach_[i] + 1;
      source_begin_ = low + low_index * strides_[i];
      break;
    }
    low += low_index * strides_[i];
    from %= inner_[i];
    to %= inner_[i];
  }
  source_begin_ *= element_bytes;
  source_end_ *= element_bytes;
}

void Gather::take(std::span<const uint8_t> source, uint64_t source_offset,
                  std::span<uint8_t> target) const {
  const uint64_t begin = source_offset / element_bytes_;
  const Run run{source.data(), begin, begin + source.size() / element_bytes_};
  take_dimension(run, 0, first_, begin_, end_, target.data());
}

/// Elements [begin, end) of the block below `base`, which spans this dimension and all below it. Recurs at most
/// once a dimension.
void Gather::take_dimension(const Run &run, size_t dimension, uint64_t base, uint64_t begin,
                            uint64_t end, uint8_t *target) const {
  const uint64_t inner = inner_[dimension];
  const uint64_t stride = strides_[dimension];
  uint64_t index = begin / inner;
  uint64_t last = (end - 1) / inner;
  // Indices whose elements can lie in the run: base + index * stride .. + reach.
  if (stride > 0) {
    const uint64_t lowest = base + reach_[dimension];
    if (run.begin > lowest) {
      index = std::max(index, divide_up(run.begin - lowest, stride));
    }
    if (run.end <= base) {
      return;
    }
    last = std::min(last, (run.end - 1 - base) / stride);
  } else if (base >= run.end || base + reach_[dimension] < run.begin) {
    return;
  }
  if (index > last) {
    return;
  }
  if (dimension + 1 == shape_.size()) {
    const uint64_t source = base + index * stride - run.begin;
    copy_elements(run.bytes + source * element_bytes_, stride, last - index + 1, element_bytes_,
                  target + (index - begin) * element_bytes_);
    return;
  }
  for (; index <= last; ++index) {
    const uint64_t from = std::max(begin, index * inner);
    const uint64_t to = std::min(end, (index + 1) * inner);
    take_dimension(run, dimension + 1, base + index * stride, from - index * inner,
                   to - index * inner, target + (from - begin) * element_bytes_);
  }
}

} // namespace monoquant::run
