#include "monoquant/layout/bitsandbytes/bitsandbytes.h"

#include <array>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"

namespace monoquant::layout {
namespace bitsandbytes {
namespace {

using catalog::Catalog;
using catalog::Decoding;
using catalog::Fields;
using catalog::Tensor;

constexpr std::array<std::string_view, 2> kStates = {".quant_state.bitsandbytes__nf4",
                                                     ".quant_state.bitsandbytes__fp4"};
constexpr std::string_view kScb = ".SCB";
constexpr std::string_view kFormat = ".weight_format";
constexpr uint64_t kMostStateBytes = 65536; // they have some hundred
constexpr uint64_t kMap = 16;
/// As bitsandbytes multiplies with it. Source: int8_vectorwise_dequant.
constexpr float kOneOf127 = 7.874015718698502e-3F;

/// What has to be read before tensors can be joined.
bool is_note(const Tensor &tensor) {
  const std::string_view name = tensor.name;
  const bool is_state = name.ends_with(kStates[0]) || name.ends_with(kStates[1]);
  return tensor.dtype == Dtype::kU8 && is_plain(tensor) && tensor.bytes > 0 &&
         ((is_state && tensor.bytes <= kMostStateBytes) ||
          (name.ends_with(kFormat) && tensor.bytes == 1));
}

Needs needs(const Catalog &catalog, const ByteWindow &window) {
  std::vector<Need> notes;
  for (const Tensor &tensor : catalog.tensors) {
    if (is_note(tensor) && !window.find(tensor.offset, tensor.bytes)) {
      notes.push_back({tensor.offset, tensor.bytes});
    }
  }
  return read_together(std::move(notes));
}

std::vector<uint64_t> shape_of(const Json &state) {
  std::vector<uint64_t> shape;
  const Json list = state.is_object() ? state.value("shape", Json()) : Json();
  for (const Json &extent : list.is_array() ? list : Json::array()) {
    shape.push_back(extent.is_number_unsigned() ? extent.get<uint64_t>() : 0);
  }
  return shape;
}

class Finder {
public:
  explicit Finder(Joining &joining) : joining_(joining) {}

  void run() {
    for (size_t i = 0; i < joining_.catalog().tensors.size(); ++i) {
      const std::string &name = joining_.tensor(i).name;
      for (const std::string_view state : kStates) {
        if (name.ends_with(state) && is_note(joining_.tensor(i))) {
          look_at_state(i, name.substr(0, name.size() - state.size()));
        }
      }
      if (name.ends_with(kScb)) {
        look_at_int8(i, name.substr(0, name.size() - kScb.size()));
      }
    }
  }

private:
  void look_at_state(size_t index, const std::string &name) {
    const Tensor &note = joining_.tensor(index);
    const auto bytes = joining_.window().find(note.offset, note.bytes);
    const Json state = bytes ? parse_json(text_view(*bytes)) : Json();
    const std::vector<uint64_t> shape = shape_of(state);
    const uint64_t block = coded::number_of(state, "blocksize");
    const auto elements = checked_product(shape);
    if (shape.empty() || !elements || *elements == 0 || block == 0) {
      return joining_.problem("wrong-shape",
                              concat("Expected a shape and a size of blocks in ", note.name,
                                     ", found neither or one of them."),
                              name);
    }
    const auto codes = joining_.find(name, "");
    const auto map = coded::part_at_hand(joining_, name, ".quant_map");
    const auto absmax = coded::part_at_hand(joining_, name, ".absmax");
    if (!codes || !is_plain(joining_.tensor(*codes))) {
      return coded::missing_part(joining_, "leftover-part", name,
                                 concat("the codes that ", note.name, " belongs to"));
    }
    if (!map || !absmax) {
      return coded::missing_part(
          joining_, "missing-scale", name,
          concat("scales in ", name, ".absmax and what codes stand for in ", name, ".quant_map"));
    }
    if (joining_.tensor(*map).elements != kMap) {
      return coded::wrong_part(joining_, name, "16 values (F32)", joining_.tensor(*map));
    }
    const Tensor &scales = joining_.tensor(*absmax);
    if (scales.elements != divide_up(*elements, block)) {
      return coded::wrong_part(joining_, name,
                               concat("one scale for every ", block, " of ", *elements, " values"),
                               scales);
    }
    Decoding decoding;
    decoding.rows = 1;
    decoding.columns = *elements;
    decoding.codes = nibbles(joining_.tensor(*codes), *elements);
    decoding.table = part_of(joining_.tensor(*map));
    decoding.scale_columns = block;
    decoding.scales = coded::plain_fields(scales, 1, scales.elements);
    decoding.zero_scales_are_sound = true;
    coded::Found found{kBitsAndBytes.name, *codes, name, shape, {index, *map, *absmax}, 4, false};
    if (scales.dtype == Dtype::kU8 && !nest(state, found, decoding)) {
      return;
    }
    coded::take(joining_, std::move(found), std::move(decoding));
  }

  /// Any type may hold the bytes.
  static Fields nibbles(const Tensor &tensor, uint64_t elements) {
    Fields fields;
    fields.part = part_of(tensor);
    fields.bits = 4;
    fields.in_word = 2;
    fields.order = Fields::Order::kHighFirst;
    fields.down = 1;
    fields.across = divide_up(elements, 2);
    return fields;
  }

  /// Scales that are codes themselves; false where a part of them is missing.
  bool nest(const Json &state, coded::Found &found, Decoding &decoding) {
    const auto map = coded::part_at_hand(joining_, found.name, ".nested_quant_map");
    const auto absmax = coded::part_at_hand(joining_, found.name, ".nested_absmax");
    const uint64_t block = coded::number_of(state, "nested_blocksize");
    const Json offset = state.value("nested_offset", Json());
    if (!map || !absmax || block == 0 || !offset.is_number()) {
      coded::missing_part(joining_, "missing-scale", found.name,
                          concat("scales of scales in ", found.name, ".nested_absmax and ",
                                 found.name, ".nested_quant_map, and nested_offset"));
      return false;
    }
    decoding.scale_table = part_of(joining_.tensor(*map));
    decoding.outer = part_of(joining_.tensor(*absmax));
    decoding.scales_in_outer = block;
    const auto added = offset.get<double>();
    decoding.scale_offset = added > -1e30 && added < 1e30 ? static_cast<float>(added) : 0;
    found.parts.push_back(*map);
    found.parts.push_back(*absmax);
    return true;
  }

  void look_at_int8(size_t index, const std::string &module) {
    const Tensor &scales = joining_.tensor(index);
    const std::string name = concat(module, ".weight");
    const auto codes = joining_.find(name, "");
    if (!codes || joining_.tensor(*codes).dtype != Dtype::kI8 ||
        !is_plain(joining_.tensor(*codes)) || !is_at_hand(scales)) {
      return;
    }
    const Tensor &tensor = joining_.tensor(*codes);
    coded::Found found{kBitsAndBytes.name, *codes, name, tensor.shape, {index}};
    if (const auto format = joining_.find(module, kFormat)) {
      const Tensor &note = joining_.tensor(*format);
      const auto byte = joining_.window().find(note.offset, 1);
      if (!is_note(note) || !byte || byte->front() != 0) {
        return; // ordered for some graphics card
      }
      found.parts.push_back(*format);
    }
    if (tensor.shape.size() != 2 || scales.dtype != Dtype::kF32 ||
        scales.elements != tensor.shape[0]) {
      return coded::wrong_part(joining_, name,
                               concat("one scale (F32) for each row of ", shape_text(tensor.shape)),
                               scales);
    }
    Decoding decoding;
    decoding.rows = tensor.shape[0];
    decoding.columns = tensor.shape[1];
    decoding.codes = coded::plain_fields(tensor, decoding.rows, decoding.columns);
    decoding.numbers = coded::bytes_of_type(Dtype::kI8);
    decoding.scale_columns = decoding.columns;
    decoding.scales = coded::plain_fields(scales, decoding.rows, 1);
    decoding.factor = kOneOf127;
    decoding.zero_scales_are_sound = true;
    coded::take(joining_, std::move(found), std::move(decoding));
  }

  Joining &joining_;
};

void join(Joining &joining) { Finder(joining).run(); }

} // namespace
} // namespace bitsandbytes

constexpr Layout kBitsAndBytes = {
    .name = "bitsandbytes",
    .fit = bitsandbytes::fit,
    .fits_together = bitsandbytes::fits_together,
    .arrange = bitsandbytes::arrange,
    .streams = bitsandbytes::streams,
    .part_suffixes = bitsandbytes::kPartSuffixes,
    .make_codec = bitsandbytes::make_codec,
    .configuration = bitsandbytes::configuration,
    .needs = bitsandbytes::needs,
    .join = bitsandbytes::join,
    .fault_of_loading = bitsandbytes::fault_of_loading,
};

} // namespace monoquant::layout
