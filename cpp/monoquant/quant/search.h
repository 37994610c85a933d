// The range search: scale and zero point with the smallest error of the stored codes, instead of the extremes'.
// It exists because the largest weight should not alone decide how finely all others of its scope are stored.
// Never worse than choose_qparams by its own measure, and the same on every machine, SIMD or not.
#pragma once

#include <span>

#include "monoquant/quant/kernels/kernels.h"
#include "monoquant/quant/qparams.h"
#include "monoquant/quant/scheme.h"

namespace monoquant::quant {

/// Values of a scope at most: it must be seen as a whole, and more are not held at once.
inline constexpr size_t kLongestSearch = 65536;

/// Minimises the sum of importance * (x - (q - zero_point) * scale)^2 over the finite values of one scope.
/// `importance`: one for each value, finite and not negative, usually the second moment of its input; empty, or
/// all zero: 1 each. Scales are rounded as the scheme stores them; negative ones only where it allows them.
Qparams search_qparams(std::span<const float> values, std::span<const float> importance,
                       const Scheme &scheme, const Kernels &kernels);

} // namespace monoquant::quant
