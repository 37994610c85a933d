// The layout "bitsandbytes": read only. A parameter P, or the weights X.weight [out, in] of a module X:
//
//   4 bits  P                     U8 [n/2, 1] (or the same bytes as another type): two codes a byte, the first in the
//                                 high bits, over all elements in row-major order
//           P.quant_map           F32 [16]: what the codes stand for
//           P.absmax              F32: one a block of elements
//           P.quant_state.bitsandbytes__nf4 (or __fp4)  U8: JSON with blocksize and shape
//   nested  P.absmax              U8: codes of P.nested_quant_map, F32 [256], times P.nested_absmax, F32: one of
//                                 nested_blocksize blocks, and nested_offset on top
//   INT8    X.weight              I8 [out, in]: value = code * SCB * (1 / 127)
//           X.SCB                 F32 [out]
//           X.weight_format       U8: 0, row by row
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kBitsAndBytes;

} // namespace monoquant::layout
