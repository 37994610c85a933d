#include <algorithm>

#include "monoquant/layout/awq/awq.h"
#include "monoquant/layout/bitnet/bitnet.h"
#include "monoquant/layout/bitsandbytes/bitsandbytes.h"
#include "monoquant/layout/comfyui/comfyui.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/layout/fp8_scaled/fp8_scaled.h"
#include "monoquant/layout/gguf/gguf.h"
#include "monoquant/layout/gpt_oss/gpt_oss.h"
#include "monoquant/layout/gptq/gptq.h"
#include "monoquant/layout/hqq/hqq.h"
#include "monoquant/layout/layout.h"
#include "monoquant/layout/mlx/mlx.h"
#include "monoquant/layout/quanto/quanto.h"
#include "monoquant/layout/torchao/torchao.h"

namespace monoquant::layout {
namespace {

constexpr const Layout *kLayouts[] = {
    &kCompressedTensors,
    &kFp8Scaled,
    &kGptq,
    &kAwq,
    &kMlx,
    // Only read.
    &kBitsAndBytes,
    &kGptOss,
    &kHqq,
    &kQuanto,
    &kTorchao,
    &kBitnet,
    &kComfyUi,
    &kGguf,
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
