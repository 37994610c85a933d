// What the choices of quantization are called in options, plans and catalogs.
// The same words as in js/api/schemes.ts and js/api/calibration.ts.
#pragma once

#include <string_view>

namespace monoquant::quant {

/// By Strategy.
inline constexpr std::string_view kStrategyWords[] = {"tensor", "channel", "group", "block"};
/// By Method.
inline constexpr std::string_view kMethodWords[] = {"rtn", "mse", "gptq"};
/// By whether it is symmetric.
inline constexpr std::string_view kSchemeWords[] = {"asymmetric", "symmetric"};
/// By RangeMethod; the last one stands for whichever loses least.
inline constexpr std::string_view kObserverWords[] = {"minmax", "moving-average", "histogram",
                                                      "percentile", "auto"};

} // namespace monoquant::quant
