// The layout "fp8", which vLLM and SGLang load by that name (quant_method): F8_E4M3 codes with one scale a tensor.
// Files of other tools have the same codes with one scale a row; these are read, too.
//
//   P        F8_E4M3  shape of P: round_half_even(x / scale), at most 448
//   P_scale  F32 [1]  of what is written: the largest |x| / 448
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kFp8Scaled;

namespace fp8_scaled {

inline constexpr std::string_view kScale = "_scale";
inline constexpr std::string_view kPartSuffixes[] = {kScale};
inline constexpr std::string_view kInputNames[] = {"input_scale", "input_zero_point"};

// Members of Layout.
std::unique_ptr<PartDecoder> make_decoder(size_t block_bytes);

} // namespace fp8_scaled
} // namespace monoquant::layout
