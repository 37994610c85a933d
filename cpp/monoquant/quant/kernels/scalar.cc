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

void magnitudes(const float *x, size_t size, size_t count, uint32_t *to) {
  for (size_t scope = 0; scope < count; ++scope, x += size) {
    uint32_t largest = 0;
    for (size_t i = 0; i < size; ++i) {
      largest = std::max(largest, std::bit_cast<uint32_t>(x[i]) & 0x7FFFFFFFU);
    }
    to[scope] = largest;
  }
}

void ranges(const float *x, size_t size, size_t count, Range *to) {
  for (size_t scope = 0; scope < count; ++scope, x += size) {
    Range range;
    for (size_t i = 0; i < size; ++i) {
      range.min = x[i] < range.min ? x[i] : range.min;
      range.max = range.max < x[i] ? x[i] : range.max;
    }
    to[scope] = range;
  }
}

/// Calls `element(i, lane, lanes)` for each element of a scope, adding the sums up after every chunk.
template <typename Element>
void for_each_in_lanes(size_t size, float step, CallSums &sums, Element element) {
  for (size_t begin = 0; begin < size; begin += kSumChunk) {
    const size_t end = std::min(size, begin + kSumChunk);
    LaneSums lanes;
    for (size_t i = begin; i < end; ++i) {
      element(i, i % kSumLanes, lanes);
    }
    sums.add(lanes, step);
  }
}

void encode_8(const float *x, size_t size, size_t count, const Scopes &scopes, uint8_t flip,
              uint8_t *to, ErrorSums &sums) {
  CallSums call;
  for (size_t n = 0; n < count; ++n, x += size, to += size) {
    const Scope scope = scopes[n];
    for_each_in_lanes(size, scope.step, call, [&](size_t i, size_t lane, LaneSums &lanes) {
      to[i] = encode_8_step(x[i], scope, flip, lane, lanes);
    });
  }
  call.add_to(sums);
}

void encode_4(const float *x, size_t size, size_t count, const Scopes &scopes, uint8_t *to,
              ErrorSums &sums) {
  CallSums call;
  for (size_t n = 0; n < count; ++n, x += size, to += size / 2) {
    const Scope scope = scopes[n];
    for_each_in_lanes(size, scope.step, call, [&](size_t i, size_t /*lane*/, LaneSums &lanes) {
      encode_4_step(x[i], scope, i, to, lanes);
    });
  }
  call.add_to(sums);
}

void encode_f16(const float *x, size_t size, const Scope &scope, uint8_t *to, ErrorSums &sums) {
  CallSums call;
  for_each_in_lanes(size, scope.step, call, [&](size_t i, size_t lane, LaneSums &lanes) {
    store_le(to + 2 * i, f16_step(x[i], scope.factor, lane, lanes));
  });
  call.add_to(sums);
}

void encode_bf16(const float *x, size_t size, const Scope &scope, uint8_t *to, ErrorSums &sums) {
  CallSums call;
  for_each_in_lanes(size, scope.step, call, [&](size_t i, size_t lane, LaneSums &lanes) {
    store_le(to + 2 * i, bf16_step(x[i], scope.factor, lane, lanes));
  });
  call.add_to(sums);
}

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

} // namespace

const Kernels &scalar_kernels() {
  static constexpr Kernels kKernels = {decode_f16, decode_bf16, magnitudes,  ranges,    encode_8,
                                       encode_4,   encode_f16,  encode_bf16, try_codes, fit_codes};
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
