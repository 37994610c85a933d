#include "monoquant/run/unit_encoder.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "monoquant/quant/kernels/kernels.h"
#include "monoquant/quant/search.h"

namespace monoquant::run {
namespace {

using quant::ErrorSums;
using quant::Kernels;
using quant::kernels;
using quant::QparamsArrays;

/// All codes stand for zero, so what is lost is the signal itself. Summed in f64, because the values may be
/// too small for squares in f32.
ErrorSums lost_signal(std::span<const float> values) {
  ErrorSums sums;
  for (const float value : values) {
    const auto exact = static_cast<double>(value);
    sums.signal += exact * exact;
    sums.peak = std::max(sums.peak, std::fabs(value));
  }
  sums.noise = sums.signal;
  return sums;
}

/// A power of two that brings the largest magnitude near 1, so that squares neither vanish nor overflow.
float normalizer(uint32_t magnitude) {
  const uint32_t exponent = std::min(std::max(magnitude >> 23U, 1U), 253U);
  return std::bit_cast<float>((254U - exponent) << 23U);
}

/// Below so many steps squares may vanish in f32; all such values become the zero point.
constexpr float kVanishing = 0x1p-40F;
/// Scopes that are handled in one go: their ranges first, then their codes.
constexpr size_t kBatch = 64;

/// Chooses qparams for `count` scopes; `importance` is empty or theirs. Returns the largest magnitude's bits;
/// where it is not finite, the qparams are not valid.
uint32_t choose_batch(const Kernels &kernels, const float *x, size_t size, size_t count,
                      const quant::Scheme &scheme, std::span<const float> importance,
                      const QparamsArrays &chosen) {
  uint32_t magnitudes[kBatch];
  kernels.magnitudes(x, size, count, magnitudes);
  const uint32_t largest = *std::max_element(magnitudes, magnitudes + count);
  if (largest >= kInfinityBits) {
    return largest;
  }
  if (scheme.method == quant::Method::kMse) {
    for (size_t i = 0; i < count; ++i) {
      const auto weights = importance.empty() ? importance : importance.subspan(i * size, size);
      chosen.set(i, quant::search_qparams({x + i * size, size}, weights, scheme, kernels));
    }
    return largest;
  }
  if (scheme.symmetric) {
    for (size_t i = 0; i < count; ++i) {
      chosen.scales[i] = quant::symmetric_scale(std::bit_cast<float>(magnitudes[i]), scheme);
      chosen.zero_points[i] = 0;
    }
    for (size_t i = 0; scheme.scale_dtype != Dtype::kF32 && i < count; ++i) {
      chosen.scales[i] = quant::round_scale(chosen.scales[i], scheme.scale_dtype);
    }
    return largest;
  }
  quant::Range ranges[kBatch];
  kernels.ranges(x, size, count, ranges);
  for (size_t i = 0; i < count; ++i) {
    chosen.set(i, quant::choose_qparams(ranges[i], scheme));
  }
  return largest;
}

/// How many of `count` scopes have got a scale at the edge of its dtype. Zeros need no scale at all.
uint64_t count_edges(const Kernels &kernels, const float *x, size_t size, size_t count,
                     const quant::Scheme &scheme, const QparamsArrays &chosen) {
  const float edge = quant::edge_scale(scheme.scale_dtype);
  uint64_t edges = 0;
  for (size_t i = 0; i < count; ++i) {
    if (std::fabs(chosen.scales[i]) <= edge) {
      uint32_t magnitude = 0;
      kernels.magnitudes(x + i * size, size, 1, &magnitude);
      edges += magnitude == 0 ? 0 : 1;
    }
  }
  return edges;
}

/// Makes the codes of `count` scopes.
void encode_batch(const Kernels &kernels, const float *x, size_t size, size_t count,
                  const quant::Scheme &scheme, const QparamsArrays &qparams, uint8_t *codes,
                  ErrorSums &sums) {
  float factors[kBatch];
  float steps[kBatch];
  for (size_t i = 0; i < count; ++i) {
    factors[i] = 1.0F / qparams.scales[i];
    steps[i] = std::fabs(qparams.scales[i]);
  }
  for (size_t i = 0; i < count; ++i) {
    if (steps[i] > quant::kSmallestScale) {
      continue; // only beside the smallest scale can values be so much smaller
    }
    uint32_t magnitude = 0;
    kernels.magnitudes(x + i * size, size, 1, &magnitude);
    if (std::bit_cast<float>(magnitude) * std::fabs(factors[i]) < kVanishing) {
      steps[i] = 0;
      sums.add(lost_signal({x + i * size, size}));
    }
  }
  const quant::Scopes scopes{factors, steps, qparams.zero_points.data()};
  if (scheme.bits == 4) {
    kernels.encode_4(x, size, count, scopes, codes, sums);
  } else {
    kernels.encode_8(x, size, count, scopes, scheme.packed ? 0x80 : 0, codes, sums);
  }
}

} // namespace

std::span<const float> decode_unit(Dtype dtype, std::span<const uint8_t> from,
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
    quant::decode_f64(from.data(), count, to);
    break;
  case Dtype::kF8E4M3:
    quant::decode_f8_e4m3(from.data(), count, to);
    break;
  case Dtype::kF8E5M2:
    quant::decode_f8_e5m2(from.data(), count, to);
    break;
  default: // F32; blocks are aligned, and units begin at whole elements
    return {reinterpret_cast<const float *>(from.data()), count};
  }
  return scratch.first(count);
}

UnitResult measure(std::span<const float> values) {
  UnitResult result;
  kernels().magnitudes(values.data(), values.size(), 1, &result.magnitude);
  if (result.magnitude < kInfinityBits) {
    kernels().ranges(values.data(), values.size(), 1, &result.range);
  }
  return result;
}

UnitResult encode_unit(std::span<const float> values, const quant::Scheme &scheme, UnitShape shape,
                       QparamsArrays qparams, uint8_t *codes) {
  const Kernels &kernels = quant::kernels();
  const bool grouped = scheme.strategy == quant::Strategy::kGroup;
  const bool whole = scheme.strategy == quant::Strategy::kTensor;
  const size_t size = grouped ? static_cast<size_t>(scheme.group_size) : shape.piece;
  const size_t per_piece = shape.piece / size;
  UnitResult result;
  for (const float *x = values.data(); x < values.data() + values.size();) {
    const uint8_t *piece_begin = codes;
    for (size_t done = 0; done < per_piece;) {
      const size_t count = std::min(kBatch, per_piece - done);
      if (!shape.knows_qparams) {
        const auto importance = shape.importance.empty()
                                    ? shape.importance
                                    : shape.importance.subspan(done * size, count * size);
        result.magnitude = std::max(
            result.magnitude, choose_batch(kernels, x, size, count, scheme, importance, qparams));
        if (result.magnitude >= kInfinityBits) {
          return result;
        }
        result.edge_scales += count_edges(kernels, x, size, count, scheme, qparams);
      }
      encode_batch(kernels, x, size, count, scheme, qparams, codes, result.sums);
      codes += (count * size * scheme.bits + 7) / 8;
      qparams = qparams.from(whole ? 0 : count);
      x += count * size;
      done += count;
    }
    for (; scheme.packed && (codes - piece_begin) % 4 != 0; ++codes) {
      *codes = 0;
    }
  }
  return result;
}

UnitResult convert(std::span<const float> values, Dtype target, uint8_t *to) {
  UnitResult result;
  kernels().magnitudes(values.data(), values.size(), 1, &result.magnitude);
  if (result.magnitude >= overflow_magnitude(target)) {
    return result;
  }
  const float factor = normalizer(result.magnitude);
  const auto encode = target == Dtype::kF16 ? kernels().encode_f16 : kernels().encode_bf16;
  encode(values.data(), values.size(), {factor, 1.0F / factor, 0}, to, result.sums);
  return result;
}

uint32_t overflow_magnitude(Dtype target) {
  return target == Dtype::kF16 ? 0x477FF000U : 0x7F7F8000U; // 65520; 2^128 less half a step
}

} // namespace monoquant::run
