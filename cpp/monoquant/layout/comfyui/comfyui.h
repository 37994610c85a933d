// The layout "comfyui", which ComfyUI loads, and stable-diffusion.cpp if it is INT8. Weights X.weight [out, in] of a
// module X:
//
//   ConvRot  X.weight        I8 [out, in]: codes of rotated rows, in groups of convrot_groupsize neighbours (a power of 4)
//            X.weight_scale  F32 [out, 1] or [1]: value = the rotation undone of code * scale (coded/rotation.h)
//            X.comfy_quant   U8: JSON, {"format": "int8_tensorwise", "convrot": true, "convrot_groupsize": 256}
//   INT8     X.weight        I8 [out, in], -127 to 127
//            X.weight_scale  F32 [out, 1]
//            X.comfy_quant   U8: {"format": "int8_tensorwise"}
//   FP8      X.weight        F8_E4M3 [out, in]
//            X.weight_scale  F32 []
//            X.comfy_quant   U8: {"format": "float8_e4m3fn"}
//
// Notes stand in the file's metadata, too: "_quantization_metadata" {"format_version": "1.0", "layers": {X: note}}.
// Read here is only ConvRot: INT8 rows are those of compressed_tensors, FP8 is that of fp8_scaled.
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kComfyUi;

namespace comfyui {

inline constexpr std::string_view kScale = "_scale";
inline constexpr std::string_view kPartSuffixes[] = {kScale};

// The members of Layout that write.
std::string_view fit(quant::Scheme &scheme, bool weights_only);
std::string arrange(const catalog::Tensor &tensor, Stored &stored);
std::string_view spare(const catalog::Tensor &tensor);
std::vector<Stream> streams(const catalog::Tensor &tensor, const Stored &stored);
std::unique_ptr<RowCodec> make_codec(const Stored &stored);
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors);

} // namespace comfyui
} // namespace monoquant::layout
