#include "monoquant/layout/gpt_oss/gpt_oss.h"

#include <algorithm>

#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"

namespace monoquant::layout {
namespace gpt_oss {
namespace {

using catalog::Decoding;
using catalog::Fields;
using catalog::Tensor;

constexpr std::string_view kBlocks = "_blocks";
constexpr uint64_t kBlock = 32; // values
constexpr uint64_t kBlockBytes = 16;

void look_at(Joining &joining, size_t index, size_t scale, std::string name) {
  const Tensor &codes = joining.tensor(index);
  const Tensor &scales = joining.tensor(scale);
  if (!std::equal(codes.shape.begin(), codes.shape.end() - 1, scales.shape.begin(),
                  scales.shape.end())) {
    return coded::wrong_part(
        joining, name,
        concat("one exponent for each block of ", codes.name, " (", shape_text(codes.shape), ")"),
        scales);
  }
  const uint64_t outputs = codes.shape[1];
  const uint64_t blocks = codes.shape[2];
  Decoding decoding;
  decoding.matrices = codes.shape[0];
  decoding.rows = blocks * kBlock;
  decoding.columns = outputs;
  decoding.codes = coded::packed_rows(codes, 4, outputs, blocks * kBlockBytes);
  decoding.codes.turned = true;
  decoding.codes.along = Fields::Along::kRows;
  decoding.numbers = coded::small_floats(2, 1);
  decoding.scale_rows = kBlock;
  decoding.scale_columns = 1;
  decoding.scales = coded::plain_fields(scales, outputs, blocks);
  decoding.scales.turned = true;
  decoding.zero_scales_are_sound = true;
  const std::vector<uint64_t> shape = {decoding.matrices, decoding.rows, decoding.columns};
  coded::take(joining, {kGptOss.name, index, std::move(name), shape, {scale}, 4, false},
              std::move(decoding));
}

void join(Joining &joining) {
  for (size_t i = 0; i < joining.catalog().tensors.size(); ++i) {
    const Tensor &tensor = joining.tensor(i);
    const bool may_be = tensor.name.ends_with(kBlocks) && tensor.dtype == Dtype::kU8 &&
                        tensor.shape.size() == 4 && tensor.shape[3] == kBlockBytes &&
                        tensor.elements > 0 && is_plain(tensor);
    const std::string name =
        may_be ? tensor.name.substr(0, tensor.name.size() - kBlocks.size()) : std::string();
    if (!may_be) {
      continue;
    }
    const auto scales = coded::part_at_hand(joining, name, "_scales");
    if (scales && joining.tensor(*scales).dtype == Dtype::kU8) {
      look_at(joining, i, *scales, name);
    } else {
      coded::missing_part(joining, "missing-scale", name,
                          concat("exponents (U8) in ", name, "_scales"));
    }
  }
}

} // namespace
} // namespace gpt_oss

constexpr Layout kGptOss = {
    .name = "mxfp4",
    .join = gpt_oss::join,
};

} // namespace monoquant::layout
