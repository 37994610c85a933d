// The inner loops: decoding, ranges, codes. Written twice, as plain C++ and as 128-bit SIMD.
// They exist as one table of functions so that tests run the same checks over both and callers do not care.
// Both give the same bits, sums included: same IEEE operations in the same order, no fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "monoquant/base/dtype.h"
#include "monoquant/quant/error_sums.h"
#include "monoquant/quant/qparams.h"

namespace monoquant::quant {

/// Sums run in eight f32 lanes (element i of a scope belongs to lane i % 8), which are added up in f64 after so
/// many elements.
inline constexpr size_t kSumLanes = 8;
inline constexpr size_t kSumChunk = 1024;

/// 1.5 * 2^23: adding it to |y| < 2^22 leaves round_half_even(y) in the low bits of the sum.
inline constexpr float kRounder = 12582912.0F;
inline constexpr int32_t kRounderBits = 0x4B400000;

/// How the values of one scope become codes: q = zero_point + round_half_even(x * factor), clamped to the codes
/// of the width. |x * factor| must stay below 2^22. Errors, measured in steps of 1 / factor, are multiplied by
/// `step` before they are added up.
struct Scope {
  float factor = 1.0F;
  float step = 1.0F;
  int32_t zero_point = 0;
};

/// Many scopes, as arrays.
struct Scopes {
  const float *factors;
  const float *steps;
  const int32_t *zero_points;

  Scope operator[](size_t i) const { return {factors[i], steps[i], zero_points[i]}; }
};

/// Codes to try on a scope: round_half_even(x * factor), clamped. |x * factor| must stay below 2^22.
struct Trial {
  float factor = 1.0F;
  int32_t lowest = 0;
  int32_t highest = 0;
};

/// How much the error of each element of a scope counts: weights[i] * unit, all finite and not negative, or 1
/// where there are no weights. `unit` brings the largest weight near 1.
struct Importance {
  const float *weights = nullptr;
  float unit = 1.0F;
};

/// Sums over a scope, in steps of 1 / factor, each term times its importance.
struct FitSums {
  double noise = 0; // error^2
  double cross = 0; // error * code
  double power = 0; // code^2
};

/// Codes of 4 bits to try on a scope, four kinds at once. Values become levels, level = round_half_even(x * unit), at
/// most kMostLevel large, so that all sums are exact and the codes of the next trial an addition away. A trial's
/// codes are the nearest to level / kLevelsPerCode, times 1 + first / 2^15 in the first one, and an eighth more in
/// each of the others, or, if they are fine, a thirty-second; levels beyond -8 and 7 have these codes.
struct LevelTrials {
  float unit = 1.0F;
  int16_t first = 0;
  bool fine = false;

  static constexpr int step_shift(bool fine) { return fine ? 5 : 3; }
};

inline constexpr size_t kLevelTrials = 4;
inline constexpr int32_t kMostLevel = 32767;
inline constexpr int32_t kLevelsPerCode = 4096;

/// Sums over a scope.
struct LevelSums {
  double signal = 0;               // level^2, a little less; only of trials that are not fine
  double cross[kLevelTrials] = {}; // level * code
  double power[kLevelTrials] = {}; // code^2
};

/// Numbers that whole rows are multiplied with: row r has `count` of them, the first at values[r * stride].
struct Factors {
  const float *values;
  size_t stride;
  size_t rows;
  size_t count;
};

/// The rows that are multiplied and added: as many as there are factors in a row, each of `width` values.
struct Matrix {
  const float *values;
  size_t stride;
  size_t width;
};

/// Where sums are: a row of Matrix::width for each row of factors.
struct RowSums {
  float *values;
  size_t stride;
};

/// Bits of f32 of infinity; of NaN they are more.
inline constexpr uint32_t kInfinityBits = 0x7F800000U;

/// Kernels for values of one type, as sources store them, at any alignment. They come as `count` scopes of `size`
/// elements, one after the other.
struct SourceKernels {
  size_t element_bytes;

  /// Bits of f32 of the largest magnitude of each scope. At or above kInfinityBits: some value is infinite or NaN.
  void (*magnitudes)(const void *x, size_t size, size_t count, uint32_t *to);
  /// Smallest value or 0, largest value or 0, of each scope. Values must be finite.
  void (*ranges)(const void *x, size_t size, size_t count, Range *to);

  /// One byte a code, xor `flip` (0x80 makes it unsigned).
  void (*encode_8)(const void *x, size_t size, size_t count, const Scopes &scopes, uint8_t flip,
                   uint8_t *to, ErrorSums &sums);
  /// Codes plus 8, two a byte, the first in the low half. Odd sizes only for a single scope: its last byte's
  /// high half is zero.
  void (*encode_4)(const void *x, size_t size, size_t count, const Scopes &scopes, uint8_t *to,
                   ErrorSums &sums);

  // One scope to 16 bits. They return bits of the largest magnitude, as above: at or above the type's overflow
  // neither output nor sums are valid, and outside of kSquarable the sums are not, because they square in f32.
  uint32_t (*encode_f16)(const void *x, size_t size, uint8_t *to, ErrorSums &sums);
  uint32_t (*encode_bf16)(const void *x, size_t size, uint8_t *to, ErrorSums &sums);
};

/// Bits of magnitudes whose squares, and those of values much smaller, are well within f32: 2^-16 to 2^16.
struct MagnitudeRange {
  uint32_t lowest;
  uint32_t highest;
};
inline constexpr MagnitudeRange kSquarable = {(127U - 16U) << 23U, (127U + 16U) << 23U};

struct Kernels {
  // Source bytes to f32, exactly. `from` may have any alignment.
  void (*decode_f16)(const uint8_t *from, size_t elements, float *to);
  void (*decode_bf16)(const uint8_t *from, size_t elements, float *to);

  SourceKernels f32;
  SourceKernels f16;
  SourceKernels bf16;

  /// FitSums::noise of each of `count` trials.
  void (*try_codes)(const float *x, size_t size, const Importance &importance, const Trial *trials,
                    size_t count, double *to);
  void (*fit_codes)(const float *x, size_t size, const Importance &importance, const Trial &trial,
                    FitSums &to);
  void (*try_levels)(const float *x, size_t size, const LevelTrials &trials, LevelSums &to);

  /// to[r][j] += factors[r][k] * matrix[k][j] for every k, the first one first: products and sums are rounded to f32
  /// one by one, so that it makes no difference how often it is called for some of the k.
  void (*add_products)(const Factors &factors, const Matrix &matrix, const RowSums &to);

  /// `dtype`: F32, F16 or BF16.
  [[nodiscard]] const SourceKernels &of(Dtype dtype) const {
    return dtype == Dtype::kF16 ? f16 : dtype == Dtype::kBF16 ? bf16 : f32;
  }
};

/// Plain C++: the reference.
const Kernels &scalar_kernels();

/// WebAssembly SIMD, or nullptr where the build has none.
const Kernels *simd_kernels();

/// The fastest that this build has.
inline const Kernels &kernels() {
  const Kernels *simd = simd_kernels();
  return simd != nullptr ? *simd : scalar_kernels();
}

// Rare source types: no SIMD version, both builds use these. F64 rounds to the nearest f32.
void decode_f64(const uint8_t *from, size_t elements, float *to);
void decode_f8_e4m3(const uint8_t *from, size_t elements, float *to);
void decode_f8_e5m2(const uint8_t *from, size_t elements, float *to);

} // namespace monoquant::quant
