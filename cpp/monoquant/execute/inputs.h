// What a layer is executed on: a few samples of its input, captured or seeded.
// It exists so that every layer can be run, whether anybody captured its activations or not.
// All values are finite; samples, and with them the memory of everything that works on them, are bounded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "monoquant/base/result.h"

namespace monoquant::execute {

/// 64 samples of 65,536 values (16 MiB of f32); wider layers get fewer.
inline constexpr size_t kMostSamples = 64;
inline constexpr size_t kMostInputValues = kMostSamples * 65536;

/// How many samples of a width fit; 0 where not even one does.
constexpr size_t most_samples(uint64_t width) {
  if (width == 0 || width > kMostInputValues) {
    return 0;
  }
  return std::min(kMostSamples, kMostInputValues / static_cast<size_t>(width));
}

/// A matrix [samples, width] of f32, row after row.
class Inputs {
public:
  /// Without samples yet. `width`: values that one sample has, at least 1 and at most kMostInputValues.
  static Result<Inputs> of_width(uint64_t width);

  /// min(samples, most_samples(width)) samples of SeededNumbers::normal(), from the layer's name. Sample i is the
  /// same however many there are.
  static Result<Inputs> seeded(std::string_view layer, uint64_t width, size_t samples);

  /// Makes the values of each column larger or smaller by a factor. `factors`: width() of them.
  void scale(std::span<const float> factors);

  /// Takes whole samples, in order, until it is full; the others are ignored. Samples with NaN or infinity are
  /// left out and counted: what they do to a layer says nothing about its weights.
  Result<void> add(std::span<const float> values);

  [[nodiscard]] size_t width() const { return width_; }
  [[nodiscard]] size_t samples() const { return values_.size() / width_; }
  [[nodiscard]] bool is_full() const { return samples() == most_samples(width_); }
  [[nodiscard]] size_t left_out() const { return left_out_; }
  /// samples() * width() values.
  [[nodiscard]] std::span<const float> values() const { return values_; }
  [[nodiscard]] std::span<const float> sample(size_t i) const {
    return values().subspan(i * width_, width_);
  }

private:
  explicit Inputs(size_t width) : width_(width) {}

  size_t width_;
  size_t left_out_ = 0;
  std::vector<float> values_;
};

/// Which `count` of `total` things to take: one of each of `count` nearly equal stretches, ascending, each at a
/// place within its stretch that follows from the layer's name (equal steps would meet an image always in the same
/// column). All of them where total <= count.
std::vector<uint64_t> spread_positions(std::string_view layer, uint64_t total, size_t count);

} // namespace monoquant::execute
