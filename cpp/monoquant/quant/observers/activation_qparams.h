// From an observed range of activations to a scale and a zero point.
// It exists beside qparams.h because activations have more kinds of codes than weights, and ranges with NaN.
// Formulas: `_calculate_qparams` of PyTorch 2.14's UniformQuantizationObserverBase, in f32, with eps 2^-23.
#pragma once

#include <cstdint>

#include "monoquant/base/result.h"
#include "monoquant/quant/observers/observed_range.h"
#include "monoquant/quant/scheme.h"

namespace monoquant::quant {

/// Codes of activations. The makers below give those that PyTorch has.
struct ActivationScheme {
  int32_t lowest = -128;
  int32_t highest = 127;
  bool symmetric = true;
  bool is_unsigned = false;
  int32_t middle = 0; // the zero point where symmetric
};

/// qint8: -128 to 127.
ActivationScheme signed_8_bit(bool symmetric);
/// quint8: 0 to 255; the middle is 128.
ActivationScheme unsigned_8_bit(bool symmetric);
/// The same codes as those of weights.
ActivationScheme activation_scheme(const Scheme &scheme);
/// quant_min and quant_max: at most 256 codes, 0 among them. The middle of unsigned ones is
/// floor((lowest + highest) / 2), also for 0 to 255: 127.
Result<ActivationScheme> custom_codes(int32_t lowest, int32_t highest, bool symmetric,
                                      bool is_unsigned);
/// reduce_range: both ends halved, downwards. PyTorch has no unsigned symmetric one, so here too it is an error.
Result<ActivationScheme> reduced_range(const ActivationScheme &scheme);

/// value = (code - zero_point) * scale.
struct ActivationQparams {
  float scale = 1.0F;     // NaN or infinite where an end of the range is
  int32_t zero_point = 0; // always one of the scheme's codes, unless nothing was observed

  bool operator==(const ActivationQparams &) const = default;
};

/// With below = min(min, 0), above = max(max, 0) and n = highest - lowest:
///   symmetric  scale = max(max(-below, above) / (n / 2), eps)    qint8: / 127.5; zero_point = middle
///   affine     scale = max((above - below) / n, eps)
///              zero_point = clamp(lowest - int32(round_half_even(below / scale)), lowest, highest)
/// A range that was never observed gives 1 and 0. NaN is converted to int32 as x86 does it (to -2^31), so that zero
/// points too are PyTorch's. `range.min` must not be greater than `range.max`, or nothing was observed.
ActivationQparams choose_activation_qparams(ObservedRange range, const ActivationScheme &scheme);

} // namespace monoquant::quant
