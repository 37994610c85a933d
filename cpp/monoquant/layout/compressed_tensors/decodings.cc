#include "monoquant/layout/compressed_tensors/decodings.h"

#include <algorithm>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/coded.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"

namespace monoquant::layout::compressed_tensors {
namespace {

using catalog::Codes;
using catalog::Decoding;
using catalog::Fields;
using catalog::Tensor;

constexpr uint64_t kMicroscaled = 32; // values that share a scale. Source: OCP Microscaling, 5.2

/// A part whose dtype is all that is known of the tensor that it was.
Fields fields_of(const Codes::Part &part, uint64_t down, uint64_t across) {
  Fields fields;
  fields.part = part;
  fields.bits = dtype_bits(part.dtype);
  fields.word_bytes = fields.bits / 8;
  fields.down = down;
  fields.across = across;
  return fields;
}

void pack(Fields &fields, uint32_t bits, bool is_dense) {
  fields.bits = bits;
  fields.word_bytes = 4;
  fields.in_word = is_dense && 32 % bits != 0 ? 0 : 32 / bits;
}

/// What the scales say of the number of columns; 0 where they say nothing that fits the bytes of a row.
struct SmallFloats {
  uint64_t columns = 0;
  uint32_t bits = 0;
};

SmallFloats small_floats_of(uint64_t row_bytes, uint64_t scales, bool is_nvfp4) {
  if (scales == 0 || row_bytes > UINT64_MAX / 64 || scales > UINT64_MAX / 64) {
    return {};
  }
  if (is_nvfp4) {
    const uint64_t columns = row_bytes * 2;
    return columns % scales == 0 ? SmallFloats{columns, 4} : SmallFloats{};
  }
  const uint64_t columns = scales * kMicroscaled;
  const uint64_t bits = row_bytes * 8 / columns;
  const bool fits = row_bytes * 8 % columns == 0 && (bits == 4 || bits == 6);
  return fits ? SmallFloats{columns, static_cast<uint32_t>(bits)} : SmallFloats{};
}

/// [..., a] and [..., b] with the same leading extents.
bool have_rows_in_common(const Tensor &one, const Tensor &other) {
  return one.shape.size() >= 2 && one.shape.size() == other.shape.size() &&
         std::equal(one.shape.begin(), one.shape.end() - 1, other.shape.begin());
}

} // namespace

Decoding decoding_of(const Codes &codes, uint64_t words) {
  Decoding decoding;
  decoding.rows = codes.matrix_rows;
  decoding.columns = codes.columns;
  decoding.matrices = codes.elements / codes.columns / codes.matrix_rows;
  const bool is_shared = codes.scope == codes.elements && codes.scope != codes.columns;
  if (is_shared) { // by all matrices, too
    decoding.rows *= decoding.matrices;
    decoding.matrices = 1;
  }
  const bool is_dense = divide_up(codes.columns * codes.bits, 32) == words;
  decoding.codes = fields_of(codes.data, decoding.rows, words);
  pack(decoding.codes, codes.bits, is_dense);
  decoding.numbers = coded::integers(codes.bits, codes.lowest());
  decoding.scale_columns = std::min(codes.scope, codes.columns);
  decoding.scale_rows = is_shared ? decoding.rows : 1;
  const uint64_t down = divide_up(decoding.rows, decoding.scale_rows);
  const uint64_t across = divide_up(decoding.columns, decoding.scale_columns);
  decoding.scales = fields_of(codes.scale, down, across);
  if (codes.zero_point) {
    decoding.zero = Decoding::Zero::kPoint;
    decoding.zeros = fields_of(*codes.zero_point, down, across);
    if (codes.packed_zero_points) {
      pack(*decoding.zeros, codes.bits, is_dense);
      decoding.zeros->along = Fields::Along::kRows;
      decoding.zeros->down = decoding.zeros->words_for(down);
      decoding.zero_lowest = codes.lowest();
    }
  }
  decoding.group_index = codes.group_index;
  return decoding;
}

void join_small_floats(Joining &joining, size_t packed) {
  const Tensor &data = joining.tensor(packed);
  const std::string name = data.name.substr(0, data.name.size() - kPacked.size());
  const auto scale = joining.find(name, kScale);
  const auto global = joining.find(name, kGlobalScale);
  if (!scale && name.ends_with("weight")) {
    return joining.problem("missing-scale",
                           concat("Expected scales in ", name, kScale, ", found none."), name);
  }
  if (!scale || joining.find(name, "") || !is_plain(data) || !is_at_hand(joining.tensor(*scale))) {
    return;
  }
  const Tensor &scales = joining.tensor(*scale);
  const bool is_exponent = scales.dtype == Dtype::kU8 || scales.dtype == Dtype::kF8E8M0;
  if (global ? scales.dtype != Dtype::kF8E4M3 : !is_exponent) {
    return; // of another layout
  }
  const auto problem = [&](const Tensor &part, std::string_view wanted) {
    joining.problem("wrong-shape",
                    concat("Expected ", wanted, ", found ", part.name, " of ",
                           dtype_name(part.dtype), ", shape ", shape_text(part.shape), "."),
                    name);
  };
  const SmallFloats found =
      have_rows_in_common(data, scales)
          ? small_floats_of(data.shape.back(), scales.shape.back(), global.has_value())
          : SmallFloats{};
  if (found.columns == 0) {
    return problem(scales, concat("scales of groups of the values in ", data.name, " (",
                                  shape_text(data.shape), " bytes)"));
  }
  Decoding decoding;
  decoding.rows = data.elements / data.shape.back();
  decoding.columns = found.columns;
  decoding.codes = coded::packed_rows(data, found.bits, decoding.rows, data.shape.back());
  decoding.numbers = found.bits == 4 ? coded::small_floats(2, 1) : coded::small_floats(2, 3);
  decoding.scale_columns = found.columns / scales.shape.back();
  decoding.scales = coded::plain_fields(scales, decoding.rows, scales.shape.back());
  decoding.zero_scales_are_sound = true;
  Joined joined{name, data.shape, {}, {*scale}};
  joined.shape.back() = found.columns;
  if (global) {
    const Tensor &outer = joining.tensor(*global);
    if (outer.elements != 1 || outer.dtype != Dtype::kF32 || !is_at_hand(outer)) {
      return problem(outer, "one global scale (F32)");
    }
    decoding.outer = part_of(outer);
    decoding.scales_in_outer = UINT64_MAX;
    decoding.divides_by_outer = true;
    joined.parts.push_back(*global);
  }
  // Of activations, whose codes are made when a layer runs.
  if (const auto input = joining.find(catalog::module_name(name), ".input_global_scale")) {
    joined.parts.push_back(*input);
  }
  if (!coded::is_sound(decoding)) {
    return problem(data, "packed floats and their scales");
  }
  joined.codes = coded::codes_of(kCompressedTensors.name, found.bits, false, std::move(decoding));
  joining.take(packed, std::move(joined));
}

} // namespace monoquant::layout::compressed_tensors
