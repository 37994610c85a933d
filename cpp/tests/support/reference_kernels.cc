#include "support/reference_kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace monoquant::test {
namespace {

using quant::ErrorSums;
using quant::Range;
using quant::Scope;
using quant::Scopes;

uint32_t two_bytes(const uint8_t *from) {
  return static_cast<uint32_t>(from[0]) | (static_cast<uint32_t>(from[1]) << 8U);
}

void decode_16(const uint8_t *from, size_t elements, float *to, int exponent, int mantissa) {
  for (size_t i = 0; i < elements; ++i) {
    to[i] = static_cast<float>(value_of_format(two_bytes(from + 2 * i), exponent, mantissa));
  }
}

void decode_f16(const uint8_t *from, size_t elements, float *to) {
  decode_16(from, elements, to, 5, 10);
}

void decode_bf16(const uint8_t *from, size_t elements, float *to) {
  decode_16(from, elements, to, 8, 7);
}

/// q = zero_point + round_half_even(x * factor), clamped; the product is rounded to f32 before.
int32_t encode_one(float x, const Scope &scope, int32_t lowest, int32_t highest, ErrorSums &sums) {
  const float product = x * scope.factor;
  const auto rounded = static_cast<int32_t>(std::nearbyint(product));
  const int32_t code = std::clamp(scope.zero_point + rounded, lowest, highest);
  const double y = static_cast<double>(x) * static_cast<double>(scope.factor);
  const double error = y - (code - scope.zero_point);
  const auto step = static_cast<double>(scope.step);
  sums.add({y * y * step * step, error * error * step * step,
            static_cast<float>(std::fabs(error) * step)});
  return code;
}

float read_f32(const uint8_t *x, size_t i) {
  float value;
  std::memcpy(&value, x + 4 * i, 4);
  return value;
}

/// NaN keeps its fraction.
float read_half(uint32_t half, int exponent, int mantissa) {
  const double value = value_of_format(half, exponent, mantissa);
  const uint32_t fraction = half % (1U << mantissa);
  return std::isnan(value) ? std::bit_cast<float>(0x7F800000U | fraction << (23 - mantissa))
                           : static_cast<float>(value);
}

float read_f16(const uint8_t *x, size_t i) { return read_half(two_bytes(x + 2 * i), 5, 10); }
float read_bf16(const uint8_t *x, size_t i) { return read_half(two_bytes(x + 2 * i), 8, 7); }

template <float (*kRead)(const uint8_t *, size_t)> struct ReferenceKernels {
  static float at(const void *x, size_t i) { return kRead(static_cast<const uint8_t *>(x), i); }

  static void magnitudes(const void *x, size_t size, size_t count, uint32_t *to) {
    for (size_t n = 0; n < count; ++n) {
      to[n] = 0;
      for (size_t i = 0; i < size; ++i) {
        const uint32_t bits = std::bit_cast<uint32_t>(at(x, n * size + i));
        to[n] = std::max(to[n], bits % 0x80000000U);
      }
    }
  }

  static void ranges(const void *x, size_t size, size_t count, Range *to) {
    for (size_t n = 0; n < count; ++n) {
      to[n] = {0.0F, 0.0F};
      for (size_t i = 0; i < size; ++i) {
        const float value = at(x, n * size + i);
        to[n].min = std::fmin(to[n].min, value == 0.0F ? 0.0F : value);
        to[n].max = std::fmax(to[n].max, value == 0.0F ? 0.0F : value);
      }
    }
  }

  static void encode_8(const void *x, size_t size, size_t count, const Scopes &scopes, uint8_t flip,
                       uint8_t *to, ErrorSums &sums) {
    ErrorSums own; // what is there already may be much larger
    for (size_t i = 0; i < size * count; ++i) {
      const int32_t code = encode_one(at(x, i), scopes[i / size], -128, 127, own);
      to[i] = static_cast<uint8_t>((code & 0xFF) ^ flip);
    }
    sums.add(own);
  }

  static void encode_4(const void *x, size_t size, size_t count, const Scopes &scopes, uint8_t *to,
                       ErrorSums &sums) {
    ErrorSums own;
    for (size_t i = 0; i < size * count; ++i) {
      const int32_t nibble = encode_one(at(x, i), scopes[i / size], -8, 7, own) + 8;
      to[i / 2] = static_cast<uint8_t>(i % 2 == 0 ? nibble : to[i / 2] + 16 * nibble);
    }
    sums.add(own);
  }

  template <int kExponent, int kMantissa>
  static uint32_t encode_16(const void *x, size_t size, uint8_t *to, ErrorSums &sums) {
    uint32_t largest = 0;
    ErrorSums own;
    for (size_t i = 0; i < size; ++i) {
      const float value = at(x, i);
      largest = std::max(largest, std::bit_cast<uint32_t>(value) % 0x80000000U);
      if (!std::isfinite(value)) {
        continue; // neither output nor sums are valid
      }
      const double magnitude = std::fabs(static_cast<double>(value));
      const uint32_t body = round_to_format(magnitude, kMantissa, 2 - (1 << (kExponent - 1)));
      const uint32_t bits = body | (std::signbit(value) ? 0x8000U : 0U);
      to[2 * i] = static_cast<uint8_t>(bits);
      to[2 * i + 1] = static_cast<uint8_t>(bits >> 8U);
      const double error = std::fabs(magnitude - value_of_format(body, kExponent, kMantissa));
      own.add({magnitude * magnitude, error * error, static_cast<float>(error)});
    }
    sums.add(own);
    return largest;
  }

  static constexpr quant::SourceKernels kTable = {
      kRead == read_f32 ? 4 : 2, magnitudes,      ranges, encode_8, encode_4,
      encode_16<5, 10>,          encode_16<8, 7>,
  };
};

void fit_codes(const float *x, size_t size, const quant::Importance &importance,
               const quant::Trial &trial, quant::FitSums &to) {
  to = {};
  for (size_t i = 0; i < size; ++i) {
    const float product = x[i] * trial.factor;
    const int32_t code =
        std::clamp(static_cast<int32_t>(std::nearbyint(product)), trial.lowest, trial.highest);
    const double error = static_cast<double>(x[i]) * static_cast<double>(trial.factor) - code;
    const double weight =
        importance.weights == nullptr
            ? 1.0
            : static_cast<double>(importance.weights[i]) * static_cast<double>(importance.unit);
    to.noise += weight * error * error;
    to.cross += weight * error * code;
    to.power += weight * code * code;
  }
}

void try_codes(const float *x, size_t size, const quant::Importance &importance,
               const quant::Trial *trials, size_t count, double *to) {
  for (size_t n = 0; n < count; ++n) {
    quant::FitSums sums;
    fit_codes(x, size, importance, trials[n], sums);
    to[n] = sums.noise;
  }
}

/// a * b / 2^15, rounded half up.
int32_t product_of(int32_t a, int32_t b) {
  return static_cast<int32_t>(std::floor(static_cast<double>(a) * b / 32768.0 + 0.5));
}

void try_levels(const float *x, size_t size, const quant::LevelTrials &trials,
                quant::LevelSums &to) {
  to = {};
  for (size_t i = 0; i < size; ++i) {
    const auto level = static_cast<int32_t>(std::nearbyint(x[i] * trials.unit));
    to.signal += trials.fine ? 0.0 : static_cast<double>(level) * level;
    for (size_t n = 0; n < quant::kLevelTrials; ++n) {
      const double step = std::floor(level / (trials.fine ? 32.0 : 8.0));
      const double exact = level + product_of(level, trials.first) + static_cast<double>(n) * step;
      const double code = std::clamp(std::floor(exact / quant::kLevelsPerCode + 0.5), -8.0, 7.0);
      to.cross[n] += level * code;
      to.power[n] += code * code;
    }
  }
}

void add_products(const quant::Factors &factors, const quant::Matrix &matrix,
                  const quant::RowSums &to) {
  for (size_t r = 0; r < factors.rows; ++r) {
    for (size_t j = 0; j < matrix.width; ++j) {
      float &sum = to.values[r * to.stride + j];
      for (size_t k = 0; k < factors.count; ++k) {
        // A product of two f32 is exact in f64, and so is a sum of two.
        const auto product =
            static_cast<float>(static_cast<double>(factors.values[r * factors.stride + k]) *
                               static_cast<double>(matrix.values[k * matrix.stride + j]));
        sum = static_cast<float>(static_cast<double>(sum) + static_cast<double>(product));
      }
    }
  }
}

} // namespace

uint32_t round_to_format(double magnitude, int mantissa, int smallest_exponent) {
  if (magnitude == 0) {
    return 0;
  }
  const int exponent = std::max(std::ilogb(magnitude), smallest_exponent);
  const double steps = std::nearbyint(std::ldexp(magnitude, mantissa - exponent));
  const uint32_t binades = static_cast<uint32_t>(exponent - smallest_exponent) << mantissa;
  return binades + static_cast<uint32_t>(steps);
}

double value_of_format(uint32_t bits, int exponent, int mantissa) {
  const double sign = (bits >> (exponent + mantissa) & 1U) != 0 ? -1.0 : 1.0;
  const uint32_t field = bits >> mantissa & ((1U << exponent) - 1U);
  const uint32_t fraction = bits & ((1U << mantissa) - 1U);
  const int bias = (1 << (exponent - 1)) - 1;
  if (field == (1U << exponent) - 1U) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  if (field == 0) {
    return sign * std::ldexp(static_cast<double>(fraction), 1 - bias - mantissa);
  }
  const uint32_t whole = fraction + (1U << mantissa);
  return sign * std::ldexp(static_cast<double>(whole), static_cast<int>(field) - bias - mantissa);
}

const quant::Kernels &reference_kernels() {
  static constexpr quant::Kernels kKernels = {decode_f16,
                                              decode_bf16,
                                              ReferenceKernels<read_f32>::kTable,
                                              ReferenceKernels<read_f16>::kTable,
                                              ReferenceKernels<read_bf16>::kTable,
                                              try_codes,
                                              fit_codes,
                                              try_levels,
                                              add_products};
  return kKernels;
}

} // namespace monoquant::test
