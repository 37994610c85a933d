// The layout "bitnet", as transformers packs it: read only. Weights X.weight [out, in] of a module X, -1, 0 or 1:
//
//   X.weight        U8 [out/4, in]: row r holds in two bits each, from the lowest on, code + 1 of rows r, r + out/4,
//                   r + out/2 and r + 3*out/4
//   X.weight_scale  [1]: "autobitlinear" multiplies with it, "bitlinear" divides by it (linear_class)
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kBitnet;

} // namespace monoquant::layout
