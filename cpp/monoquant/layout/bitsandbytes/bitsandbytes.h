// The layout "bitsandbytes", which transformers, diffusers and vLLM load. A parameter P, or the weights X.weight
// [out, in] of a module X:
//
//   4 bits  P                     U8 [n/2, 1] (or the same bytes as another type): two codes a byte, the first in the
//                                 high bits, over all elements in row-major order
//           P.quant_map           F32 [16]: what the codes stand for
//           P.absmax              F32: one a block of elements
//           P.quant_state.bitsandbytes__nf4 (or __fp4)  U8: JSON with blocksize and shape
//   nested (double quantization)
//           P.absmax              U8: codes of P.nested_quant_map, F32 [256], times P.nested_absmax, F32: one of
//                                 nested_blocksize blocks, and nested_offset on top. Written: blocks of 256; the offset
//                                 stands last in quant_state, with spaces behind it
//   INT8    X.weight              I8 [out, in]: value = code * SCB * (1 / 127)
//           X.SCB                 F32 [out]
//           X.weight_format       U8: 0, row by row
#pragma once

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kBitsAndBytes;

namespace bitsandbytes {

// The members of Layout that write.
std::string_view fit(quant::Scheme &scheme, bool weights_only);
std::string_view fits_together(std::span<const Described> tensors);
std::string arrange(const catalog::Tensor &tensor, Stored &stored);
std::vector<Stream> streams(const catalog::Tensor &tensor, const Stored &stored);
std::unique_ptr<RowCodec> make_codec(const Stored &stored);
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors);
std::string fault_of_loading(const catalog::Catalog &catalog);

inline constexpr std::string_view kPartSuffixes[] = {".absmax",
                                                     ".quant_map",
                                                     ".nested_absmax",
                                                     ".nested_quant_map",
                                                     ".quant_state.bitsandbytes__nf4",
                                                     ".quant_state.bitsandbytes__fp4"};

} // namespace bitsandbytes
} // namespace monoquant::layout
