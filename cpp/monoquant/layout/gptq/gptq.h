// The layout "gptq", as GPTQModel, AutoGPTQ and AutoRound write it. Module X with weights [out, in]:
//
//   X.qweight  I32 [in*b/32, out]      column n holds the codes of output n: b = 2 to 8 bits, lowest first, one behind
//                                      the other from one word to the next
//   X.qzeros   I32 [groups, out*b/32]  row g holds the zero points of group g, packed the same way along the outputs
//   X.scales   F16 [groups, out]
//   X.g_idx    I32 [in]                the group of each input; may be missing where groups are in order
//
//   value = (code - zero point) * scale. Version 1 stores zero points less one (modulo 2^b), version 2 as they are
//   (checkpoint_format "gptq" and "gptq_v2"); AutoRound's packing_format "auto_round:auto_gptq" is version 1.
//   Written: symmetric codes as version 1, which every loader knows; asymmetric ones as version 2.
#pragma once

#include <string>

#include "monoquant/layout/layout.h"

namespace monoquant::layout {

extern const Layout kGptq;

/// The three tensors that GPTQ and AWQ have in common, of a module's weights.
struct QuantizedLinear {
  std::string module;
  size_t codes = 0; // of the catalog
  size_t zeros = 0;
  size_t scales = 0;
  uint64_t groups = 0; // as the scales say; 0 where they are no matrix
  uint64_t outputs = 0;

  [[nodiscard]] std::string weight() const { return module + ".weight"; }
};

/// Whether the codes of this module are GPTQ's, or else AWQ's.
bool packs_inputs(const Joining &joining, const QuantizedLinear &linear);

/// All of them in a file: words of codes that have zero points and scales of whatever shape.
std::vector<QuantizedLinear> find_linears(const catalog::Catalog &catalog);

/// Whether zero points and scales are a matrix each, of as many groups; a problem where they are not.
bool has_scales(Joining &joining, const QuantizedLinear &linear);

} // namespace monoquant::layout
