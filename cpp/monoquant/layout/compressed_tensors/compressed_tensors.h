// The layout "compressed-tensors", which vLLM, SGLang and transformers load: nothing here is our own invention.
// Parameter P becomes P (int8) or P_packed (int32 words) and P_shape, with P_scale and P_zero_point.
//
//   unpacked   P            I8   shape of P
//              P_scale      [out,1] ([1] per tensor); rank kept with ones: [out,1,1,1], [experts,out,1]
//              P_zero_point I8   as the scale, only where asymmetric
//   packed     P_packed     I32  [out, words]: row by row, element i in bits [i*b, i*b+b), stored as q + 2^(b-1)
//              P_scale      [out, groups], rank kept with ones
//              P_shape      I64  [rank]: the shape of P
//              P_zero_point I32  [ceil(out*b/32), groups]: packed the same way, along the outputs
//              (I8 [1] where the whole tensor shares one)
//   read only  P_g_idx      I32  [in]: the group of each column, where these were ordered by what they do (GPTQ)
//              P_shape may be I32
//   floats     P            F8_E4M3  shape of P
//              P_scale      as unpacked; of blocks [ceil(out/128), in/128]; of MXFP8 U8 [out, in/32], exponents
//   FP4        P_packed     U8 [out, in/2]: the first of two in the low bits
//              P_scale      NVFP4: F8_E4M3 [out, in/16]; MXFP4: U8 [out, in/32], exponents
//              P_global_scale  F32 [1]: NVFP4's scales are these over it (see decodings.h)
//   inputs     X.input_scale       F32 [1], of P's module X
//              X.input_zero_point  I8  [1], only where asymmetric
//              X.input_global_scale  F32 [1], instead, of NVFP4
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kCompressedTensors;

namespace compressed_tensors {

inline constexpr std::string_view kPacked = "_packed";
inline constexpr std::string_view kScale = "_scale";
inline constexpr std::string_view kZeroPoint = "_zero_point";
inline constexpr std::string_view kShape = "_shape";
inline constexpr std::string_view kGroupIndex = "_g_idx";
inline constexpr std::string_view kGlobalScale = "_global_scale";
inline constexpr std::string_view kPartSuffixes[] = {kPacked,    kShape,      kScale,
                                                     kZeroPoint, kGroupIndex, kGlobalScale};
inline constexpr std::string_view kInputScale = "input_scale";
inline constexpr std::string_view kInputZeroPoint = "input_zero_point";
inline constexpr std::string_view kInputGlobalScale = "input_global_scale";
inline constexpr std::string_view kInputNames[] = {kInputScale, kInputZeroPoint};

/// Integers whose inputs stay floats are packed.
inline bool is_packed(const Stored &stored) {
  return stored.weights_only && stored.scheme.has_kernels();
}
/// Small floats, two in a byte.
inline bool is_paired(const Stored &stored) {
  return stored.scheme.codebook == quant::Codebook::kF4E2M1;
}
/// Scales that are exponents: those of microscaling.
inline bool has_exponents(const Stored &stored) {
  return stored.scheme.scale_dtype == Dtype::kF8E8M0;
}
/// Zero points are packed along the outputs; the single one of a whole tensor is a plain int8.
inline bool packs_zero_points(const Stored &stored) {
  return is_packed(stored) && !stored.shares_scale();
}

/// How targets and ignore lists say a name, which is as it is unless they would take it for a regular expression: those
/// begin with "re:" and match from the beginning of a name, so an expression that fits nothing else stands for it.
std::string target_text(std::string_view name);

// The members of Layout.
std::string_view fit(quant::Scheme &scheme, bool weights_only);
std::string arrange(const catalog::Tensor &tensor, Stored &stored);
std::vector<Stream> streams(const catalog::Tensor &tensor, const Stored &stored);
std::unique_ptr<RowCodec> make_codec(const Stored &stored);
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors);
Needs shape_needs(const catalog::Catalog &catalog, const ByteWindow &window);
void join(Joining &joining);
void check(const catalog::Catalog &catalog, std::string_view config, std::string_view where,
           std::vector<catalog::Problem> &problems);
void find_leftovers(const catalog::Catalog &catalog, std::vector<catalog::Problem> &problems);
std::unique_ptr<PartDecoder> make_decoder(size_t block_bytes);

} // namespace compressed_tensors
} // namespace monoquant::layout
