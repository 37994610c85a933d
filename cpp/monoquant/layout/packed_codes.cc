#include "monoquant/layout/packed_codes.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "monoquant/quant/kernels/lanes.h"

namespace monoquant::layout {
namespace {

using quant::ErrorSums;
using quant::QparamsArrays;
using quant::Values;

/// Below so many steps squares may vanish in f32; all such values become the zero point.
constexpr float kVanishing = 0x1p-40F;
/// Scopes whose factors are held at once.
constexpr size_t kAtOnce = 64;

/// The kernels make and pack codes in one go.
uint8_t *encode_some(const Values &values, size_t size, size_t count, const quant::Scheme &scheme,
                     bool packed, const QparamsArrays &qparams, uint8_t *to, ErrorSums &sums) {
  float factors[kAtOnce];
  float steps[kAtOnce];
  for (size_t i = 0; i < count; ++i) {
    factors[i] = 1.0F / qparams.scales[i];
    steps[i] = std::fabs(qparams.scales[i]);
  }
  for (size_t i = 0; i < count; ++i) {
    if (steps[i] > quant::kSmallestScale) {
      continue; // only beside the smallest scale can values be so much smaller
    }
    const Values scope = values.part(i * size, size);
    const auto magnitude = std::bit_cast<float>(quant::magnitude_of(scope));
    if (magnitude * std::fabs(factors[i]) < kVanishing) {
      steps[i] = 0;
      sums.add(quant::lost_signal(scope));
    }
  }
  const quant::SourceKernels &source = quant::kernels().of(values.dtype);
  const quant::Scopes scopes{factors, steps, qparams.zero_points.data()};
  if (scheme.bits == 4) {
    source.encode_4(values.bytes.data(), size, count, scopes, to, sums);
  } else if (scheme.bits == 8) {
    source.encode_8(values.bytes.data(), size, count, scopes, packed ? 0x80 : 0, to, sums);
  } else {
    return encode_plainly(values, size, count, scheme, scopes, to, sums);
  }
  return to + (count * size * scheme.bits + 7) / 8;
}

} // namespace

uint64_t packed_bytes(uint64_t codes, uint32_t bits) {
  return (codes / 32 * bits + (codes % 32 * bits + 31) / 32) * 4;
}

uint8_t *encode_integers(const Values &values, size_t size, size_t count,
                         const quant::Scheme &scheme, bool packed, const QparamsArrays &qparams,
                         uint8_t *to, ErrorSums &sums) {
  for (size_t begin = 0; begin < count; begin += kAtOnce) {
    const size_t some = std::min(kAtOnce, count - begin);
    to = encode_some(values.part(begin * size, some * size), size, some, scheme, packed,
                     qparams.from(begin), to, sums);
  }
  return to;
}

uint8_t *encode_plainly(const Values &values, size_t size, size_t count,
                        const quant::Scheme &scheme, const quant::Scopes &scopes, uint8_t *to,
                        ErrorSums &sums) {
  float scratch[quant::kSumChunk];
  quant::CallSums call;
  BitPacker packer(to, scheme.bits);
  for (size_t n = 0; n < count; ++n) {
    const quant::Scope scope = scopes[n];
    const quant::CodeRange codes{scheme.lowest(), scheme.highest()};
    for (size_t begin = 0; begin < size; begin += quant::kSumChunk) {
      const Values part = values.part(n * size + begin, std::min(quant::kSumChunk, size - begin));
      quant::LaneSums lanes;
      size_t lane = 0;
      for (const float value : quant::decode_values(part.dtype, part.bytes, scratch)) {
        const int32_t step = quant::encode_step(value, scope, codes, lane, lanes);
        lane = (lane + 1) % quant::kSumLanes;
        packer.add(static_cast<uint32_t>(step + scope.zero_point - codes.lowest));
      }
      call.add(lanes, scope.step);
    }
  }
  call.add_to(sums);
  return packer.end();
}

} // namespace monoquant::layout
