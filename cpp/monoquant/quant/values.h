// A run of values as sources store them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/quant/error_sums.h"

namespace monoquant::quant {

/// Values as kernels take them.
struct Values {
  Dtype dtype = Dtype::kF32; // or F16 or BF16
  std::span<const uint8_t> bytes;

  Values(Dtype stored_as, std::span<const uint8_t> stored) : dtype(stored_as), bytes(stored) {}
  // NOLINTNEXTLINE(google-explicit-constructor): floats are values
  Values(const std::vector<float> &values) : Values(std::span<const float>(values)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Values(std::span<const float> values)
      : bytes(reinterpret_cast<const uint8_t *>(values.data()), values.size_bytes()) {}

  [[nodiscard]] size_t count() const { return bytes.size() * 8 / dtype_bits(dtype); }
  [[nodiscard]] Values part(size_t begin, size_t size) const {
    const size_t width = dtype_bits(dtype) / 8;
    return {dtype, bytes.subspan(begin * width, size * width)};
  }
};

/// Whether there are kernels for values of this type, so that they need not be decoded.
constexpr bool has_kernels(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16;
}

/// Values of any dtype that can be quantized as f32: `from` itself where it holds F32, else decoded into `scratch`.
std::span<const float> decode_values(Dtype dtype, std::span<const uint8_t> from,
                                     std::span<float> scratch);

/// Bits of the largest magnitude; kInfinityBits and above: not all are finite.
uint32_t magnitude_of(const Values &values);

/// What is lost of values where `stored` is kept, summed in f64: for where squares are not well within f32.
ErrorSums exact_errors(const Values &values, const Values &stored);
/// The same where nothing is kept: the signal itself is lost.
ErrorSums lost_signal(const Values &values);

} // namespace monoquant::quant
