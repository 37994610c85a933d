// The layout "quanto", as optimum-quanto writes it: read only. Weights X.weight [out, in] of a module X:
//
//   8 bits  X.weight._data        I8 [out, in] (F8 is read by fp8_scaled)
//           X.weight._scale       [out, 1]: value = code * scale
//   4 or 2  X.weight._data._data  U8 [n/2 or n/4, group]: a row is a group. Byte row r holds row r in the lowest bits,
//                                 above it row r + n/2; or, of 2 bits, rows r + n/4, r + n/2 and r + 3*n/4
//           X.weight._scale, X.weight._shift  [n, 1]: value = code * scale - shift, each step rounded to their type
//   X.input_scale, X.output_scale  of activations
//
// The shape of weights in groups stands nowhere; see coded/linear_shape.h.
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kQuanto;

} // namespace monoquant::layout
