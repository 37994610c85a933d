// The layout "mlx", as mlx-lm writes it. Weights X.weight [.., out, in] of a module X, in groups of a row:
//
//   X.weight  U32 [.., out, in*b/32]  codes of 2 to 8 bits, lowest first, one behind the other from one word to the next
//   X.scales  [.., out, groups]       affine: F16, BF16 or F32; mxfp4 and mxfp8: U8, exponents (E8M0); nvfp4: U8, E4M3
//   X.biases                          affine: as the scales
//
//   affine  value = code * scale + bias, each step rounded to the type of the scales
//   others  value = number * scale: E2M1 or, of mxfp8, E4M3
//
// Only affine ones are written. Which of them, and how many bits, stands in the configuration only, for all modules or for one by its name.
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kMlx;

} // namespace monoquant::layout
