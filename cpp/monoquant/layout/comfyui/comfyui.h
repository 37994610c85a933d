// The layout "comfyui", as far as it is ComfyUI's own: INT8 rows that were rotated (ConvRot), read only. Weights X.weight
// [out, in] of a module X:
//
//   X.weight        I8 [out, in]: codes of rotated rows, in groups of convrot_groupsize neighbours (a power of 4)
//   X.weight_scale  F32 [out, 1] or [1]: value = the rotation undone of code * scale (coded/rotation.h)
//   X.comfy_quant   U8: JSON, {"format": "int8_tensorwise", "convrot": true, "convrot_groupsize": 256}; or the same in
//                   the file's metadata
//
// INT8 rows without rotation are those of compressed_tensors, FP8 is that of fp8_scaled.
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kComfyUi;

} // namespace monoquant::layout
