#include "monoquant/run/encode_stage.h"

#include <algorithm>
#include <bit>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/run/zero_points.h"

namespace monoquant::run {
namespace {

using plan::Decision;
using plan::Output;
using plan::Role;
using plan::TensorPlan;
using quant::Strategy;

constexpr uint32_t kInfinityBits = 0x7F800000U;

/// Bytes of data that a block of source can become at most.
size_t max_data_bytes(const Cut &cut, const TensorPlan &plan, size_t block_bytes) {
  const uint64_t elements = std::min<uint64_t>(block_bytes / cut.element_bytes, cut.elements);
  switch (plan.decision) {
  case Decision::kCopy:
    return 0; // written from the input block itself
  case Decision::kConvert:
    return static_cast<size_t>(elements * 2);
  case Decision::kQuantize:
    break;
  }
  // A byte a code at most, and each packed row may be padded to a word.
  return static_cast<size_t>(elements + cut.rows_in(block_bytes) * 4);
}

uint8_t *store_scale(uint8_t *to, float scale, Dtype dtype) {
  switch (dtype) {
  case Dtype::kF16:
    store_le(to, f32_to_f16(scale));
    return to + 2;
  case Dtype::kBF16:
    store_le(to, f32_to_bf16(scale));
    return to + 2;
  default:
    store_le(to, scale);
    return to + 4;
  }
}

} // namespace

EncodeStage::EncodeStage(const plan::Plan &plan, parallel::Workers &workers, Share share,
                         size_t slots, size_t block_bytes)
    : Stage(slots, block_bytes, plan.catalog.file_bytes), plan_(plan), workers_(workers),
      share_(share) {
  cuts_.reserve(plan.tensors.size());
  for (const TensorPlan &tensor : plan.tensors) {
    cuts_.push_back(cut_tensor(plan.catalog.tensors[tensor.source], tensor));
  }
  for (skip_to_work(); cursor_.tensor < cuts_.size(); next_band(), skip_to_work()) {
    const Cut &cut = cuts_[cursor_.tensor];
    const uint64_t begin = cursor_.band * cut.units_per_band;
    const uint64_t end = std::min(cut.units, begin + cut.units_per_band);
    total_bytes_ += cut.bytes(begin, end) * cut.passes;
    ++bands_;
  }
  cursor_ = {};
  cursor_.preamble = share.index == 0;
  allocate();
}

void EncodeStage::allocate() {
  size_t codes = 0;
  size_t tail = 0;
  size_t scopes = 0;
  size_t ranges = 0;
  uint64_t units = 0;
  uint64_t unit_elements = 0;
  for (size_t i = 0; i < cuts_.size(); ++i) {
    const Cut &cut = cuts_[i];
    const TensorPlan &tensor = plan_.tensors[i];
    if (cut.units == 0) {
      continue;
    }
    codes = std::max(codes, max_data_bytes(cut, tensor, block_bytes()));
    const uint64_t usual_unit = cut.unit_end(0) - cut.unit_begin(0);
    units = std::max(units, cut.units_in(block_bytes()));
    if (tensor.decision == Decision::kCopy) {
      continue;
    }
    unit_elements = std::max(unit_elements, usual_unit);
    if (tensor.decision == Decision::kQuantize) {
      const uint64_t rows =
          std::min(cut.rows, cut.units_per_band / cut.parts_per_row * cut.rows_per_unit);
      const bool whole = tensor.scheme.strategy == Strategy::kTensor;
      const auto band_scopes = static_cast<size_t>(whole ? 1 : rows * tensor.groups());
      scopes = std::max(scopes, band_scopes);
      ranges = std::max(ranges, cut.passes == 2 ? band_scopes : 0);
      const size_t zero_points =
          whole ? 4 : static_cast<size_t>(packed_zero_point_bytes(tensor, 0, rows)) + band_scopes;
      tail = std::max(tail, band_scopes * 4 + zero_points);
    }
  }
  slots_.resize(slots());
  for (Slot &slot : slots_) {
    slot.codes = Buffer(codes);
    slot.tail = Buffer(tail);
    slot.writes.reserve(3);
  }
  slots_[0].writes.reserve(1 + plan_.tensors.size());
  scratch_.assign(workers_.count(), std::vector<float>(static_cast<size_t>(unit_elements)));
  results_.resize(static_cast<size_t>(units));
  scales_.resize(scopes);
  zero_points_.resize(scopes);
  ranges_.resize(ranges);
  errors_.reserve(static_cast<size_t>(bands_));
  extents_.reserve(1 + plan_.tensors.size() + 3 * static_cast<size_t>(bands_));
}

void EncodeStage::next_band() {
  ++cursor_.number;
  ++cursor_.band;
  cursor_.pass = 0;
  cursor_.unit = cursor_.band * cuts_[cursor_.tensor].units_per_band;
}

/// Moves the cursor on to a band that this share has to work on; false at the end.
bool EncodeStage::skip_to_work() {
  const bool only_looking = !unfit_.empty();
  while (cursor_.tensor < cuts_.size()) {
    if (cursor_.band >= cuts_[cursor_.tensor].bands()) {
      cursor_ = {false, cursor_.number, cursor_.tensor + 1, 0, 0, 0};
      continue;
    }
    const bool nothing_to_find =
        only_looking && (plan_.tensors[cursor_.tensor].decision == Decision::kCopy ||
                         cursor_.pass > 0 || unfit_.contains(cursor_.tensor));
    if (cursor_.number % share_.count == share_.index && !nothing_to_find) {
      return true;
    }
    next_band();
  }
  return false;
}

std::optional<Read> EncodeStage::next(size_t slot) {
  Slice &slice = slots_[slot].slice;
  if (cursor_.preamble) {
    cursor_.preamble = false;
    slice = {};
    slice.preamble = true;
    return Read{0, 0};
  }
  if (!skip_to_work()) {
    return std::nullopt;
  }
  const Cut &cut = cuts_[cursor_.tensor];
  const uint64_t band_begin = cursor_.band * cut.units_per_band;
  const uint64_t band_end = std::min(cut.units, band_begin + cut.units_per_band);
  slice = {false,
           cursor_.tensor,
           cursor_.band,
           cursor_.pass,
           cursor_.unit,
           cursor_.unit,
           cursor_.unit == band_begin,
           false};
  while (slice.end < band_end && cut.bytes(slice.begin, slice.end + 1) <= block_bytes()) {
    ++slice.end;
  }
  slice.last_of_band = slice.end == band_end;
  cursor_.unit = slice.end;
  if (slice.last_of_band && cursor_.pass + 1 < cut.passes) {
    ++cursor_.pass;
    cursor_.unit = band_begin;
  } else if (slice.last_of_band) {
    next_band();
  }
  const catalog::Tensor &source = plan_.catalog.tensors[plan_.tensors[slice.tensor].source];
  return Read{source.offset + cut.unit_begin(slice.begin) * cut.element_bytes,
              static_cast<size_t>(cut.bytes(slice.begin, slice.end))};
}

std::span<const Write> EncodeStage::writes(size_t slot) const { return slots_[slot].writes; }

std::string_view EncodeStage::tensor() const {
  return plan_.tensors.empty() ? std::string_view()
                               : plan_.catalog.tensors[plan_.tensors[tensor_].source].name;
}

Result<void> EncodeStage::process(size_t slot_index) {
  Slot &slot = slots_[slot_index];
  slot.writes.clear();
  if (slot.slice.preamble) {
    write_preamble(slot);
    return {};
  }
  const bool only_looking = !unfit_.empty();
  tensor_ = slot.slice.tensor;
  if (!only_looking) {
    if (slot.slice.first_of_band && slot.slice.pass == 0) {
      begin_band(slot.slice);
    }
    encode_slice(slot_index, slot);
  } else if (plan_.tensors[tensor_].decision != Decision::kCopy && !unfit_.contains(tensor_)) {
    measure_slice(input(slot_index), slot.slice);
  }
  if (!unfit_.empty()) {
    slot.writes.clear(); // the output is void
  } else if (slot.slice.last_of_band && slot.slice.pass + 1 == cuts_[tensor_].passes) {
    finish_band(slot);
  }
  return {};
}

void EncodeStage::write_out(Slot &slot, uint64_t offset, std::span<const uint8_t> bytes) {
  if (!bytes.empty()) {
    slot.writes.push_back({offset, bytes});
  }
}

/// The header, and the shapes that packed tensors carry: everything that needs no source bytes.
void EncodeStage::write_preamble(Slot &slot) {
  const auto add = [&](uint64_t offset, std::span<const uint8_t> bytes, size_t tensor) {
    Checksum checksum;
    checksum.add(bytes);
    extents_.push_back({offset, bytes.size(), checksum.digest(), tensor});
    write_out(slot, offset, bytes);
  };
  add(0, {reinterpret_cast<const uint8_t *>(plan_.header.data()), plan_.header.size()},
      Extent::kHeader);
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    if (const Output *shape = plan_.tensors[i].output(Role::kShape)) {
      // Both are u64, little-endian, one after the other.
      const auto &extents = plan_.catalog.tensors[plan_.tensors[i].source].shape;
      add(shape->offset,
          {reinterpret_cast<const uint8_t *>(extents.data()), static_cast<size_t>(shape->bytes)},
          i);
    }
  }
}

void EncodeStage::begin_band(const Slice &slice) {
  const Cut &cut = cuts_[slice.tensor];
  const TensorPlan &tensor = plan_.tensors[slice.tensor];
  const uint64_t end_unit = std::min(cut.units, slice.begin + cut.units_per_band);
  band_row_ = cut.unit_row(slice.begin);
  band_rows_ = std::min(cut.rows, cut.unit_row(end_unit)) - band_row_;
  if (end_unit == cut.units) {
    band_rows_ = cut.rows - band_row_;
  }
  scopes_ = 0;
  if (tensor.decision == Decision::kQuantize) {
    const bool whole = tensor.scheme.strategy == Strategy::kTensor;
    scopes_ = static_cast<size_t>(whole ? 1 : band_rows_ * tensor.groups());
  }
  std::fill(ranges_.begin(), ranges_.end(), quant::Range{});
  data_checksum_.reset();
  data_offset_ = tensor.output(Role::kData)->offset + code_offset(slice.begin);
  data_bytes_ = 0;
  band_errors_ = {};
}

/// Where a unit's data begin, counted from the tensor's first output byte.
uint64_t EncodeStage::code_offset(uint64_t unit) const {
  const Cut &cut = cuts_[tensor_];
  const TensorPlan &tensor = plan_.tensors[tensor_];
  switch (tensor.decision) {
  case Decision::kCopy:
    return cut.unit_begin(unit);
  case Decision::kConvert:
    return cut.unit_begin(unit) * 2;
  case Decision::kQuantize:
    break;
  }
  if (unit >= cut.units) {
    return cut.rows * tensor.row_bytes();
  }
  return cut.unit_row(unit) * tensor.row_bytes() +
         unit % cut.parts_per_row * kUnitElements * tensor.scheme.bits / 8;
}

std::span<const uint8_t> EncodeStage::unit_bytes(std::span<const uint8_t> input, const Slice &slice,
                                                 uint64_t unit) const {
  const Cut &cut = cuts_[slice.tensor];
  const uint64_t begin = cut.unit_begin(unit) - cut.unit_begin(slice.begin);
  return input.subspan(static_cast<size_t>(begin * cut.element_bytes),
                       static_cast<size_t>(cut.bytes(unit, unit + 1)));
}

void EncodeStage::encode_slice(size_t slot_index, Slot &slot) {
  const Slice &slice = slot.slice;
  const std::span<const uint8_t> bytes = input(slot_index);
  const TensorPlan &tensor = plan_.tensors[tensor_];
  std::span<const uint8_t> data;
  if (tensor.decision == Decision::kCopy) {
    data = bytes.first(static_cast<size_t>(cuts_[tensor_].bytes(slice.begin, slice.end)));
  } else if (slice.pass + 1 < cuts_[tensor_].passes) {
    measure_slice(bytes, slice);
    if (slice.last_of_band && unfit_.empty()) {
      choose_band_qparams();
    }
    return;
  } else {
    tensor.decision == Decision::kConvert ? convert_slice(bytes, slot)
                                          : quantize_slice(bytes, slot);
    if (note_unfit(slice)) {
      return;
    }
    for (uint64_t unit = slice.begin; unit < slice.end; ++unit) {
      band_errors_.add(results_[static_cast<size_t>(unit - slice.begin)].sums);
    }
    data = slot.codes.span().first(
        static_cast<size_t>(code_offset(slice.end) - code_offset(slice.begin)));
  }
  data_checksum_.add(data);
  write_out(slot, data_offset_ + data_bytes_, data);
  data_bytes_ += data.size();
}

void EncodeStage::convert_slice(std::span<const uint8_t> input, Slot &slot) {
  const Slice &slice = slot.slice;
  const TensorPlan &tensor = plan_.tensors[tensor_];
  const Dtype from = plan_.catalog.tensors[tensor.source].dtype;
  const Dtype target = tensor.output(Role::kData)->dtype;
  workers_.run(static_cast<size_t>(slice.end - slice.begin), [&](size_t index, size_t worker) {
    const uint64_t unit = slice.begin + index;
    const auto values = decode_unit(from, unit_bytes(input, slice, unit), scratch_[worker]);
    const uint64_t at = code_offset(unit) - code_offset(slice.begin);
    results_[index] = convert(values, target, slot.codes.data() + at);
  });
}

void EncodeStage::quantize_slice(std::span<const uint8_t> input, Slot &slot) {
  const Slice &slice = slot.slice;
  const Cut &cut = cuts_[tensor_];
  const TensorPlan &tensor = plan_.tensors[tensor_];
  const Dtype from = plan_.catalog.tensors[tensor.source].dtype;
  workers_.run(static_cast<size_t>(slice.end - slice.begin), [&](size_t index, size_t worker) {
    const uint64_t unit = slice.begin + index;
    const auto values = decode_unit(from, unit_bytes(input, slice, unit), scratch_[worker]);
    const size_t piece = cut.parts_per_row > 1 ? values.size() : static_cast<size_t>(cut.columns);
    const uint64_t at = code_offset(unit) - code_offset(slice.begin);
    results_[index] = encode_unit(values, tensor.scheme, {piece, cut.passes == 2},
                                  qparams().from(first_scope(unit)), slot.codes.data() + at);
  });
}

/// The first scope of a unit, counted in its band.
size_t EncodeStage::first_scope(uint64_t unit) const {
  const Cut &cut = cuts_[tensor_];
  const TensorPlan &tensor = plan_.tensors[tensor_];
  if (tensor.scheme.strategy == Strategy::kTensor) {
    return 0;
  }
  const uint64_t part = unit % cut.parts_per_row;
  const uint64_t groups_before = tensor.scheme.strategy == Strategy::kGroup
                                     ? part * (kUnitElements / tensor.scheme.group_size)
                                     : 0;
  return static_cast<size_t>((cut.unit_row(unit) - band_row_) * tensor.groups() + groups_before);
}

/// Only looks at values: the first of two passes, or the search for values that cannot be encoded.
void EncodeStage::measure_slice(std::span<const uint8_t> input, const Slice &slice) {
  const Cut &cut = cuts_[tensor_];
  const Dtype from = plan_.catalog.tensors[plan_.tensors[tensor_].source].dtype;
  workers_.run(static_cast<size_t>(slice.end - slice.begin), [&](size_t index, size_t worker) {
    const auto bytes = unit_bytes(input, slice, slice.begin + index);
    results_[index] = measure(decode_unit(from, bytes, scratch_[worker]));
  });
  if (note_unfit(slice) || !unfit_.empty() || cut.passes == 1) {
    return;
  }
  for (uint64_t unit = slice.begin; unit < slice.end; ++unit) {
    const quant::Range &seen = results_[static_cast<size_t>(unit - slice.begin)].range;
    quant::Range &range = ranges_[first_scope(unit)];
    range.min = std::min(range.min, seen.min);
    range.max = std::max(range.max, seen.max);
  }
}

void EncodeStage::choose_band_qparams() {
  for (size_t i = 0; i < scopes_; ++i) {
    qparams().set(i, quant::choose_qparams(ranges_[i], plan_.tensors[tensor_].scheme));
  }
}

/// Notes the tensor if the slice holds a value that it cannot be stored with.
bool EncodeStage::note_unfit(const Slice &slice) {
  const TensorPlan &tensor = plan_.tensors[tensor_];
  const uint32_t limit = tensor.decision == Decision::kConvert
                             ? overflow_magnitude(tensor.output(Role::kData)->dtype)
                             : kInfinityBits;
  for (uint64_t unit = slice.begin; unit < slice.end; ++unit) {
    const uint32_t magnitude = results_[static_cast<size_t>(unit - slice.begin)].magnitude;
    if (magnitude >= limit) {
      const bool finite = magnitude < kInfinityBits;
      const Cut &cut = cuts_[tensor_];
      unfit_[tensor_] = {tensor.source, finite ? plan::Reason::kOverflow : plan::Reason::kNonFinite,
                         concat(finite ? "a value too large for the 16-bit type"
                                       : "NaN, infinity or a value beyond f32",
                                ", among elements ", cut.unit_begin(unit), " to ",
                                cut.unit_end(unit) - 1)};
      return true;
    }
  }
  return false;
}

/// All codes of the band are out: its scales and zero points follow.
void EncodeStage::finish_band(Slot &slot) {
  const TensorPlan &tensor = plan_.tensors[tensor_];
  extents_.push_back({data_offset_, data_bytes_, data_checksum_.digest(), tensor_});
  if (tensor.decision == Decision::kCopy) {
    return;
  }
  errors_.push_back({tensor_, slot.slice.band, band_errors_});
  if (tensor.decision == Decision::kConvert) {
    return;
  }
  const auto add = [&](uint64_t offset, const uint8_t *begin, const uint8_t *end) {
    const std::span bytes(begin, end);
    Checksum checksum;
    checksum.add(bytes);
    extents_.push_back({offset, bytes.size(), checksum.digest(), tensor_});
    write_out(slot, offset, bytes);
  };
  const bool whole = tensor.scheme.strategy == Strategy::kTensor;
  const uint64_t first_scope = whole ? 0 : band_row_ * tensor.groups();

  const Output &scale = *tensor.output(Role::kScale);
  uint8_t *to = slot.tail.data();
  for (const float value : qparams().scales) {
    to = store_scale(to, value, scale.dtype);
  }
  add(scale.offset + first_scope * dtype_bits(scale.dtype) / 8, slot.tail.data(), to);

  if (const Output *zero_point = tensor.output(Role::kZeroPoint)) {
    uint8_t *const begin = to;
    uint64_t before = first_scope;
    if (tensor.scheme.packs_zero_points()) {
      before = packed_zero_point_bytes(tensor, 0, band_row_);
      to += pack_zero_points(tensor, band_row_, qparams().zero_points, to);
    } else {
      for (const int32_t value : qparams().zero_points) {
        *to++ = static_cast<uint8_t>(value);
      }
    }
    add(zero_point->offset + before, begin, to);
  }
}

std::string EncodeStage::result_json() const {
  Json unfit = Json::array();
  for (const auto &[tensor, found] : unfit_) {
    unfit.push_back({{"tensor", found.tensor},
                     {"reason", reason_name(found.reason)},
                     {"explanation", found.explanation}});
  }
  std::string errors;
  for (const BandErrors &band : errors_) {
    errors += errors.empty() ? "" : ",";
    errors += json_text({plan_.tensors[band.tensor].source, band.band, band.sums.signal,
                         band.sums.noise, band.sums.peak});
  }
  uint64_t bytes = 0;
  for (const Extent &extent : extents_) {
    bytes += extent.bytes;
  }
  return concat(R"({"unfit":)", json_text(unfit), R"(,"bytes":)", bytes, R"(,"errors":[)", errors,
                "]}");
}

} // namespace monoquant::run
