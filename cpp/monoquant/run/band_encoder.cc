#include "monoquant/run/band_encoder.h"

#include <algorithm>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"
#include "monoquant/container/deflate.h"
#include "monoquant/run/zero_points.h"

namespace monoquant::run {
namespace {

using plan::Decision;
using plan::Output;
using plan::Role;
using plan::TensorPlan;

/// Bytes of data that a block of source can become at most.
size_t max_data_bytes(const Cut &cut, const TensorPlan &tensor, size_t block_bytes) {
  const uint64_t elements = std::min<uint64_t>(block_bytes / cut.element_bytes, cut.elements);
  switch (tensor.decision) {
  case Decision::kCopy:
  case Decision::kTie:
  case Decision::kDrop:
    return 0; // written from the input block itself, or not at all
  case Decision::kConvert:
    return static_cast<size_t>(elements * 2);
  case Decision::kQuantize:
    break;
  }
  // A byte a code at most, and each packed row may be padded to a word.
  return static_cast<size_t>(elements + cut.rows_in(block_bytes) * 4);
}

/// Scopes of a usual band of a quantized tensor.
size_t max_scopes(const Cut &cut, const TensorPlan &tensor) {
  if (tensor.scheme.strategy == quant::Strategy::kTensor) {
    return 1;
  }
  const uint64_t rows = cut.units_per_band / cut.parts_per_row * cut.rows_per_unit;
  return static_cast<size_t>(std::min(cut.rows, rows) * tensor.groups());
}

} // namespace

Extent extent_of(const plan::Plan &plan, uint64_t offset, std::span<const uint8_t> bytes,
                 size_t tensor) {
  Checksum checksum;
  checksum.add(bytes);
  const uint32_t crc32 = plan.records.empty() ? 0 : container::crc32(0, bytes);
  return {offset, bytes.size(), checksum.digest(), tensor, crc32};
}

BandEncoder::BandEncoder(const plan::Plan &plan, const Slicer &slicer, parallel::Workers &workers,
                         size_t block_bytes)
    : plan_(plan), slicer_(slicer), workers_(workers) {
  size_t scopes = 0;
  uint64_t units = 0;
  uint64_t unit_elements = 0;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const Cut &cut = slicer.cut(i);
    const TensorPlan &tensor = plan.tensors[i];
    if (cut.units == 0 || tensor.decision == Decision::kCopy) {
      continue;
    }
    data_buffer_bytes_ = std::max(data_buffer_bytes_, max_data_bytes(cut, tensor, block_bytes));
    units = std::max(units, cut.units_in(block_bytes));
    unit_elements = std::max(unit_elements, cut.unit_end(0) - cut.unit_begin(0));
    if (tensor.decision == Decision::kQuantize) {
      scopes = std::max(scopes, max_scopes(cut, tensor));
    }
  }
  // A scale has four bytes, a zero point one, and packed ones of a few rows still fill whole words.
  tail_buffer_bytes_ = scopes * 8 + 8;
  scratch_.assign(workers.count(), std::vector<float>(static_cast<size_t>(unit_elements)));
  results_.resize(static_cast<size_t>(units));
  ranges_.resize(scopes);
  scales_.resize(scopes);
  zero_points_.resize(scopes);
}

std::optional<plan::Unfit> BandEncoder::encode(const Slice &slice, std::span<const uint8_t> input,
                                               std::span<uint8_t> data, Piece &piece) {
  if (slice.first_of_band && slice.pass == 0) {
    begin(slice);
  }
  if (tensor_->decision == Decision::kCopy) {
    piece.bytes = input.first(static_cast<size_t>(cut_->bytes(slice.begin, slice.end)));
  } else {
    const bool only_ranges = slice.pass + 1 < cut_->passes;
    if (only_ranges) {
      measure(slice, input);
    } else if (tensor_->decision == Decision::kConvert) {
      convert(slice, input, data.data());
    } else {
      quantize(slice, input, data.data());
    }
    if (auto unfit = find_unfit(slice)) {
      return unfit;
    }
    if (only_ranges) {
      merge_ranges(slice);
      return std::nullopt;
    }
    for (uint64_t unit = slice.begin; unit < slice.end; ++unit) {
      const UnitResult &result = results_[static_cast<size_t>(unit - slice.begin)];
      errors_.add(result.sums);
      edge_scales_ += result.edge_scales;
    }
    piece.bytes =
        data.first(static_cast<size_t>(data_offset(slice.end) - data_offset(slice.begin)));
  }
  piece.offset = data_.offset + data_.bytes;
  data_.bytes += piece.bytes.size();
  checksum_.add(piece.bytes);
  if (!plan_.records.empty()) {
    data_.crc32 = container::crc32(data_.crc32, piece.bytes);
  }
  return std::nullopt;
}

std::optional<plan::Unfit> BandEncoder::look(const Slice &slice, std::span<const uint8_t> input) {
  select(slice.tensor);
  if (tensor_->decision == Decision::kCopy) {
    return std::nullopt;
  }
  measure(slice, input);
  return find_unfit(slice);
}

void BandEncoder::select(size_t tensor) {
  index_ = tensor;
  tensor_ = &plan_.tensors[tensor];
  cut_ = &slicer_.cut(tensor);
}

void BandEncoder::begin(const Slice &slice) {
  select(slice.tensor);
  const uint64_t end_unit = std::min(cut_->units, slice.begin + cut_->units_per_band);
  const uint64_t end_row = end_unit == cut_->units ? cut_->rows : cut_->unit_row(end_unit);
  first_row_ = cut_->unit_row(slice.begin);
  scopes_ = 0;
  if (tensor_->decision == Decision::kQuantize) {
    const uint64_t row_scopes = (end_row - first_row_) * tensor_->groups();
    scopes_ = static_cast<size_t>(shares_scale() ? 1 : row_scopes);
    std::fill_n(ranges_.begin(), cut_->passes == 2 ? scopes_ : 0, quant::Range{});
  }
  data_ = {tensor_->output(Role::kData)->offset + data_offset(slice.begin), 0, 0, index_};
  checksum_.reset();
  errors_ = {};
  edge_scales_ = 0;
}

template <typename Work>
void BandEncoder::for_each_unit(const Slice &slice, std::span<const uint8_t> input,
                                const Work &work) {
  const Dtype from = plan_.catalog.tensors[tensor_->source].dtype;
  const bool is_searched =
      tensor_->decision == Decision::kQuantize && tensor_->scheme.method == quant::Method::kMse;
  const bool is_decoded = is_searched || !has_kernels(from);
  workers_.run(static_cast<size_t>(slice.end - slice.begin), [&](size_t index, size_t worker) {
    const uint64_t unit = slice.begin + index;
    const uint64_t at =
        (cut_->unit_begin(unit) - cut_->unit_begin(slice.begin)) * cut_->element_bytes;
    const auto bytes =
        input.subspan(static_cast<size_t>(at), static_cast<size_t>(cut_->bytes(unit, unit + 1)));
    const Values values =
        is_decoded ? Values(decode_unit(from, bytes, scratch_[worker])) : Values(from, bytes);
    work(results_[index], values, unit);
  });
}

void BandEncoder::measure(const Slice &slice, std::span<const uint8_t> input) {
  for_each_unit(slice, input, [](UnitResult &result, const Values &values, uint64_t) {
    result = run::measure(values);
  });
}

/// Adds the units' ranges to their scopes'; after the last slice these are complete.
void BandEncoder::merge_ranges(const Slice &slice) {
  for (uint64_t unit = slice.begin; unit < slice.end; ++unit) {
    const quant::Range &seen = results_[static_cast<size_t>(unit - slice.begin)].range;
    quant::Range &range = ranges_[first_scope(unit)];
    range.min = std::min(range.min, seen.min);
    range.max = std::max(range.max, seen.max);
  }
  for (size_t i = 0; slice.last_of_band && i < scopes_; ++i) {
    const quant::Qparams chosen = quant::choose_qparams(ranges_[i], tensor_->scheme);
    const bool zeros = ranges_[i].min == 0 && ranges_[i].max == 0;
    const bool edge = chosen.scale <= quant::edge_scale(tensor_->scheme.scale_dtype);
    edge_scales_ += edge && !zeros ? 1 : 0;
    qparams().set(i, chosen);
  }
}

void BandEncoder::convert(const Slice &slice, std::span<const uint8_t> input, uint8_t *data) {
  const Dtype target = tensor_->output(Role::kData)->dtype;
  for_each_unit(slice, input, [&](UnitResult &result, const Values &values, uint64_t unit) {
    result = run::convert(values, target, data + data_offset(unit) - data_offset(slice.begin));
  });
}

void BandEncoder::quantize(const Slice &slice, std::span<const uint8_t> input, uint8_t *data) {
  for_each_unit(slice, input, [&](UnitResult &result, const Values &values, uint64_t unit) {
    const size_t piece =
        cut_->parts_per_row > 1 ? values.count() : static_cast<size_t>(cut_->columns);
    const UnitShape shape{piece, cut_->passes == 2, importance(unit, piece)};
    result = encode_unit(values, tensor_->scheme, shape, qparams().from(first_scope(unit)),
                         data + data_offset(unit) - data_offset(slice.begin));
  });
}

std::span<const float> BandEncoder::importance(uint64_t unit, size_t piece) const {
  if (tensor_->importance == nullptr) {
    return {};
  }
  const uint64_t column = unit % cut_->parts_per_row * kUnitElements;
  return std::span(*tensor_->importance).subspan(static_cast<size_t>(column), piece);
}

std::optional<plan::Unfit> BandEncoder::find_unfit(const Slice &slice) const {
  const uint32_t limit = tensor_->decision == Decision::kConvert
                             ? overflow_magnitude(tensor_->output(Role::kData)->dtype)
                             : kInfinityBits;
  for (uint64_t unit = slice.begin; unit < slice.end; ++unit) {
    const uint32_t magnitude = results_[static_cast<size_t>(unit - slice.begin)].magnitude;
    if (magnitude >= limit) {
      const bool finite = magnitude < kInfinityBits;
      return plan::Unfit{
          tensor_->source, finite ? plan::Reason::kOverflow : plan::Reason::kNonFinite,
          concat(finite ? "a value too large for the 16-bit type"
                        : "NaN, infinity or a value beyond f32",
                 ", among elements ", cut_->unit_begin(unit), " to ", cut_->unit_end(unit) - 1)};
    }
  }
  return std::nullopt;
}

void BandEncoder::finish(std::span<uint8_t> tail, std::vector<Piece> &pieces,
                         std::vector<Extent> &extents) {
  data_.digest = checksum_.digest();
  extents.push_back(data_);
  if (tensor_->decision != Decision::kQuantize) {
    return;
  }
  const auto add = [&](uint64_t offset, const uint8_t *begin, const uint8_t *end) {
    pieces.push_back({offset, {begin, end}});
    extents.push_back(extent_of(plan_, offset, pieces.back().bytes, index_));
  };
  const uint64_t scopes_before = shares_scale() ? 0 : first_row_ * tensor_->groups();
  const Output &scale = *tensor_->output(Role::kScale);
  uint8_t *scales_end = store_scales(tail.data());
  add(scale.offset + scopes_before * dtype_bits(scale.dtype) / 8, tail.data(), scales_end);
  if (const Output *zero_point = tensor_->output(Role::kZeroPoint)) {
    const uint64_t bytes_before = tensor_->scheme.packs_zero_points()
                                      ? packed_zero_point_bytes(*tensor_, 0, first_row_)
                                      : scopes_before;
    add(zero_point->offset + bytes_before, scales_end, store_zero_points(scales_end));
  }
}

uint8_t *BandEncoder::store_scales(uint8_t *to) {
  for (const float scale : qparams().scales) {
    switch (tensor_->scheme.scale_dtype) {
    case Dtype::kF16:
      store_le(to, f32_to_f16(scale));
      to += 2;
      break;
    case Dtype::kBF16:
      store_le(to, f32_to_bf16(scale));
      to += 2;
      break;
    default:
      store_le(to, scale);
      to += 4;
    }
  }
  return to;
}

uint8_t *BandEncoder::store_zero_points(uint8_t *to) {
  if (tensor_->scheme.packs_zero_points()) {
    return to + pack_zero_points(*tensor_, first_row_, qparams().zero_points, to);
  }
  for (const int32_t zero_point : qparams().zero_points) {
    *to++ = static_cast<uint8_t>(zero_point);
  }
  return to;
}

uint64_t BandEncoder::data_offset(uint64_t unit) const {
  switch (tensor_->decision) {
  case Decision::kCopy:
  case Decision::kTie:
  case Decision::kDrop:
    return cut_->unit_begin(unit);
  case Decision::kConvert:
    return cut_->unit_begin(unit) * 2;
  case Decision::kQuantize:
    break;
  }
  if (unit >= cut_->units) {
    return cut_->rows * tensor_->row_bytes();
  }
  return cut_->unit_row(unit) * tensor_->row_bytes() +
         unit % cut_->parts_per_row * kUnitElements * tensor_->scheme.bits / 8;
}

size_t BandEncoder::first_scope(uint64_t unit) const {
  if (shares_scale()) {
    return 0;
  }
  const uint64_t part = unit % cut_->parts_per_row;
  const bool grouped = tensor_->scheme.strategy == quant::Strategy::kGroup;
  const uint64_t before = grouped ? part * (kUnitElements / tensor_->scheme.group_size) : 0;
  return static_cast<size_t>((cut_->unit_row(unit) - first_row_) * tensor_->groups() + before);
}

} // namespace monoquant::run
