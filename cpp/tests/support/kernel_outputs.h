// What kernels are compared by: the bytes that they write, with some around them, and the sums that they add.
// It exists because more than one comparison needs it.
// Sums are compared to the bit, or, with the exact reference, within what rounding in f32 explains.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/dtype.h"
#include "support/kernel_comparison.h"

namespace monoquant::test {

/// Sizes around every vector width and around the chunk after which sums are folded.
std::vector<size_t> sizes();

/// Memory for a kernel's output at some alignment. Bytes before and behind it are watched.
struct Output {
  std::vector<uint8_t> memory;
  size_t begin;

  Output(size_t bytes, size_t shift);
  uint8_t *data() { return memory.data() + begin; }
};

/// "" or the first difference in words.
std::string difference(std::string_view kernel, size_t size, size_t count, const Output &expected,
                       const Output &actual);

/// How far f32 sums may be from exact ones.
struct Slack {
  double signal = 0;
  double noise = 0;
  double peak = 0;

  /// One element of `y` steps whose error is `error` steps.
  void add(double y, double error, double step);
};

bool is_near(double a, double b, double slack);

std::string sums_difference(std::string_view kernel, size_t size, size_t count,
                            const quant::ErrorSums &expected, const quant::ErrorSums &actual,
                            SumsMatch match, const Slack &slack);

/// Values as a source of some type stores them, `shift` bytes from an aligned address.
struct Stored {
  Dtype dtype;
  size_t shift;
  std::vector<uint8_t> bytes;

  /// Halves are the next ones towards zero, and none is infinite.
  Stored(Dtype stored_as, std::span<const float> values, size_t shifted);
  /// Halves, bit by bit.
  Stored(Dtype stored_as, std::span<const uint16_t> halves, size_t shifted);

  [[nodiscard]] const void *data() const { return bytes.data() + shift; }
  [[nodiscard]] size_t count() const;
  [[nodiscard]] std::vector<float> values() const;
};

/// The types that there are kernels for.
inline constexpr Dtype kSourceTypes[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16};

} // namespace monoquant::test
