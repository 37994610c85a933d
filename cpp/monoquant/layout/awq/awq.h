// The layout "awq" (GEMM), as AutoAWQ and AutoRound write it. Module X with weights [out, in]:
//
//   X.qweight  I32 [in, out/8]      row k holds the codes of input k, of 4 bits; those of outputs 8c to 8c+7 lie in word c
//                                   in the order 0 2 4 6 1 3 5 7, from the lowest bits on
//   X.qzeros   I32 [groups, out/8]  zero points, the same way
//   X.scales   F16 [groups, out]
//
//   value = (code - zero point) * scale
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kAwq;

} // namespace monoquant::layout
