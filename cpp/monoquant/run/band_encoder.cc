#include "monoquant/run/band_encoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <tuple>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"
#include "monoquant/container/deflate.h"
#include "monoquant/layout/coded/rotation.h"
#include "monoquant/quant/method.h"
#include "monoquant/run/changed_rows.h"

namespace monoquant::run {
namespace {

using plan::Decision;
using plan::TensorPlan;

/// Bytes of a value of what a tensor is converted to.
uint64_t float_bytes(const TensorPlan &tensor) {
  const plan::Convert *convert = tensor.convert();
  return convert == nullptr ? 1 : dtype_bits(convert->to) / 8;
}

/// Bytes of data that a block of source can become at most. `value_bytes`: where there is no codec.
size_t max_data_bytes(const Tiling &tiling, const layout::RowCodec *codec, uint64_t value_bytes,
                      size_t block_bytes) {
  const uint64_t elements = std::min<uint64_t>(block_bytes / tiling.element_bytes, tiling.elements);
  if (codec == nullptr) {
    return static_cast<size_t>(elements * value_bytes);
  }
  const uint64_t rows = tiling.rows_in(block_bytes);
  if (tiling.parts_per_row == 1) {
    return static_cast<size_t>(rows * codec->row_bytes(tiling.columns));
  }
  // The last part of each row may be short.
  return static_cast<size_t>((elements / kUnitElements + rows + 1) *
                             codec->row_bytes(kUnitElements));
}

bool is_stored_alike(const layout::Stored &a, const layout::Stored &b) {
  const auto facts = [](const layout::Stored &stored) {
    const quant::Scheme &scheme = stored.scheme;
    return std::tuple(scheme.codebook, scheme.bits, scheme.symmetric, scheme.strategy,
                      scheme.group_size, scheme.block_rows, scheme.scale_dtype, scheme.method,
                      scheme.has_bias, scheme.signed_scales, scheme.outer, scheme.nested,
                      scheme.rotation, stored.weights_only, stored.matrices, stored.rows,
                      stored.columns);
  };
  return facts(a) == facts(b) && a.blocks == b.blocks && a.note == b.note;
}

/// Streams that are written while a tensor is encoded.
constexpr size_t kMostStreams = 3;

/// Values of whole groups of neighbours, which become others. Not finite where one of them is not: then so are sums.
Values rotated(Dtype from, std::span<const uint8_t> bytes, uint32_t rotation,
               std::span<float> scratch) {
  const std::span<const float> values = quant::decode_values(from, bytes, scratch);
  const std::span<float> to = scratch.first(values.size());
  if (values.data() != to.data()) {
    std::copy(values.begin(), values.end(), to.begin());
  }
  for (size_t begin = 0; begin < to.size(); begin += rotation) {
    layout::coded::rotate(to.subspan(begin, rotation));
  }
  return std::span<const float>(to);
}

/// Rows of a usual band; where slices are held, of one of these.
uint64_t band_rows(const Tiling &tiling, const layout::Stored &stored, size_t block_bytes) {
  if (stored.has_outer()) {
    return std::min(tiling.rows, tiling.rows_in(block_bytes) + tiling.rows_per_unit);
  }
  return std::min(tiling.rows, tiling.units_per_band / tiling.parts_per_row * tiling.rows_per_unit);
}

/// An element of a bias, moved; one that would not be finite stays. F32, F16 or BF16.
void store_moved(Dtype dtype, const uint8_t *from, double shift, uint8_t *to) {
  const size_t width = dtype_bits(dtype) / 8;
  const float most = dtype == Dtype::kF32 ? std::numeric_limits<float>::max()
                                          : std::bit_cast<float>(overflow_magnitude(dtype));
  float value = 0;
  value = quant::decode_values(dtype, {from, width}, {&value, 1})[0];
  const double moved = static_cast<double>(value) + shift;
  const bool is_stored = std::fabs(moved) < static_cast<double>(most); // not NaN either
  const float rounded = is_stored ? static_cast<float>(moved) : most;
  if (std::fabs(rounded) >= most) {
    std::copy_n(from, width, to);
  } else if (dtype == Dtype::kF32) {
    store_le(to, rounded);
  } else {
    store_le(to, dtype == Dtype::kF16 ? f32_to_f16(rounded) : f32_to_bf16(rounded));
  }
}

/// Whether the first pass looks for the range of every scope, not of a tensor or of long rows.
bool measures_scopes(const quant::Scheme &scheme) {
  return scheme.strategy == quant::Strategy::kBlock || scheme.nested;
}

/// Whether any f32 can be stored as it is.
bool takes_any(const layout::Stored &stored) {
  return stored.blocks && stored.blocks->type == layout::gguf::BlockType::kF32;
}

} // namespace

WrittenRange extent_of(const plan::Plan &plan, uint64_t offset, std::span<const uint8_t> bytes,
                       size_t tensor) {
  Checksum checksum;
  checksum.add(bytes);
  const uint32_t crc32 = plan.records.empty() ? 0 : container::crc32(0, bytes);
  return {offset, bytes.size(), checksum.digest(), tensor, crc32};
}

BandEncoder::BandEncoder(const plan::Plan &plan, const BandWalk &walk, parallel::Workers &workers,
                         size_t block_bytes)
    : plan_(plan), walk_(walk), workers_(workers) {
  uint64_t units = 0;
  uint64_t unit_elements = 0;
  codecs_.resize(plan.tensors.size());
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const Tiling &tiling = walk.tiling(i);
    const TensorPlan &tensor = plan.tensors[i];
    if (tiling.units == 0 || tensor.decision() == Decision::kCopy) {
      continue; // written from the input block itself, or not at all
    }
    if (const plan::Quantize *quantize = tensor.quantize()) {
      codecs_[i] = codec_of(quantize->stored);
      make_room(quantize->stored, tiling, *codecs_[i], block_bytes);
      if (quantize->correction) {
        make_room_for_bias(i);
      }
    }
    data_buffer_bytes_ = std::max(
        data_buffer_bytes_, max_data_bytes(tiling, codecs_[i], float_bytes(tensor), block_bytes));
    units = std::max(units, tiling.units_in(block_bytes));
    unit_elements = std::max(unit_elements, tiling.unit_end(0) - tiling.unit_begin(0));
  }
  scratch_.assign(workers.count(), std::vector<float>(static_cast<size_t>(unit_elements)));
  results_.resize(static_cast<size_t>(units));
  part_shifts_.resize(shifts_.empty() ? 0 : results_.size());
  held_ = Buffer(held_bytes_);
  tail_buffer_bytes_ += bias_room_;
}

/// For the bands of a tensor.
void BandEncoder::make_room(const layout::Stored &stored, const Tiling &tiling,
                            const layout::RowCodec &codec, size_t block_bytes) {
  const uint64_t rows = band_rows(tiling, stored, block_bytes);
  const uint64_t in_band = stored.shares_scale() ? 1 : rows * stored.groups();
  const size_t scopes = std::max(scales_.size(), static_cast<size_t>(in_band));
  ranges_.resize(scopes);
  scales_.resize(scopes);
  zero_points_.resize(scopes);
  uint64_t tail = codec.most_band_bytes(rows);
  if (codec.is_turned()) {
    const uint64_t held = rows * codec.row_bytes(tiling.columns);
    held_bytes_ = std::max(held_bytes_, static_cast<size_t>(held));
    tail += held;
    uint64_t writes = 0;
    for (size_t stream = 0; stream < kMostStreams; ++stream) {
      writes += codec.pieces(stream).count;
    }
    most_writes_ = std::max(most_writes_, static_cast<size_t>(writes));
  }
  tail_buffer_bytes_ = std::max(tail_buffer_bytes_, static_cast<size_t>(tail));
}

/// What a band has of it stands behind everything else that is written when the band is complete.
void BandEncoder::make_room_for_bias(size_t tensor) {
  const Tiling &tiling = walk_.tiling(tensor);
  const uint64_t rows =
      std::min(tiling.rows, tiling.units_per_band / tiling.parts_per_row * tiling.rows_per_unit);
  shifts_.resize(std::max(shifts_.size(), static_cast<size_t>(rows)));
  bias_room_ = std::max(bias_room_, static_cast<size_t>(rows) * sizeof(float));
}

/// Models of very many tensors have few kinds of them.
const layout::RowCodec *BandEncoder::codec_of(const layout::Stored &stored) {
  constexpr size_t kRecent = 8;
  const size_t first = made_codecs_.size() - std::min(made_codecs_.size(), kRecent);
  for (size_t i = first; i < made_codecs_.size(); ++i) {
    if (is_stored_alike(*made_codecs_[i].first, stored)) {
      return made_codecs_[i].second.get();
    }
  }
  made_codecs_.emplace_back(&stored, plan_.layout->make_codec(stored));
  return made_codecs_.back().second.get();
}

std::optional<plan::Unfit> BandEncoder::encode(const Slice &slice, std::span<const uint8_t> input,
                                               std::span<uint8_t> data, Write &write) {
  if (slice.first_of_band && slice.pass == 0) {
    begin(slice);
  }
  if (tensor_->decision() == Decision::kCopy) {
    write.bytes = input.first(static_cast<size_t>(tiling_->bytes(slice.begin, slice.end)));
  } else {
    const bool only_ranges = slice.pass + 1 < tiling_->passes;
    if (!only_ranges && tensor_->quantize() != nullptr && holds_slices()) {
      begin_slice(slice);
    }
    if (only_ranges) {
      measure(slice, input);
    } else if (tensor_->decision() == Decision::kConvert) {
      convert(slice, input, data.data());
    } else if (is_turned()) {
      quantize(slice, input, held_.data() + held_offset(slice.begin));
    } else {
      quantize(slice, input, data.data());
    }
    if (slice.read == slice.tensor) { // else it is found where that one is encoded
      if (auto unfit = find_unfit(slice)) {
        return unfit;
      }
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
    add_mean_errors(slice);
    if (is_turned()) {
      held_bytes_ = static_cast<size_t>(held_offset(slice.end));
      return std::nullopt;
    }
    write.bytes =
        data.first(static_cast<size_t>(data_offset(slice.end) - data_offset(slice.begin)));
  }
  write.offset = data_.offset + data_.bytes;
  data_.bytes += write.bytes.size();
  checksum_.add(write.bytes);
  if (!plan_.records.empty()) {
    data_.crc32 = container::crc32(data_.crc32, write.bytes);
  }
  return std::nullopt;
}

/// The scales of a slice take the place of those before it.
void BandEncoder::begin_slice(const Slice &slice) {
  const auto scope_at = [&](uint64_t unit) {
    if (unit >= tiling_->units) {
      return tiling_->rows * stored().groups();
    }
    return tiling_->unit_row(unit) * stored().groups() +
           unit % tiling_->parts_per_row * (kUnitElements / stored().scheme.group_size);
  };
  first_row_ = tiling_->unit_row(slice.begin);
  first_scope_ = scope_at(slice.begin) - first_row_ * stored().groups();
  scopes_ = static_cast<size_t>(scope_at(slice.end) - scope_at(slice.begin));
}

std::optional<Write> BandEncoder::scales_of_slice(const Slice &slice, std::span<uint8_t> tail) {
  tail_used_ = 0;
  const bool is_written =
      tensor_->quantize() != nullptr && holds_slices() && slice.pass + 1 == tiling_->passes;
  if (!is_written) {
    return std::nullopt;
  }
  constexpr size_t kScales = 1;
  uint8_t *const end = codec_->encode_band(kScales, first_row_, qparams(), tail.data());
  Write write{slice_scales_.offset + slice_scales_.bytes, {tail.data(), end}};
  tail_used_ = write.bytes.size();
  slice_scales_.bytes += write.bytes.size();
  scales_checksum_.add(write.bytes);
  if (!plan_.records.empty()) {
    slice_scales_.crc32 = container::crc32(slice_scales_.crc32, write.bytes);
  }
  return write;
}

std::optional<plan::Unfit> BandEncoder::look(const Slice &slice, std::span<const uint8_t> input) {
  select(slice.tensor);
  if (tensor_->decision() == Decision::kCopy) {
    return std::nullopt;
  }
  measure(slice, input);
  return find_unfit(slice);
}

void BandEncoder::select(size_t tensor) {
  index_ = tensor;
  tensor_ = &plan_.tensors[tensor];
  places_ = plan::places(plan_, tensor);
  codec_ = codecs_[tensor];
  tiling_ = &walk_.tiling(tensor);
}

void BandEncoder::begin(const Slice &slice) {
  select(slice.tensor);
  const uint64_t end_unit = std::min(tiling_->units, slice.begin + tiling_->units_per_band);
  const uint64_t end_row = end_unit == tiling_->units ? tiling_->rows : tiling_->unit_row(end_unit);
  first_row_ = tiling_->unit_row(slice.begin);
  band_row_ = first_row_;
  band_rows_ = end_row - first_row_;
  if (correction() != nullptr) {
    std::fill_n(shifts_.begin(), static_cast<size_t>(band_rows_), 0.0);
  }
  first_scope_ = 0;
  scopes_ = 0;
  outer_ = 1.0F;
  if (tensor_->decision() == Decision::kQuantize) {
    const uint64_t row_scopes = (end_row - first_row_) * stored().groups();
    const bool is_one =
        stored().shares_scale() || holds_slices(); // range; of slices the scales follow
    scopes_ = static_cast<size_t>(is_one ? 1 : row_scopes);
    std::fill_n(ranges_.begin(), tiling_->passes == 2 ? scopes_ : 0, quant::Range{});
    if (holds_slices()) {
      slice_scales_ = {places_[1].offset, 0, 0, index_};
      scales_checksum_.reset();
    }
  }
  const uint64_t offset =
      is_turned() ? codec_->band_offset(0, first_row_) : data_offset(slice.begin);
  data_ = {places_[0].offset + offset, 0, 0, index_};
  held_bytes_ = 0;
  checksum_.reset();
  errors_ = {};
  edge_scales_ = 0;
}

template <typename Work>
void BandEncoder::for_each_unit(const Slice &slice, std::span<const uint8_t> input,
                                const Work &work) {
  const Dtype from = plan_.catalog->tensors[plan_.tensors[slice.read].source].dtype;
  const Tiling &tiling = walk_.tiling(slice.read);
  const plan::ValueChange *change = plan_.tensors[slice.read].change.get();
  const bool is_decoded =
      change != nullptr || !quant::has_kernels(from) ||
      (codec_ != nullptr &&
       (stored().blocks || quant::facts_of(stored().scheme.method).needs_floats));
  const uint32_t rotation = codec_ == nullptr ? 0 : stored().scheme.rotation;
  workers_.run(static_cast<size_t>(slice.end - slice.begin), [&](size_t index, size_t worker) {
    const uint64_t unit = slice.begin + index;
    const uint64_t at =
        (tiling.unit_begin(unit) - tiling.unit_begin(slice.begin)) * tiling.element_bytes;
    const auto bytes =
        input.subspan(static_cast<size_t>(at), static_cast<size_t>(tiling.bytes(unit, unit + 1)));
    const Values values = is_decoded ? Values(quant::decode_values(from, bytes, scratch_[worker]))
                                     : Values(from, bytes);
    if (change == nullptr || quant::magnitude_of(values) >= kInfinityBits) {
      return work(results_[index],
                  rotation == 0 ? values : rotated(from, bytes, rotation, scratch_[worker]), unit,
                  nullptr);
    }
    const ChangedRows changed(values, tiling.unit_begin(unit), *change);
    const quant::PrunedRows *pruned = changed.pruned();
    if (rotation != 0) {
      return work(results_[index],
                  rotated(Dtype::kF32, changed.values().bytes, rotation, scratch_[worker]), unit,
                  nullptr);
    }
    work(results_[index], changed.values(), unit, pruned);
  });
}

void BandEncoder::measure(const Slice &slice, std::span<const uint8_t> input) {
  const bool has_scopes = tensor_->quantize() != nullptr && measures_scopes(stored().scheme);
  for_each_unit(slice, input,
                [&](UnitResult &result, const Values &values, uint64_t unit,
                    const quant::PrunedRows * /*pruned*/) {
                  result = run::measure(values);
                  if (has_scopes && result.magnitude < kInfinityBits) {
                    measure_scopes(values, unit);
                  }
                });
}

/// Of parts of rows, which are this unit's own.
void BandEncoder::measure_scopes(const Values &values, uint64_t unit) {
  const auto size = static_cast<size_t>(stored().scheme.group_size);
  quant::kernels()
      .of(values.dtype)
      .ranges(values.bytes.data(), size, values.count() / size, &ranges_[first_scope(unit)]);
}

/// Adds the units' ranges to their scopes'; after the last slice these are complete.
void BandEncoder::merge_ranges(const Slice &slice) {
  const bool has_scopes = measures_scopes(stored().scheme);
  for (uint64_t unit = slice.begin; unit < slice.end && !has_scopes; ++unit) {
    const quant::Range &seen = results_[static_cast<size_t>(unit - slice.begin)].range;
    quant::Range &range = ranges_[holds_slices() ? 0 : first_scope(unit)];
    range.min = std::min(range.min, seen.min);
    range.max = std::max(range.max, seen.max);
  }
  if (!slice.last_of_band) {
    return;
  }
  if (holds_slices()) {
    outer_ = quant::outer_number(std::max(-ranges_[0].min, ranges_[0].max), stored().scheme);
    return;
  }
  if (stored().scheme.strategy == quant::Strategy::kBlock) {
    merge_blocks();
  }
  for (size_t i = 0; i < scopes_; ++i) {
    const quant::Qparams chosen = quant::choose_qparams(ranges_[i], stored().scheme);
    const bool zeros = ranges_[i].min == 0 && ranges_[i].max == 0;
    const bool edge = stored().scheme.has_kernels() &&
                      chosen.scale <= quant::edge_scale(stored().scheme.scale_dtype);
    edge_scales_ += edge && !zeros ? 1 : 0;
    qparams().set(i, chosen);
  }
  codec_->settle(qparams());
}

/// The rows of a block have all one range. Blocks begin anew with each matrix, and bands with a block.
void BandEncoder::merge_blocks() {
  const auto groups = static_cast<size_t>(stored().groups());
  const uint64_t block_rows = stored().scheme.block_rows;
  const auto rows = static_cast<size_t>(scopes_ / groups);
  for (size_t row = 0; row < rows;) {
    const uint64_t in_matrix = (first_row_ + row) % stored().rows;
    const uint64_t left = std::min(block_rows, stored().rows - in_matrix);
    const size_t end = row + static_cast<size_t>(std::min<uint64_t>(left, rows - row));
    for (size_t group = 0; group < groups; ++group) {
      quant::Range all;
      for (size_t i = row; i < end; ++i) {
        all.min = std::min(all.min, ranges_[i * groups + group].min);
        all.max = std::max(all.max, ranges_[i * groups + group].max);
      }
      for (size_t i = row; i < end; ++i) {
        ranges_[i * groups + group] = all;
      }
    }
    row = end;
  }
}

void BandEncoder::convert(const Slice &slice, std::span<const uint8_t> input, uint8_t *data) {
  const Dtype target = tensor_->convert()->to;
  for_each_unit(slice, input,
                [&](UnitResult &result, const Values &values, uint64_t unit,
                    const quant::PrunedRows *pruned) {
                  result = run::convert(values, target,
                                        data + data_offset(unit) - data_offset(slice.begin));
                  if (pruned != nullptr) {
                    quant::add_pruned(*pruned, {}, result.sums);
                  }
                });
}

void BandEncoder::quantize(const Slice &slice, std::span<const uint8_t> input, uint8_t *data) {
  for_each_unit(slice, input,
                [&](UnitResult &result, const Values &values, uint64_t unit,
                    const quant::PrunedRows *pruned) {
                  const size_t write = tiling_->parts_per_row > 1
                                           ? values.count()
                                           : static_cast<size_t>(tiling_->columns);
                  const bool feeds_back = quant::facts_of(stored().scheme.method).needs_moments;
                  const UnitShape shape{write,
                                        tiling_->passes == 2 && !holds_slices(),
                                        importance(unit, write),
                                        feeds_back ? feedback_ : nullptr,
                                        takes_any(stored()),
                                        mean_errors(slice, unit, values.count() / write),
                                        pruned};
                  uint8_t *const to = data + data_offset(unit) - data_offset(slice.begin);
                  result = stored().blocks ? encode_blocks(values, *codec_, shape, to)
                                           : encode_unit(values, stored().scheme, *codec_, shape,
                                                         qparams().from(first_scope(unit)), to);
                });
}

std::span<const float> BandEncoder::importance(uint64_t unit, size_t write) const {
  const auto &importance = tensor_->quantize()->importance;
  if (importance == nullptr) {
    return {};
  }
  const uint64_t column = unit % tiling_->parts_per_row * kUnitElements;
  return std::span(*importance).subspan(static_cast<size_t>(column), write);
}

const plan::BiasCorrection *BandEncoder::correction() const {
  const plan::Quantize *quantize = tensor_->quantize();
  return quantize != nullptr && quantize->correction ? &*quantize->correction : nullptr;
}

/// Whole rows are this unit's own; of a row that is cut, each part has a sum.
MeanErrors BandEncoder::mean_errors(const Slice &slice, uint64_t unit, size_t pieces) {
  const plan::BiasCorrection *correction = this->correction();
  if (correction == nullptr) {
    return {};
  }
  const uint64_t row = tiling_->unit_row(unit);
  const bool is_part = tiling_->parts_per_row > 1;
  double *const sums = is_part ? &part_shifts_[static_cast<size_t>(unit - slice.begin)]
                               : &shifts_[static_cast<size_t>(row - band_row_)];
  return {*correction->means,
          static_cast<size_t>(tiling_->columns),
          static_cast<size_t>(unit % tiling_->parts_per_row * kUnitElements),
          row,
          correction->rows_per_group,
          {sums, pieces}};
}

/// Parts of rows in their order, for rounding depends on it.
void BandEncoder::add_mean_errors(const Slice &slice) {
  if (correction() == nullptr || tiling_->parts_per_row == 1) {
    return;
  }
  for (uint64_t unit = slice.begin; unit < slice.end; ++unit) {
    shifts_[static_cast<size_t>(tiling_->unit_row(unit) - band_row_)] +=
        part_shifts_[static_cast<size_t>(unit - slice.begin)];
  }
}

/// Where a row's element of the bias is in the output.
uint64_t BandEncoder::bias_offset(uint64_t row) const {
  const size_t bias = correction()->bias;
  return plan::places(plan_, bias)[0].offset +
         row * (dtype_bits(plan_.catalog->tensors[plan_.tensors[bias].source].dtype) / 8);
}

/// What the band has of it. Returns the end of what was written.
uint8_t *BandEncoder::correct_bias(uint8_t *to) const {
  const Dtype dtype = plan_.catalog->tensors[plan_.tensors[correction()->bias].source].dtype;
  const size_t width = dtype_bits(dtype) / 8;
  const uint8_t *from = bias_.data() + static_cast<size_t>(band_row_) * width;
  for (size_t row = 0; row < static_cast<size_t>(band_rows_); ++row) {
    store_moved(dtype, from + row * width, shifts_[row], to);
    to += width;
  }
  return to;
}

std::optional<plan::Unfit> BandEncoder::find_unfit(const Slice &slice) const {
  const plan::Convert *convert = tensor_->convert();
  const plan::Quantize *quantize = tensor_->quantize();
  const Dtype scale = quantize == nullptr ? Dtype::kF32 : quantize->stored.scheme.scale_dtype;
  if (quantize != nullptr && takes_any(quantize->stored)) {
    return std::nullopt;
  }
  const uint32_t limit = convert != nullptr ? overflow_magnitude(convert->to)
                         : quantize != nullptr && quantize->stored.blocks
                             ? kInfinityBits - 1 // see encode_blocks
                             : too_large_for_codes(scale);
  for (uint64_t unit = slice.begin; unit < slice.end; ++unit) {
    const uint32_t magnitude = results_[static_cast<size_t>(unit - slice.begin)].magnitude;
    if (magnitude >= limit) {
      const bool finite = magnitude < kInfinityBits;
      return plan::Unfit{
          tensor_->source, finite ? plan::Reason::kOverflow : plan::Reason::kNonFinite,
          concat(!finite                ? "NaN, infinity or a value beyond f32"
                 : convert != nullptr   ? "a value too large for the 16-bit type"
                 : scale == Dtype::kF16 ? "a value too large for scales of F16"
                                        : "a value so large that its code may stand for infinity",
                 ", among elements ", tiling_->unit_begin(unit), " to ",
                 tiling_->unit_end(unit) - 1)};
    }
  }
  return std::nullopt;
}

void BandEncoder::finish(std::span<uint8_t> tail, std::vector<Write> &writes,
                         std::vector<WrittenRange> &extents) {
  uint8_t *to = tail.data() + tail_used_;
  if (is_turned()) {
    to = codec_->turn(first_row_, held_.span().first(held_bytes_), to);
    add_stream(0, data_.offset, {tail.data(), to}, writes, extents);
  } else {
    data_.digest = checksum_.digest();
    extents.push_back(data_);
  }
  if (tensor_->decision() != Decision::kQuantize) {
    return;
  }
  size_t stream = 0;
  for (const plan::Place &place : places_) {
    if (place.written == layout::Written::kByBand) {
      ++stream;
      if (stream == 1 && holds_slices()) {
        slice_scales_.digest = scales_checksum_.digest();
        extents.push_back(slice_scales_);
        continue;
      }
      uint8_t *const end = codec_->encode_band(stream, first_row_, qparams(), to);
      const uint64_t offset = place.offset + codec_->band_offset(stream, first_row_);
      add_stream(stream, offset, {to, end}, writes, extents);
      to = end;
    }
  }
  if (correction() != nullptr) {
    const std::span<const uint8_t> bias{to, correct_bias(to)};
    writes.push_back({bias_offset(band_row_), bias});
    extents.push_back(extent_of(plan_, writes.back().offset, bias, index_));
  }
}

/// Pieces that touch are one.
layout::Pieces BandEncoder::pieces_of(size_t stream, uint64_t bytes) const {
  const layout::Pieces pieces = codec_->pieces(stream);
  return pieces.count == 1 || pieces.apart * pieces.count == bytes ? layout::Pieces{} : pieces;
}

/// What a stream has of the band, piece by piece.
void BandEncoder::add_stream(size_t stream, uint64_t offset, std::span<const uint8_t> bytes,
                             std::vector<Write> &writes, std::vector<WrittenRange> &extents) const {
  extents.push_back(extent_of(plan_, offset, bytes, index_));
  WrittenRange &extent = extents.back();
  extent.pieces = pieces_of(stream, bytes.size());
  const auto piece = static_cast<size_t>(extent.piece_bytes());
  for (uint64_t at = 0; at < bytes.size(); at += piece) {
    writes.push_back({extent.offset_of(at), bytes.subspan(static_cast<size_t>(at), piece)});
  }
}

bool BandEncoder::is_in_place(const BandRecord &record) {
  select(record.tensor);
  const uint64_t first = record.band * tiling_->units_per_band;
  const uint64_t end = std::min(tiling_->units, first + tiling_->units_per_band);
  size_t range = 0;
  const uint64_t row = tiling_->unit_row(first);
  const uint64_t end_row = end == tiling_->units ? tiling_->rows : tiling_->unit_row(end);
  const auto begins_at = [&](uint64_t offset, size_t stream) {
    if (range == record.ranges.size()) {
      return false;
    }
    const WrittenRange &written = record.ranges[range++];
    const layout::Pieces pieces =
        codec_ == nullptr ? layout::Pieces() : pieces_of(stream, written.bytes);
    return written.offset == offset && written.pieces.count == pieces.count &&
           written.pieces.apart == pieces.apart;
  };
  const uint64_t data = is_turned() ? codec_->band_offset(0, row) : data_offset(first);
  bool is_right = begins_at(places_[0].offset + data, 0) &&
                  record.ranges[0].bytes == data_offset(end) - data_offset(first);
  size_t stream = 0;
  for (const plan::Place &place : places_) {
    if (codec_ != nullptr && place.written == layout::Written::kByBand) {
      ++stream;
      is_right = is_right && begins_at(place.offset + codec_->band_offset(stream, row), stream);
    }
  }
  if (correction() != nullptr) {
    const uint64_t offset = bias_offset(row);
    is_right = is_right && range < record.ranges.size() && record.ranges[range].offset == offset &&
               record.ranges[range].bytes == bias_offset(end_row) - offset;
    ++range;
  }
  return is_right && range == record.ranges.size();
}

uint64_t BandEncoder::data_offset(uint64_t unit) const {
  if (codec_ == nullptr) {
    return tiling_->unit_begin(unit) * float_bytes(*tensor_);
  }
  const uint64_t row_bytes = codec_->row_bytes(tiling_->columns);
  if (unit >= tiling_->units) {
    return tiling_->rows * row_bytes;
  }
  const uint64_t part = unit % tiling_->parts_per_row;
  return tiling_->unit_row(unit) * row_bytes +
         (part == 0 ? 0 : codec_->row_bytes(part * kUnitElements));
}

size_t BandEncoder::first_scope(uint64_t unit) const {
  if (stored().shares_scale()) {
    return 0;
  }
  const uint64_t part = unit % tiling_->parts_per_row;
  const uint64_t before =
      stored().scheme.cuts_rows() ? part * (kUnitElements / stored().scheme.group_size) : 0;
  return static_cast<size_t>((tiling_->unit_row(unit) - first_row_) * stored().groups() + before -
                             first_scope_);
}

} // namespace monoquant::run
