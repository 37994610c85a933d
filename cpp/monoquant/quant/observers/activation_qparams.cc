#include "monoquant/quant/observers/activation_qparams.h"

#include <algorithm>

#include "monoquant/base/text.h"
#include "monoquant/quant/qparams.h"

namespace monoquant::quant {
namespace {

constexpr int32_t kMostCodes = 256;

/// x86's conversion: what does not fit, and NaN, becomes the smallest int32.
int32_t to_int32(float value) {
  return value >= -0x1p31F && value < 0x1p31F ? static_cast<int32_t>(value)
                                              : std::numeric_limits<int32_t>::min();
}

int32_t wrapping_difference(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}

} // namespace

ActivationScheme signed_8_bit(bool symmetric) { return {-128, 127, symmetric, false, 0}; }

ActivationScheme unsigned_8_bit(bool symmetric) { return {0, 255, symmetric, true, 128}; }

ActivationScheme activation_scheme(const Scheme &scheme) {
  return {scheme.lowest(), scheme.highest(), scheme.symmetric, false, 0};
}

Result<ActivationScheme> custom_codes(int32_t lowest, int32_t highest, bool symmetric,
                                      bool is_unsigned) {
  const int32_t least = is_unsigned ? 0 : -kMostCodes;
  if (lowest > 0 || highest < 0 || lowest >= highest || lowest < least || highest > kMostCodes ||
      highest - lowest >= kMostCodes) {
    return Error{ErrorCode::kInvalidOptions,
                 concat("Expected at most ", kMostCodes, is_unsigned ? " unsigned" : " signed",
                        " codes with 0 among them, found ", lowest, " to ", highest, "."),
                 "Use a range such as -128 to 127 or 0 to 255.",
                 {},
                 {}};
  }
  return ActivationScheme{lowest, highest, symmetric, is_unsigned,
                          is_unsigned ? (lowest + highest) >> 1 : 0};
}

Result<ActivationScheme> reduced_range(const ActivationScheme &scheme) {
  if (scheme.symmetric && scheme.is_unsigned) {
    return Error{ErrorCode::kInvalidOptions,
                 "Expected signed or asymmetric codes for a reduced range, found unsigned "
                 "symmetric ones.",
                 "Use signed codes, or the full range.",
                 {},
                 {}};
  }
  ActivationScheme reduced = scheme;
  reduced.lowest >>= 1;
  reduced.highest >>= 1;
  return reduced;
}

ActivationQparams choose_activation_qparams(ObservedRange range, const ActivationScheme &scheme) {
  if (!range.is_observed()) {
    return {};
  }
  const float below = smaller(range.min, 0.0F);
  const float above = larger(range.max, 0.0F);
  const auto steps = static_cast<float>(scheme.highest - scheme.lowest);
  ActivationQparams params;
  if (scheme.symmetric) {
    params.scale = larger(larger(-below, above) / (steps / 2.0F), kSmallestScale);
    params.zero_point = scheme.middle;
    return params;
  }
  params.scale = larger((above - below) / steps, kSmallestScale);
  const int32_t code_of_zero =
      wrapping_difference(scheme.lowest, to_int32(std::nearbyint(below / params.scale)));
  params.zero_point = std::clamp(code_of_zero, scheme.lowest, scheme.highest);
  return params;
}

} // namespace monoquant::quant
