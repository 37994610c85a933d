#include "monoquant/layout/hqq/hqq.h"

#include <array>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/coded/linear_shape.h"

namespace monoquant::layout {
namespace hqq {
namespace {

using catalog::Catalog;
using catalog::Decoding;
using catalog::Fields;
using catalog::Tensor;

constexpr std::string_view kCodes = ".W_q";
constexpr std::string_view kShape = ".shape";
/// What else stands beside the codes in a safetensors file, and changes none of them.
constexpr std::array<std::string_view, 16> kNotes = {
    ".nbits",         ".group_size",         ".axis",
    ".packing",       ".channel_wise",       ".round_zero",
    ".optimize",      ".view_as_float",      ".quant_scale",
    ".quant_zero",    ".offload_meta",       ".unpack_view_dtype",
    ".compute_dtype", ".encoded_state_dict", ".stores_quant_config",
    ".shape"};

bool is_shape(const Tensor &tensor) {
  return tensor.name.ends_with(kShape) &&
         (tensor.dtype == Dtype::kI32 || tensor.dtype == Dtype::kI64) && tensor.elements == 2 &&
         is_plain(tensor);
}

Needs needs(const Catalog &catalog, const ByteWindow &window) {
  std::vector<Need> shapes;
  for (const Tensor &tensor : catalog.tensors) {
    if (is_shape(tensor) && !window.find(tensor.offset, tensor.bytes)) {
      shapes.push_back({tensor.offset, tensor.bytes});
    }
  }
  return read_together(std::move(shapes));
}

class Finder {
public:
  explicit Finder(Joining &joining) : joining_(joining) {}

  void run() {
    for (size_t i = 0; i < joining_.catalog().tensors.size(); ++i) {
      const Tensor &tensor = joining_.tensor(i);
      if (tensor.name.ends_with(kCodes) && tensor.dtype == Dtype::kU8 && tensor.shape.size() == 2 &&
          tensor.elements > 0 && is_plain(tensor)) {
        look_at(i, tensor.name.substr(0, tensor.name.size() - kCodes.size()));
      }
    }
  }

private:
  void look_at(size_t index, const std::string &module) {
    const Tensor &codes = joining_.tensor(index);
    const std::string name = concat(module, ".weight");
    const auto scale = coded::part_at_hand(joining_, module, ".scale");
    const auto zero = coded::part_at_hand(joining_, module, ".zero");
    if (!scale || !zero) {
      return coded::missing_part(
          joining_, "missing-scale", name,
          concat("scales and zero points in ", module, ".scale and ", module, ".zero"));
    }
    const Tensor &scales = joining_.tensor(*scale);
    const Tensor &zeros = joining_.tensor(*zero);
    if (!holds_scales(scales.dtype) || !holds_scales(zeros.dtype) || scales.shape.size() != 2 ||
        scales.shape[1] != 1) {
      return; // codes themselves, or of groups along the outputs: whoever needs the values is told
    }
    const uint64_t groups = scales.elements;
    const uint64_t in_byte = groups / codes.shape[0];
    if (zeros.elements != groups || groups % codes.shape[0] != 0 ||
        (in_byte != 1 && in_byte != 2 && in_byte != 4)) {
      return coded::wrong_part(joining_, name,
                               concat("scales and zero points for each group in ", codes.name, " (",
                                      shape_text(codes.shape), ")"),
                               zeros.elements == groups ? scales : zeros);
    }
    const auto elements = checked_mul(groups, codes.shape[1]);
    const auto shape = elements ? shape_of(module, *elements, codes.shape[1]) : std::nullopt;
    if (!shape) {
      return;
    }
    const auto bits = static_cast<uint32_t>(8 / in_byte);
    Decoding decoding;
    decoding.rows = groups;
    decoding.columns = codes.shape[1];
    decoding.codes = coded::packed_rows(codes, bits, codes.shape[0], codes.shape[1]);
    decoding.codes.along = Fields::Along::kRows;
    if (in_byte > 1) {
      decoding.codes.order = Fields::Order::kApartHighFirst;
    }
    decoding.numbers = coded::integers(bits, 0);
    decoding.scale_columns = decoding.columns;
    decoding.scales = coded::plain_fields(scales, groups, 1);
    decoding.zero = Decoding::Zero::kPoint;
    decoding.zeros = coded::plain_fields(zeros, groups, 1);
    decoding.rounding = scales.dtype == Dtype::kF64 ? Dtype::kF32 : scales.dtype;
    coded::Found found{kHqq.name, index, name, *shape, {*scale, *zero}, bits};
    for (const std::string_view note : kNotes) {
      if (const auto beside = joining_.find(module, note)) {
        found.parts.push_back(*beside);
      }
    }
    coded::take(joining_, std::move(found), std::move(decoding));
  }

  std::optional<std::vector<uint64_t>> shape_of(const std::string &module, uint64_t elements,
                                                uint64_t group) const {
    const auto stored = joining_.find(module, kShape);
    if (!stored || !is_shape(joining_.tensor(*stored))) {
      return coded::shape_of_linear(joining_, module, elements, group);
    }
    const Tensor &tensor = joining_.tensor(*stored);
    const auto bytes = joining_.window().find(tensor.offset, tensor.bytes);
    if (!bytes) {
      return std::nullopt;
    }
    const size_t width = dtype_bits(tensor.dtype) / 8;
    std::vector<uint64_t> shape;
    for (const size_t at : {size_t{0}, width}) {
      const int64_t extent =
          width == 8 ? load_le<int64_t>(bytes->data() + at) : load_le<int32_t>(bytes->data() + at);
      shape.push_back(extent < 1 ? 0 : static_cast<uint64_t>(extent));
    }
    return checked_product(shape) == elements ? std::optional(shape) : std::nullopt;
  }

  Joining &joining_;
};

void join(Joining &joining) { Finder(joining).run(); }

} // namespace
} // namespace hqq

constexpr Layout kHqq = {
    .name = "hqq",
    .needs = hqq::needs,
    .join = hqq::join,
};

} // namespace monoquant::layout
