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
using quant::SourceKernels;

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
    const auto exact = decode_unit(part.dtype, part.bytes, value);
    const auto kept = decode_unit(stored_part.dtype, stored_part.bytes, other);
    for (size_t i = 0; i < size; ++i) {
      visit(exact[i], kept[i]);
    }
  }
}

/// What is lost, summed in f64, where squares are not well within f32.
ErrorSums exact_errors(const Values &values, const Values &stored) {
  ErrorSums sums;
  for_each_pair(values, stored, [&](float value, float kept) {
    const auto exact = static_cast<double>(value);
    const double error = exact - static_cast<double>(kept);
    sums.add({exact * exact, error * error, static_cast<float>(std::fabs(error))});
  });
  return sums;
}

/// All codes stand for zero, so what is lost is the signal itself.
ErrorSums lost_signal(const Values &values) {
  ErrorSums sums;
  for_each_pair(values, values, [&](float value, float /*kept*/) {
    const auto exact = static_cast<double>(value);
    sums.add({exact * exact, exact * exact, std::fabs(value)});
  });
  return sums;
}

/// Below so many steps squares may vanish in f32; all such values become the zero point.
constexpr float kVanishing = 0x1p-40F;
/// Scopes that are handled in one go: their ranges first, then their codes.
constexpr size_t kBatch = 64;

/// Chooses qparams for `count` scopes; `importance` is empty or theirs. Returns the largest magnitude's bits;
/// where it is not finite, the qparams are not valid.
uint32_t choose_batch(const Kernels &kernels, const Values &values, size_t size, size_t count,
                      const quant::Scheme &scheme, std::span<const float> importance,
                      const QparamsArrays &chosen) {
  const SourceKernels &source = kernels.of(values.dtype);
  uint32_t magnitudes[kBatch];
  source.magnitudes(values.bytes.data(), size, count, magnitudes);
  const uint32_t largest = *std::max_element(magnitudes, magnitudes + count);
  if (largest >= kInfinityBits) {
    return largest;
  }
  if (scheme.method == quant::Method::kMse) {
    const auto *x = reinterpret_cast<const float *>(values.bytes.data());
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
  source.ranges(values.bytes.data(), size, count, ranges);
  for (size_t i = 0; i < count; ++i) {
    chosen.set(i, quant::choose_qparams(ranges[i], scheme));
  }
  return largest;
}

uint32_t magnitude_of(const Kernels &kernels, const Values &values) {
  uint32_t magnitude = 0;
  kernels.of(values.dtype).magnitudes(values.bytes.data(), values.count(), 1, &magnitude);
  return magnitude;
}

/// How many of `count` scopes have got a scale at the edge of its dtype. Zeros need no scale at all.
uint64_t count_edges(const Kernels &kernels, const Values &values, size_t size, size_t count,
                     const quant::Scheme &scheme, const QparamsArrays &chosen) {
  const float edge = quant::edge_scale(scheme.scale_dtype);
  uint64_t edges = 0;
  for (size_t i = 0; i < count; ++i) {
    if (std::fabs(chosen.scales[i]) <= edge) {
      edges += magnitude_of(kernels, values.part(i * size, size)) == 0 ? 0 : 1;
    }
  }
  return edges;
}

/// Makes the codes of `count` scopes.
void encode_batch(const Kernels &kernels, const Values &values, size_t size, size_t count,
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
    const Values scope = values.part(i * size, size);
    const auto magnitude = std::bit_cast<float>(magnitude_of(kernels, scope));
    if (magnitude * std::fabs(factors[i]) < kVanishing) {
      steps[i] = 0;
      sums.add(lost_signal(scope));
    }
  }
  const SourceKernels &source = kernels.of(values.dtype);
  const void *x = values.bytes.data();
  const quant::Scopes scopes{factors, steps, qparams.zero_points.data()};
  if (scheme.bits == 4) {
    source.encode_4(x, size, count, scopes, codes, sums);
  } else {
    source.encode_8(x, size, count, scopes, scheme.packed ? 0x80 : 0, codes, sums);
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

UnitResult measure(const Values &values) {
  UnitResult result;
  result.magnitude = magnitude_of(kernels(), values);
  if (result.magnitude < kInfinityBits) {
    kernels().of(values.dtype).ranges(values.bytes.data(), values.count(), 1, &result.range);
  }
  return result;
}

UnitResult encode_unit(const Values &values, const quant::Scheme &scheme, UnitShape shape,
                       QparamsArrays qparams, uint8_t *codes) {
  const Kernels &kernels = quant::kernels();
  const bool grouped = scheme.strategy == quant::Strategy::kGroup;
  const bool whole = scheme.strategy == quant::Strategy::kTensor;
  const size_t size = grouped ? static_cast<size_t>(scheme.group_size) : shape.piece;
  const size_t per_piece = shape.piece / size;
  UnitResult result;
  for (size_t at = 0; at < values.count();) {
    const uint8_t *piece_begin = codes;
    for (size_t done = 0; done < per_piece;) {
      const size_t count = std::min(kBatch, per_piece - done);
      const Values batch = values.part(at, count * size);
      if (!shape.knows_qparams) {
        const auto importance = shape.importance.empty()
                                    ? shape.importance
                                    : shape.importance.subspan(done * size, count * size);
        result.magnitude = std::max(result.magnitude, choose_batch(kernels, batch, size, count,
                                                                   scheme, importance, qparams));
        if (result.magnitude >= kInfinityBits) {
          return result;
        }
        result.edge_scales += count_edges(kernels, batch, size, count, scheme, qparams);
      }
      encode_batch(kernels, batch, size, count, scheme, qparams, codes, result.sums);
      codes += (count * size * scheme.bits + 7) / 8;
      qparams = qparams.from(whole ? 0 : count);
      at += count * size;
      done += count;
    }
    for (; scheme.packed && (codes - piece_begin) % 4 != 0; ++codes) {
      *codes = 0;
    }
  }
  return result;
}

UnitResult convert(const Values &values, Dtype target, uint8_t *to) {
  const SourceKernels &source = kernels().of(values.dtype);
  const auto encode = target == Dtype::kF16 ? source.encode_f16 : source.encode_bf16;
  UnitResult result;
  result.magnitude = encode(values.bytes.data(), values.count(), to, result.sums);
  const auto [lowest, highest] = quant::kSquarable;
  const bool is_squarable = result.magnitude >= lowest && result.magnitude <= highest;
  if (!is_squarable && result.magnitude < overflow_magnitude(target)) {
    result.sums = exact_errors(values, {target, {to, values.count() * 2}});
  }
  return result;
}

uint32_t overflow_magnitude(Dtype target) {
  return target == Dtype::kF16 ? 0x477FF000U : 0x7F7F8000U; // 65520; 2^128 less half a step
}

} // namespace monoquant::run
