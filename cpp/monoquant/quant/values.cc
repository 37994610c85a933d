#include "monoquant/quant/values.h"

#include <algorithm>
#include <cmath>

#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::quant {
namespace {

/// Values and what is stored of them, one by one.
template <typename Visit>
void for_each_pair(const Values &values, const Values &stored, const Visit &visit) {
  constexpr size_t kAtOnce = 256;
  float value[kAtOnce];
  float other[kAtOnce];
  for (size_t begin = 0; begin < values.count(); begin += kAtOnce) {
    const size_t size = std::min(kAtOnce, values.count() - begin);
    const Values part = values.part(begin, size);
    const Values stored_part = stored.part(begin, size);
    const auto exact = decode_values(part.dtype, part.bytes, value);
    const auto kept = decode_values(stored_part.dtype, stored_part.bytes, other);
    for (size_t i = 0; i < size; ++i) {
      visit(exact[i], kept[i]);
    }
  }
}

} // namespace

std::span<const float> decode_values(Dtype dtype, std::span<const uint8_t> from,
                                     std::span<float> scratch) {
  const size_t count = from.size() * 8 / dtype_bits(dtype);
  float *to = scratch.data();
  switch (dtype) {
  case Dtype::kF16:
    kernels().decode_f16(from.data(), count, to);
    break;
  case Dtype::kBF16:
    kernels().decode_bf16(from.data(), count, to);
    break;
  case Dtype::kF64:
    decode_f64(from.data(), count, to);
    break;
  case Dtype::kF8E4M3:
    decode_f8_e4m3(from.data(), count, to);
    break;
  case Dtype::kF8E5M2:
    decode_f8_e5m2(from.data(), count, to);
    break;
  default: // F32; blocks are aligned, and units begin at whole elements
    return {reinterpret_cast<const float *>(from.data()), count};
  }
  return scratch.first(count);
}

uint32_t magnitude_of(const Values &values) {
  uint32_t magnitude = 0;
  kernels().of(values.dtype).magnitudes(values.bytes.data(), values.count(), 1, &magnitude);
  return magnitude;
}

ErrorSums exact_errors(const Values &values, const Values &stored) {
  ErrorSums sums;
  for_each_pair(values, stored, [&](float value, float kept) {
    const auto exact = static_cast<double>(value);
    const double error = exact - static_cast<double>(kept);
    sums.add({exact * exact, error * error, static_cast<float>(std::fabs(error))});
  });
  return sums;
}

ErrorSums lost_signal(const Values &values) {
  ErrorSums sums;
  for_each_pair(values, values, [&](float value, float /*kept*/) {
    const auto exact = static_cast<double>(value);
    sums.add({exact * exact, exact * exact, std::fabs(value)});
  });
  return sums;
}

} // namespace monoquant::quant
