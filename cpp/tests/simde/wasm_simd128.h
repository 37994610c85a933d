// WebAssembly's SIMD intrinsics on this machine, through SIMDe.
// It exists so that the SIMD kernels run natively too, under sanitizers and debuggers.
// Only the tests' build of simd128.cc finds this header; the two names below are missing from SIMDe 0.7.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/wasm/simd128.h>

#ifndef wasm_u8x16_splat
#define wasm_u8x16_splat(a) simde_wasm_i8x16_splat(static_cast<int8_t>(a))
#endif
