#include "monoquant/layout/comfyui/comfyui.h"

#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/coded/rotation.h"
#include "monoquant/layout/comfyui/notes.h"

namespace monoquant::layout {
namespace comfyui {
namespace {

using catalog::Decoding;
using catalog::Tensor;

constexpr std::string_view kFormat = "int8_tensorwise";
constexpr uint64_t kUsualGroup = 256;
constexpr std::string_view kInputNames[] = {"input_scale"};

void look_at(Joining &joining, size_t index, std::optional<size_t> noted, const Json &note) {
  const Tensor &codes = joining.tensor(index);
  const Json group = member_of(note, "convrot_groupsize");
  const uint64_t count =
      group.is_number_unsigned() ? group.get<uint64_t>() : (group.is_null() ? kUsualGroup : 0);
  const uint64_t columns = codes.shape[1];
  if (count < 4 || count > columns || !coded::is_rotated_count(count) || columns % count != 0) {
    return coded::wrong_part(
        joining, codes.name,
        concat("rows that are multiples of the ", count, " values that were rotated together"),
        codes);
  }
  const auto scale = coded::part_at_hand(joining, codes.name, kScale);
  if (!scale) {
    return coded::missing_part(joining, "missing-scale", codes.name,
                               concat("scales in ", codes.name, kScale));
  }
  const Tensor &scales = joining.tensor(*scale);
  if (!holds_scales(scales.dtype) || (scales.elements != 1 && scales.elements != codes.shape[0])) {
    return coded::wrong_part(joining, codes.name,
                             concat("one scale for each row of ", shape_text(codes.shape)), scales);
  }
  Decoding decoding;
  decoding.rows = codes.shape[0];
  decoding.columns = columns;
  decoding.codes = coded::plain_fields(codes, decoding.rows, columns);
  decoding.numbers = coded::bytes_of_type(Dtype::kI8);
  decoding.scale_rows = scales.elements == 1 ? decoding.rows : 1;
  decoding.scale_columns = columns;
  decoding.scales = coded::plain_fields(scales, scales.elements, 1);
  decoding.rotated = static_cast<uint32_t>(count);
  coded::Found found{kComfyUi.name, index, codes.name, codes.shape, {*scale}};
  if (noted) {
    found.parts.push_back(*noted);
  }
  coded::take(joining, std::move(found), std::move(decoding));
}

void join(Joining &joining) {
  const Notes notes(joining.catalog(), joining.window());
  for (size_t i = 0; i < joining.catalog().tensors.size(); ++i) {
    const Tensor &tensor = joining.tensor(i);
    if (tensor.dtype != Dtype::kI8 || tensor.shape.size() != 2 || tensor.elements == 0 ||
        !is_plain(tensor) || !joining.is_claimed(i) || !tensor.name.ends_with(".weight")) {
      continue;
    }
    const std::string_view module = catalog::module_name(tensor.name);
    const auto noted = joining.find(module, kNote);
    const Json note = notes.of(module, noted ? &joining.tensor(*noted) : nullptr);
    const Json format = member_of(note, "format");
    const Json rotated = member_of(note, "convrot");
    if (format == Json(kFormat) && rotated == Json(true)) {
      look_at(joining, i, noted, note);
    }
  }
  joining.take_inputs(kInputNames);
}

} // namespace
} // namespace comfyui

constexpr Layout kComfyUi = {
    .name = "comfyui",
    .fit = comfyui::fit,
    .arrange = comfyui::arrange,
    .spare = comfyui::spare,
    .streams = comfyui::streams,
    .part_suffixes = comfyui::kPartSuffixes,
    .make_codec = comfyui::make_codec,
    .configuration = comfyui::configuration,
    .config_key = comfyui::kNotes,
    .needs = comfyui::note_needs,
    .join = comfyui::join,
};

} // namespace monoquant::layout
