#include "monoquant/layout/compressed_tensors/plain_codes.h"

#include <cmath>

#include "monoquant/quant/kernels/lanes.h"

namespace monoquant::layout::compressed_tensors {

void nearest_codes(const quant::Values &values, size_t size, size_t count,
                   const quant::Scheme &scheme, const quant::QparamsArrays &qparams,
                   std::span<int8_t> codes, quant::ErrorSums &sums) {
  quant::CallSums call;
  for (size_t n = 0; n < count; ++n) {
    const float scale = qparams.scales[n];
    const quant::Scope scope{1.0F / scale, std::fabs(scale), qparams.zero_points[n]};
    for (size_t begin = 0; begin < size; begin += quant::kSumChunk) {
      quant::LaneSums lanes;
      for (size_t i = begin; i < std::min(size, begin + quant::kSumChunk); ++i) {
        float value = 0;
        const quant::Values one = values.part(n * size + i, 1);
        value = quant::decode_values(one.dtype, one.bytes, {&value, 1})[0];
        const size_t lane = i % quant::kSumLanes;
        const int32_t step =
            quant::encode_step(value, scope, {scheme.lowest(), scheme.highest()}, lane, lanes);
        codes[n * size + i] = static_cast<int8_t>(step + scope.zero_point);
      }
      call.add(lanes, scope.step);
    }
  }
  call.add_to(sums);
}

uint8_t *pack_codes(std::span<const int8_t> codes, uint32_t bits, uint8_t *to) {
  uint32_t waiting = 0;
  uint32_t held = 0;
  for (const int8_t code : codes) {
    waiting |= static_cast<uint32_t>(code + (1 << (bits - 1))) << held;
    held += bits;
    for (; held >= 8; held -= 8, waiting >>= 8U) {
      *to++ = static_cast<uint8_t>(waiting);
    }
  }
  if (held > 0) {
    *to++ = static_cast<uint8_t>(waiting);
  }
  return to;
}

} // namespace monoquant::layout::compressed_tensors
