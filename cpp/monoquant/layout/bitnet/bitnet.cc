#include "monoquant/layout/bitnet/bitnet.h"

#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"

namespace monoquant::layout {
namespace bitnet {
namespace {

using catalog::Decoding;
using catalog::Fields;
using catalog::Tensor;

constexpr uint64_t kInByte = 4;

void look_at(Joining &joining, size_t index, size_t scale, bool divides) {
  const Tensor &codes = joining.tensor(index);
  const Tensor &scales = joining.tensor(scale);
  if (scales.elements != 1 || !holds_scales(scales.dtype)) {
    return coded::wrong_part(joining, codes.name, concat("one scale for all of ", codes.name),
                             scales);
  }
  Decoding decoding;
  decoding.rows = codes.shape[0] * kInByte;
  decoding.columns = codes.shape[1];
  decoding.codes = coded::packed_rows(codes, 2, codes.shape[0], codes.shape[1]);
  decoding.codes.along = Fields::Along::kRows;
  decoding.codes.order = Fields::Order::kApart;
  decoding.numbers = coded::integers(2, -1);
  decoding.scale_rows = decoding.rows;
  decoding.scale_columns = decoding.columns;
  decoding.scales = coded::plain_fields(scales, 1, 1);
  decoding.inverse_scales = divides;
  coded::Found found{kBitnet.name, index, codes.name, {decoding.rows, decoding.columns},
                     {scale},      2};
  coded::take(joining, std::move(found), std::move(decoding));
}

/// Without a configuration, nobody knows what to do with the scales.
void join(Joining &joining) {
  const Json &config = joining.config();
  const std::string kind = coded::text_of(config, "linear_class");
  if (coded::text_of(config, "quant_method") != "bitnet" ||
      (!kind.empty() && kind != "bitlinear" && kind != "autobitlinear")) {
    return;
  }
  for (size_t i = 0; i < joining.catalog().tensors.size(); ++i) {
    const Tensor &tensor = joining.tensor(i);
    const bool may_be = tensor.dtype == Dtype::kU8 && tensor.name.ends_with(".weight") &&
                        tensor.shape.size() == 2 && tensor.elements > 0 && is_plain(tensor) &&
                        tensor.shape[0] <= UINT64_MAX / kInByte;
    const auto scales = may_be ? coded::part_at_hand(joining, tensor.name, "_scale") : std::nullopt;
    if (scales) {
      look_at(joining, i, *scales, kind != "autobitlinear");
    }
  }
}

} // namespace
} // namespace bitnet

constexpr Layout kBitnet = {
    .name = "bitnet",
    .join = bitnet::join,
};

} // namespace monoquant::layout
