// The layout "mxfp4" of gpt-oss: experts in four bits, read only. Parameter P [experts, in, out] becomes
//
//   P_blocks  U8 [experts, out, in/32, 16]  E2M1: two codes a byte, the first in the low bits
//   P_scales  U8 [experts, out, in/32]      exponents (E8M0): value = number * 2^(byte - 127)
//
// The parameter lies the other way round than its blocks. Source: transformers' integration of MXFP4, which transposes
// what it decodes.
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kGptOss;

} // namespace monoquant::layout
