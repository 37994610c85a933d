#include "monoquant/layout/quanto/quanto.h"

#include <array>

#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/coded/linear_shape.h"

namespace monoquant::layout {
namespace quanto {
namespace {

using catalog::Decoding;
using catalog::Fields;
using catalog::Tensor;

constexpr std::string_view kWhole = ".weight._data";
constexpr std::string_view kPacked = ".weight._data._data";
constexpr std::string_view kInputNames[] = {"input_scale"};

class Finder {
public:
  explicit Finder(Joining &joining) : joining_(joining) {}

  void run() {
    for (size_t i = 0; i < joining_.catalog().tensors.size(); ++i) {
      const Tensor &tensor = joining_.tensor(i);
      const std::string &name = tensor.name;
      const bool is_packed = name.ends_with(kPacked);
      const bool may_be = (is_packed ? tensor.dtype == Dtype::kU8
                                     : tensor.dtype == Dtype::kI8 && name.ends_with(kWhole)) &&
                          tensor.shape.size() == 2 && tensor.elements > 0 && is_plain(tensor);
      if (may_be) {
        const std::string module =
            name.substr(0, name.size() - (is_packed ? kPacked : kWhole).size());
        is_packed ? look_at_groups(i, module) : look_at_rows(i, module);
      }
    }
    joining_.take_inputs(kInputNames);
  }

private:
  /// Scales, or what else of the kind; none where it is no such tensor.
  std::optional<size_t> numbers(const std::string &module, std::string_view suffix) {
    const auto part = coded::part_at_hand(joining_, module, suffix);
    return part && holds_scales(joining_.tensor(*part).dtype) ? part : std::nullopt;
  }

  void take(coded::Found found, const std::string &module, Decoding decoding) {
    if (const auto output = joining_.find(module, ".output_scale")) {
      found.parts.push_back(*output);
    }
    coded::take(joining_, std::move(found), std::move(decoding));
  }

  void look_at_rows(size_t index, const std::string &module) {
    const Tensor &codes = joining_.tensor(index);
    const std::string name = concat(module, ".weight");
    const auto scale = numbers(module, ".weight._scale");
    if (!scale) {
      return coded::missing_part(joining_, "missing-scale", name,
                                 concat("scales in ", name, "._scale"));
    }
    const Tensor &scales = joining_.tensor(*scale);
    if (scales.elements != 1 && scales.elements != codes.shape[0]) {
      return coded::wrong_part(
          joining_, name, concat("one scale for each row of ", shape_text(codes.shape)), scales);
    }
    Decoding decoding;
    decoding.rows = codes.shape[0];
    decoding.columns = codes.shape[1];
    decoding.codes = coded::plain_fields(codes, decoding.rows, decoding.columns);
    decoding.numbers = coded::bytes_of_type(Dtype::kI8);
    decoding.scale_rows = scales.elements == 1 ? decoding.rows : 1;
    decoding.scale_columns = decoding.columns;
    decoding.scales = coded::plain_fields(scales, scales.elements, 1);
    take({kQuanto.name, index, name, codes.shape, {*scale}}, module, std::move(decoding));
  }

  void look_at_groups(size_t index, const std::string &module) {
    const Tensor &codes = joining_.tensor(index);
    const std::string name = concat(module, ".weight");
    const auto scale = numbers(module, ".weight._scale");
    const auto shift = numbers(module, ".weight._shift");
    if (!scale || !shift) {
      return coded::missing_part(
          joining_, "missing-scale", name,
          concat("scales and shifts of groups in ", name, "._scale and ", name, "._shift"));
    }
    const Tensor &scales = joining_.tensor(*scale);
    const Tensor &shifts = joining_.tensor(*shift);
    const uint64_t groups = scales.elements;
    const uint64_t in_byte = groups / codes.shape[0];
    if (groups % codes.shape[0] != 0 || (in_byte != 2 && in_byte != 4)) {
      return coded::wrong_part(
          joining_, name,
          concat("scales for two or four groups of each row of ", shape_text(codes.shape)), scales);
    }
    if (shifts.shape != scales.shape || shifts.dtype != scales.dtype) {
      return coded::wrong_part(joining_, name, concat("a shift for each scale in ", scales.name),
                               shifts);
    }
    const auto shape =
        coded::shape_of_linear(joining_, module, codes.elements * in_byte, codes.shape[1]);
    if (!shape) {
      return; // whoever needs the values is told
    }
    const auto bits = static_cast<uint32_t>(8 / in_byte);
    Decoding decoding;
    decoding.rows = groups;
    decoding.columns = codes.shape[1];
    decoding.codes = coded::packed_rows(codes, bits, codes.shape[0], codes.shape[1]);
    decoding.codes.along = Fields::Along::kRows;
    decoding.codes.order = Fields::Order::kApart;
    decoding.numbers = coded::integers(bits, 0);
    decoding.scale_columns = decoding.columns;
    decoding.scales = coded::plain_fields(scales, groups, 1);
    decoding.zero = Decoding::Zero::kMinusBias;
    decoding.zeros = coded::plain_fields(shifts, groups, 1);
    decoding.rounding = rounding_of(scales.dtype);
    take({kQuanto.name, index, name, *shape, {*scale, *shift}, bits}, module, std::move(decoding));
  }

  static Dtype rounding_of(Dtype dtype) { return dtype == Dtype::kF64 ? Dtype::kF32 : dtype; }

  Joining &joining_;
};

void join(Joining &joining) { Finder(joining).run(); }

} // namespace
} // namespace quanto

constexpr Layout kQuanto = {
    .name = "quanto",
    .join = quanto::join,
};

} // namespace monoquant::layout
