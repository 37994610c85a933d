#include <algorithm>

#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/layout/fp8_scaled/fp8_scaled.h"
#include "monoquant/layout/layout.h"

namespace monoquant::layout {
namespace {

constexpr const Layout *kLayouts[] = {
    &kCompressedTensors,
    &kFp8Scaled,
};

} // namespace

std::span<const Layout *const> layouts() { return kLayouts; }

const Layout *find_layout(std::string_view name) {
  const auto all = layouts();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Layout *each) { return each->name == name; });
  return found == all.end() ? nullptr : *found;
}

} // namespace monoquant::layout
