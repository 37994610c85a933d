#include "monoquant/quant/qparams.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/float_convert.h"

namespace monoquant::quant {

float round_scale(float scale, Dtype dtype) {
  switch (dtype) {
  case Dtype::kF16:
    return f16_to_f32(f32_to_f16(scale));
  case Dtype::kBF16:
    return bf16_to_f32(f32_to_bf16(scale));
  default:
    return scale;
  }
}

Qparams choose_qparams(Range range, const Scheme &scheme) {
  const auto levels = static_cast<float>(scheme.highest() - scheme.lowest());
  Qparams params;
  if (scheme.symmetric) {
    const float scale = std::max(-range.min, range.max) / (levels / 2.0F);
    params.scale = round_scale(std::max(scale, kSmallestScale), scheme.scale_dtype);
    return params;
  }
  float scale = (range.max - range.min) / levels;
  if (!std::isfinite(scale)) { // only where the width itself overflows f32
    scale = range.max / levels - range.min / levels;
  }
  params.scale = round_scale(std::max(scale, kSmallestScale), scheme.scale_dtype);
  // nearbyint rounds half to even; the quotient lies within the codes' width, so it fits.
  const auto below = static_cast<int32_t>(std::nearbyint(range.min / params.scale));
  params.zero_point = std::clamp(scheme.lowest() - below, scheme.lowest(), scheme.highest());
  return params;
}

} // namespace monoquant::quant
