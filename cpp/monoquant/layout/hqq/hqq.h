// The layout "hqq", as HQQ writes it: read only. Weights X.weight [out, in] of a module X, in groups of a row:
//
//   X.W_q    U8 [n/2 or n/4 or n, group]  a row is a group. Byte row r holds row r in the highest bits, below it row
//                                         r + n/2; or, of 2 bits, rows r + n/4, r + n/2 and r + 3*n/4
//   X.scale, X.zero  [n, 1]               value = (code - zero) * scale, each step rounded to their type
//   X.shape  I32 [2]                      in safetensors files, beside other notes; pickled files have it among what is
//                                         no tensor, so that coded/linear_shape.h has to tell
//
// Groups along the outputs (axis 0), 3 and 1 bits and scales that are codes themselves are not read.
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kHqq;

} // namespace monoquant::layout
