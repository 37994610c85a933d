#include "monoquant/run/band_encoder.h"

#include <algorithm>
#include <tuple>

#include "monoquant/base/text.h"
#include "monoquant/container/deflate.h"
#include "monoquant/quant/method.h"

namespace monoquant::run {
namespace {

using plan::Decision;
using plan::TensorPlan;

/// Bytes of data that a block of source can become at most.
size_t max_data_bytes(const Tiling &tiling, const layout::RowCodec *codec, size_t block_bytes) {
  const uint64_t elements = std::min<uint64_t>(block_bytes / tiling.element_bytes, tiling.elements);
  if (codec == nullptr) {
    return static_cast<size_t>(elements * 2); // a 16-bit float each
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
                      scheme.group_size, scheme.scale_dtype, scheme.method, scheme.signed_scales,
                      stored.weights_only, stored.matrices, stored.rows, stored.columns);
  };
  return facts(a) == facts(b);
}

/// Rows of a usual band.
uint64_t band_rows(const Tiling &tiling) {
  return std::min(tiling.rows, tiling.units_per_band / tiling.parts_per_row * tiling.rows_per_unit);
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
  size_t scopes = 0;
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
      const layout::Stored &stored = quantize->stored;
      codecs_[i] = codec_of(stored);
      const uint64_t rows = band_rows(tiling);
      const uint64_t in_band = stored.shares_scale() ? 1 : rows * stored.groups();
      scopes = std::max(scopes, static_cast<size_t>(in_band));
      tail_buffer_bytes_ =
          std::max(tail_buffer_bytes_, static_cast<size_t>(codecs_[i]->most_band_bytes(rows)));
    }
    data_buffer_bytes_ =
        std::max(data_buffer_bytes_, max_data_bytes(tiling, codecs_[i], block_bytes));
    units = std::max(units, tiling.units_in(block_bytes));
    unit_elements = std::max(unit_elements, tiling.unit_end(0) - tiling.unit_begin(0));
  }
  scratch_.assign(workers.count(), std::vector<float>(static_cast<size_t>(unit_elements)));
  results_.resize(static_cast<size_t>(units));
  ranges_.resize(scopes);
  scales_.resize(scopes);
  zero_points_.resize(scopes);
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
    if (only_ranges) {
      measure(slice, input);
    } else if (tensor_->decision() == Decision::kConvert) {
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
  scopes_ = 0;
  if (tensor_->decision() == Decision::kQuantize) {
    const uint64_t row_scopes = (end_row - first_row_) * stored().groups();
    scopes_ = static_cast<size_t>(stored().shares_scale() ? 1 : row_scopes);
    std::fill_n(ranges_.begin(), tiling_->passes == 2 ? scopes_ : 0, quant::Range{});
  }
  data_ = {places_[0].offset + data_offset(slice.begin), 0, 0, index_};
  checksum_.reset();
  errors_ = {};
  edge_scales_ = 0;
}

template <typename Work>
void BandEncoder::for_each_unit(const Slice &slice, std::span<const uint8_t> input,
                                const Work &work) {
  const Dtype from = plan_.catalog->tensors[tensor_->source].dtype;
  const bool is_decoded =
      !quant::has_kernels(from) ||
      (codec_ != nullptr && quant::facts_of(stored().scheme.method).needs_floats);
  workers_.run(static_cast<size_t>(slice.end - slice.begin), [&](size_t index, size_t worker) {
    const uint64_t unit = slice.begin + index;
    const uint64_t at =
        (tiling_->unit_begin(unit) - tiling_->unit_begin(slice.begin)) * tiling_->element_bytes;
    const auto bytes =
        input.subspan(static_cast<size_t>(at), static_cast<size_t>(tiling_->bytes(unit, unit + 1)));
    const Values values = is_decoded ? Values(quant::decode_values(from, bytes, scratch_[worker]))
                                     : Values(from, bytes);
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
    const quant::Qparams chosen = quant::choose_qparams(ranges_[i], stored().scheme);
    const bool zeros = ranges_[i].min == 0 && ranges_[i].max == 0;
    const bool edge = chosen.scale <= quant::edge_scale(stored().scheme.scale_dtype);
    edge_scales_ += edge && !zeros ? 1 : 0;
    qparams().set(i, chosen);
  }
}

void BandEncoder::convert(const Slice &slice, std::span<const uint8_t> input, uint8_t *data) {
  const Dtype target = tensor_->convert()->to;
  for_each_unit(slice, input, [&](UnitResult &result, const Values &values, uint64_t unit) {
    result = run::convert(values, target, data + data_offset(unit) - data_offset(slice.begin));
  });
}

void BandEncoder::quantize(const Slice &slice, std::span<const uint8_t> input, uint8_t *data) {
  for_each_unit(slice, input, [&](UnitResult &result, const Values &values, uint64_t unit) {
    const size_t write =
        tiling_->parts_per_row > 1 ? values.count() : static_cast<size_t>(tiling_->columns);
    const bool feeds_back = quant::facts_of(stored().scheme.method).needs_moments;
    const UnitShape shape{write, tiling_->passes == 2, importance(unit, write),
                          feeds_back ? feedback_ : nullptr};
    result = encode_unit(values, stored().scheme, *codec_, shape, qparams().from(first_scope(unit)),
                         data + data_offset(unit) - data_offset(slice.begin));
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

std::optional<plan::Unfit> BandEncoder::find_unfit(const Slice &slice) const {
  const plan::Convert *convert = tensor_->convert();
  const plan::Quantize *quantize = tensor_->quantize();
  const Dtype scale = quantize == nullptr ? Dtype::kF32 : quantize->stored.scheme.scale_dtype;
  const uint32_t limit =
      convert == nullptr ? too_large_for_codes(scale) : overflow_magnitude(convert->to);
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
  data_.digest = checksum_.digest();
  extents.push_back(data_);
  if (tensor_->decision() != Decision::kQuantize) {
    return;
  }
  uint8_t *to = tail.data();
  size_t stream = 0;
  for (const plan::Place &place : places_) {
    if (place.written == layout::Written::kByBand) {
      ++stream;
      uint8_t *const end = codec_->encode_band(stream, first_row_, qparams(), to);
      const uint64_t offset = place.offset + codec_->band_offset(stream, first_row_);
      writes.push_back({offset, {to, end}});
      extents.push_back(extent_of(plan_, offset, writes.back().bytes, index_));
      to = end;
    }
  }
}

bool BandEncoder::is_in_place(const BandRecord &record) {
  select(record.tensor);
  const uint64_t first = record.band * tiling_->units_per_band;
  const uint64_t end = std::min(tiling_->units, first + tiling_->units_per_band);
  size_t range = 0;
  const auto begins_at = [&](uint64_t offset) {
    return range < record.ranges.size() && record.ranges[range++].offset == offset;
  };
  bool is_right = begins_at(places_[0].offset + data_offset(first)) &&
                  record.ranges[0].bytes == data_offset(end) - data_offset(first);
  size_t stream = 0;
  for (const plan::Place &place : places_) {
    if (codec_ != nullptr && place.written == layout::Written::kByBand) {
      ++stream;
      const uint64_t row = tiling_->unit_row(first);
      is_right = is_right && begins_at(place.offset + codec_->band_offset(stream, row));
    }
  }
  return is_right && range == record.ranges.size();
}

uint64_t BandEncoder::data_offset(uint64_t unit) const {
  if (codec_ == nullptr) {
    return tiling_->unit_begin(unit) * (tensor_->convert() == nullptr ? 1 : 2);
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
  const bool grouped = stored().scheme.strategy == quant::Strategy::kGroup;
  const uint64_t before = grouped ? part * (kUnitElements / stored().scheme.group_size) : 0;
  return static_cast<size_t>((tiling_->unit_row(unit) - first_row_) * stored().groups() + before);
}

} // namespace monoquant::run
