// The layout "torchao": plain subclasses of tensors, read only. A parameter M.P of a module M, usually X.weight:
//
//   in safetensors       in pickles
//   M._P_qdata           M.P.qdata       I8, F8_E4M3 or F8_E5M2 [out, in]
//   M._P_scale           M.P.scale       [out, groups], or of rectangles [down, across]
//   M._P_zero_point      M.P.zero_point  as the scales; integers, or missing
//
//   value = (code - zero point) * scale. Other packings (Int4Tensor) and other parts (act_pre_scale) are not read.
//   The metadata of a safetensors file say which class each tensor has: {"_type": "Int8Tensor", ..}.
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kTorchao;

} // namespace monoquant::layout
