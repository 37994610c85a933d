#include "monoquant/plan/reason.h"

#include <array>
#include <cstddef>

namespace monoquant::plan {

std::string_view reason_name(Reason reason) {
  static constexpr std::array<std::string_view, kReasonCount> kNames = {"requested",
                                                                        "override",
                                                                        "ignored",
                                                                        "override-none",
                                                                        "not-float",
                                                                        "one-dimensional",
                                                                        "small",
                                                                        "empty",
                                                                        "norm",
                                                                        "bias",
                                                                        "embedding",
                                                                        "head",
                                                                        "router",
                                                                        "gpt2-conv1d",
                                                                        "layer-not-selected",
                                                                        "unknown-kind",
                                                                        "name-taken",
                                                                        "sibling",
                                                                        "already-narrow",
                                                                        "non-finite",
                                                                        "overflow",
                                                                        "tied",
                                                                        "not-representable",
                                                                        "dequantized",
                                                                        "not-loadable",
                                                                        "weight-norm",
                                                                        "adapter",
                                                                        "no-gain",
                                                                        "left-out",
                                                                        "folded"};
  return kNames[static_cast<size_t>(reason)];
}

} // namespace monoquant::plan
