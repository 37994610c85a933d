#include "monoquant/quant/kernels/lanes.h"

namespace monoquant::quant {
namespace {

void decode_f16(const uint8_t *from, size_t elements, float *to) {
  for (size_t i = 0; i < elements; ++i) {
    to[i] = f16_to_f32(load_le<uint16_t>(from + 2 * i));
  }
}

void decode_bf16(const uint8_t *from, size_t elements, float *to) {
  for (size_t i = 0; i < elements; ++i) {
    to[i] = bf16_to_f32(load_le<uint16_t>(from + 2 * i));
  }
}

/// The kernels of SourceKernels.
template <typename Source> struct ScalarKernels {
  static const uint8_t *scope_begin(const void *x, size_t elements) {
    return static_cast<const uint8_t *>(x) + elements * Source::kBytes;
  }

  static void magnitudes(const void *x, size_t size, size_t count, uint32_t *to) {
    for (size_t n = 0; n < count; ++n) {
      const uint8_t *scope = scope_begin(x, n * size);
      to[n] = 0;
      for (size_t i = 0; i < size; ++i) {
        to[n] = std::max(to[n], std::bit_cast<uint32_t>(Source::at(scope, i)) & 0x7FFFFFFFU);
      }
    }
  }

  static void ranges(const void *x, size_t size, size_t count, Range *to) {
    for (size_t n = 0; n < count; ++n) {
      const uint8_t *scope = scope_begin(x, n * size);
      Range range;
      for (size_t i = 0; i < size; ++i) {
        const float value = Source::at(scope, i);
        range.min = value < range.min ? value : range.min;
        range.max = range.max < value ? value : range.max;
      }
      to[n] = range;
    }
  }

  /// Calls `element(i, value, lane, lanes)` for each element of a scope, adding the sums up after every chunk.
  template <typename Element>
  static void for_each_in_lanes(const uint8_t *x, size_t size, float step, CallSums &sums,
                                Element element) {
    for (size_t begin = 0; begin < size; begin += kSumChunk) {
      const size_t end = std::min(size, begin + kSumChunk);
      LaneSums lanes;
      for (size_t i = begin; i < end; ++i) {
        element(i, Source::at(x, i), i % kSumLanes, lanes);
      }
      sums.add(lanes, step);
    }
  }

  static void encode_8(const void *x, size_t size, size_t count, const Scopes &scopes, uint8_t flip,
                       uint8_t *to, ErrorSums &sums) {
    CallSums call;
    for (size_t n = 0; n < count; ++n, to += size) {
      const Scope scope = scopes[n];
      for_each_in_lanes(scope_begin(x, n * size), size, scope.step, call,
                        [&](size_t i, float value, size_t lane, LaneSums &lanes) {
                          to[i] = encode_8_step(value, scope, flip, lane, lanes);
                        });
    }
    call.add_to(sums);
  }

  static void encode_4(const void *x, size_t size, size_t count, const Scopes &scopes, uint8_t *to,
                       ErrorSums &sums) {
    CallSums call;
    for (size_t n = 0; n < count; ++n, to += size / 2) {
      const Scope scope = scopes[n];
      for_each_in_lanes(scope_begin(x, n * size), size, scope.step, call,
                        [&](size_t i, float value, size_t /*lane*/, LaneSums &lanes) {
                          encode_4_step(value, scope, i, to, lanes);
                        });
    }
    call.add_to(sums);
  }

  template <uint16_t (*kStep)(float, size_t, LaneSums &)>
  static uint32_t encode_16(const void *x, size_t size, uint8_t *to, ErrorSums &sums) {
    CallSums call;
    for_each_in_lanes(scope_begin(x, 0), size, 1.0F, call,
                      [&](size_t i, float value, size_t lane, LaneSums &lanes) {
                        store_le(to + 2 * i, kStep(value, lane, lanes));
                      });
    call.add_to(sums);
    uint32_t largest = 0;
    magnitudes(x, size, 1, &largest);
    return largest;
  }

  static constexpr SourceKernels kTable = {
      Source::kBytes,      magnitudes,          ranges, encode_8, encode_4,
      encode_16<f16_step>, encode_16<bf16_step>};
};

float importance_of(const Importance &importance, size_t i) {
  return importance.weights == nullptr ? 1.0F : importance.weights[i] * importance.unit;
}

void try_codes(const float *x, size_t size, const Importance &importance, const Trial *trials,
               size_t count, double *to) {
  for (size_t n = 0; n < count; ++n) {
    to[n] = 0;
    for (size_t begin = 0; begin < size; begin += kSumChunk) {
      const size_t end = std::min(size, begin + kSumChunk);
      SearchLanes noise = {};
      for (size_t i = begin; i < end; ++i) {
        const float error = try_step(x[i], trials[n]).error;
        noise[i % kSumLanes] += error * (error * importance_of(importance, i));
      }
      to[n] += fold_lanes(noise);
    }
  }
}

void fit_codes(const float *x, size_t size, const Importance &importance, const Trial &trial,
               FitSums &to) {
  to = {};
  for (size_t begin = 0; begin < size; begin += kSumChunk) {
    const size_t end = std::min(size, begin + kSumChunk);
    SearchLanes noise = {};
    SearchLanes cross = {};
    SearchLanes power = {};
    for (size_t i = begin; i < end; ++i) {
      fit_step(try_step(x[i], trial), importance_of(importance, i), i % kSumLanes, noise, cross,
               power);
    }
    to.noise += fold_lanes(noise);
    to.cross += fold_lanes(cross);
    to.power += fold_lanes(power);
  }
}

void try_levels(const float *x, size_t size, const LevelTrials &trials, LevelSums &to) {
  to = {};
  int32_t square = 0;
  for (size_t i = 0; i < size; ++i) {
    const int32_t level = std::bit_cast<int32_t>(x[i] * trials.unit + kRounder) - kRounderBits;
    const int32_t step = level >> LevelTrials::step_shift(trials.fine);
    int32_t code = saturate(level + multiply_levels(level, trials.first));
    code = saturate(code + kLevelsPerCode / 2);
    for (size_t n = 0; n < kLevelTrials; ++n, code = saturate(code + step)) {
      const int32_t whole = code >> kCodeShift;
      to.cross[n] += level * whole;
      to.power[n] += whole * whole;
    }
    square = i % 2 == 0 ? level * level : square + level * level;
    if (!trials.fine && (i % 2 == 1 || i + 1 == size)) {
      to.signal += square >> kSignalShift << kSignalShift;
    }
  }
}

void add_products(const Factors &factors, const Matrix &matrix, const RowSums &to) {
  for (size_t r = 0; r < factors.rows; ++r) {
    float *sums = to.values + r * to.stride;
    for (size_t k = 0; k < factors.count; ++k) {
      const float factor = factors.values[r * factors.stride + k];
      const float *row = matrix.values + k * matrix.stride;
      for (size_t j = 0; j < matrix.width; ++j) {
        sums[j] += factor * row[j];
      }
    }
  }
}

} // namespace

const Kernels &scalar_kernels() {
  static constexpr Kernels kKernels = {decode_f16,
                                       decode_bf16,
                                       ScalarKernels<F32Source>::kTable,
                                       ScalarKernels<F16Source>::kTable,
                                       ScalarKernels<Bf16Source>::kTable,
                                       try_codes,
                                       fit_codes,
                                       try_levels,
                                       add_products};
  return kKernels;
}

void decode_f64(const uint8_t *from, size_t elements, float *to) {
  for (size_t i = 0; i < elements; ++i) {
    to[i] = static_cast<float>(load_le<double>(from + 8 * i));
  }
}

void decode_f8_e4m3(const uint8_t *from, size_t elements, float *to) {
  for (size_t i = 0; i < elements; ++i) {
    to[i] = f8_e4m3_to_f32(from[i]);
  }
}

void decode_f8_e5m2(const uint8_t *from, size_t elements, float *to) {
  for (size_t i = 0; i < elements; ++i) {
    to[i] = f8_e5m2_to_f32(from[i]);
  }
}

} // namespace monoquant::quant
