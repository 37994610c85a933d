#include "monoquant/run/encode_stage.h"

#include <algorithm>

#include "monoquant/base/json.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/container/deflate.h"
#include "monoquant/quant/method.h"
#include "monoquant/quant/rescaling.h"

namespace monoquant::run {
namespace {

bool has_checksums(const catalog::Catalog &source) {
  return std::any_of(source.tensors.begin(), source.tensors.end(),
                     [](const catalog::Tensor &tensor) { return tensor.crc32.has_value(); });
}

/// Bytes of the largest bias that is corrected.
uint64_t largest_bias(const plan::Plan &plan) {
  uint64_t largest = 0;
  for (const plan::TensorPlan &entry : plan.tensors) {
    if (entry.decision() == plan::Decision::kCorrect) {
      largest = std::max(largest, plan.catalog->tensors[entry.source].bytes);
    }
  }
  return largest;
}

} // namespace

Error damaged_source(const catalog::Tensor &tensor) {
  return {ErrorCode::kMalformedFile,
          concat("Expected the data of ", tensor.name,
                 " to have the checksum that the file's directory says, found another one."),
          "The file is damaged: get it again.", tensor.name, tensor.offset};
}

EncodeStage::EncodeStage(const plan::Plan &plan, parallel::Workers &workers, Share share,
                         size_t slots, size_t block_bytes,
                         std::optional<uint64_t> reads_back_behind)
    // A slice never has more than a strip can hold.
    : Stage(slots, static_cast<size_t>(std::min<uint64_t>(block_bytes, kStripBytes)),
            most_bytes(*plan.catalog)),
      plan_(plan), walk_(plan, share), encoder_(plan, walk_, workers, this->block_bytes()),
      reader_(*plan.catalog, this->slots(), this->block_bytes()),
      moments_(*plan.catalog, this->slots(), this->block_bytes(), 2),
      owes_preamble_(share.index == 0 && share.part.index == 0), slots_(this->slots()),
      reads_back_behind_(reads_back_behind), read_back_(&plan) {
  for (Slot &slot : slots_) {
    slot.data = Buffer(encoder_.data_bytes());
    slot.tail = Buffer(encoder_.tail_bytes());
    slot.writes.reserve(encoder_.most_writes());
  }
  const size_t preamble = plan.fixed.size();
  slots_[0].writes.reserve(std::max(preamble, encoder_.most_writes()));
  const auto bands = static_cast<size_t>(walk_.total_bands());
  errors_.reserve(bands);
  source_crcs_.reserve(has_checksums(*plan.catalog) ? bands : 0);
  const auto bias = static_cast<size_t>(largest_bias(plan));
  bias_.reserve(bias);
  extents_.reserve(preamble + (bias == 0 ? 3 : 4) * bands);
}

Result<void> EncodeStage::add_inputs(const catalog::Catalog &data) {
  size_t room = 0;
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    if (needs_inputs(i)) {
      room = std::max(room, MomentReader::most_bytes(walk_.tiling(i).columns));
    }
  }
  // Taken once and given back, so that the heap is large enough from here on: see CalibrateStage.
  const Buffer taken(room);
  taken.data()[0] = 0;
  return moments_.add(data);
}

std::optional<ByteRange> EncodeStage::next(size_t slot_index) {
  const auto read = next_step(slot_index);
  handed_out_ += read ? 1 : 0;
  return read;
}

std::optional<ByteRange> EncodeStage::next_step(size_t slot_index) {
  Slot &slot = slots_[slot_index];
  if (owes_preamble_) {
    owes_preamble_ = false;
    slot.step = Step::kPreamble;
    return ByteRange{0, 0};
  }
  if (auto read = next_read_back(slot)) {
    return read;
  }
  return next_of_source(slot_index);
}

std::optional<ByteRange> EncodeStage::next_of_source(size_t slot_index) {
  if (!pending_) {
    pending_ = walk_.next(block_bytes());
  }
  if (!pending_) {
    return std::nullopt;
  }
  if (bias_of(pending_->tensor) != nullptr) {
    if (bias_asked_for_ != pending_->tensor) {
      bias_asked_for_ = pending_->tensor;
      bias_position_ = 0;
    }
    if (bias_position_ < bias_of(pending_->tensor)->bytes) {
      return next_of_bias(slot_index);
    }
  }
  if (needs_inputs(pending_->tensor)) {
    if (moments_of_ != pending_->tensor) {
      moments_of_ = pending_->tensor;
      moments_.request(source(pending_->tensor).name, walk_.tiling(pending_->tensor).columns);
    }
    if (!moments_.is_asked_for()) {
      return next_of_inputs(slot_index);
    }
  }
  const Slice &slice = *pending_;
  const Tiling &tiling = walk_.tiling(slice.read);
  const uint64_t begin = tiling.unit_begin(slice.begin) * tiling.element_bytes;
  const uint64_t end = begin + tiling.bytes(slice.begin, slice.end);
  const uint64_t band_end = std::min(tiling.units, (slice.band + 1) * tiling.units_per_band);
  const uint64_t ahead = begin + tiling.bytes(slice.begin, band_end);
  const auto read = reader_.next(slot_index, source(slice.read), begin, end, ahead);
  if (read) {
    slots_[slot_index].step = Step::kSlice;
    slots_[slot_index].slice = slice;
    if (reader_.is_last(slot_index)) {
      pending_.reset();
    }
  }
  return read;
}

bool EncodeStage::needs_inputs(size_t tensor) const {
  const plan::Quantize *quantize = plan_.tensors[tensor].quantize();
  return quantize != nullptr && quant::facts_of(quantize->stored.scheme.method).needs_moments;
}

const catalog::Tensor *EncodeStage::bias_of(size_t tensor) const {
  const plan::Quantize *quantize = plan_.tensors[tensor].quantize();
  return quantize == nullptr || !quantize->correction ? nullptr
                                                      : &source(quantize->correction->bias);
}

/// All of it, once a tensor: each share may need some.
std::optional<ByteRange> EncodeStage::next_of_bias(size_t slot_index) {
  const catalog::Tensor &bias = *bias_of(pending_->tensor);
  const uint64_t width = dtype_bits(bias.dtype) / 8;
  const uint64_t end = std::min(bias.bytes, bias_position_ + block_bytes() / width * width);
  const auto read = reader_.next(slot_index, bias, bias_position_, end, bias.bytes);
  if (read) {
    Slot &slot = slots_[slot_index];
    slot.step = Step::kBias;
    slot.slice = *pending_;
    slot.slice.first_of_band = bias_position_ == 0; // of the bias
    if (reader_.is_last(slot_index)) {
      bias_position_ = end;
    }
  }
  return read;
}

Result<void> EncodeStage::take_bias(size_t slot_index) {
  const Slice &slice = slots_[slot_index].slice;
  const auto range = reader_.take(slot_index, input(slot_index));
  if (!range) {
    return range.error();
  }
  if (!range.value()) {
    return {};
  }
  if (slice.first_of_band) {
    bias_.clear();
  }
  bias_.insert(bias_.end(), range.value()->begin(), range.value()->end());
  const catalog::Tensor &bias = *bias_of(slice.tensor);
  if (bias_.size() == bias.bytes) {
    encoder_.use_bias(bias_);
    if (bias.crc32 && container::crc32(0, bias_) != *bias.crc32) {
      return damaged_source(bias);
    }
  }
  return {};
}

std::optional<ByteRange> EncodeStage::next_of_inputs(size_t slot_index) {
  const auto read = moments_.next(slot_index);
  if (read) {
    slots_[slot_index].step = Step::kInputs;
    slots_[slot_index].length = read->length;
  }
  return read;
}

Result<void> EncodeStage::take_inputs(size_t slot_index) {
  const std::span<const uint8_t> block = input(slot_index);
  encoder_.use(nullptr);
  feedback_.reset(); // its room is needed
  auto taken = moments_.take(slot_index, block.first(slots_[slot_index].length));
  if (!taken) {
    return taken.error();
  }
  if (taken.value()) {
    const plan::TensorPlan &entry = plan_.tensors[*moments_of_];
    if (entry.change && entry.change->column_factors) {
      quant::divide_moments(*taken.value(), *entry.change->column_factors);
    }
    feedback_ = std::make_unique<const quant::ErrorFeedback>(std::move(*taken.value()));
    encoder_.use(feedback_.get());
  }
  return {};
}

/// A band is there when the slot of its last step has been given away again.
std::optional<ByteRange> EncodeStage::next_read_back(Slot &slot) {
  while (next_back_ < written_.size()) {
    const Written &band = written_[next_back_];
    if (band.step + slots() > handed_out_ || band.total + *reads_back_behind_ > written_bytes_) {
      break;
    }
    read_back_.add(extents_[band.extent]);
    ++next_back_;
  }
  const auto block = read_back_.next(block_bytes());
  if (!block) {
    return std::nullopt;
  }
  slot.step = Step::kReadBack;
  slot.length = block->length;
  return ByteRange{block->offset, block->length, 1};
}

Result<void> EncodeStage::take_read_back(const Slot &slot, std::span<const uint8_t> block) {
  const size_t before = read_back_.compared();
  read_back_.take(block.first(slot.length));
  for (size_t i = before; i < read_back_.compared(); ++i) {
    extents_[written_.front().extent].is_read_back = true;
    written_.pop_front();
    --next_back_;
  }
  return read_back_.check();
}

std::span<const Write> EncodeStage::writes(size_t slot) const { return slots_[slot].writes; }

std::string_view EncodeStage::tensor() const {
  return plan_.tensors.empty() ? std::string_view() : source(tensor_).name;
}

Result<void> EncodeStage::process(size_t slot_index) {
  Slot &slot = slots_[slot_index];
  slot.writes.clear();
  ++processed_;
  switch (slot.step) {
  case Step::kPreamble:
    write_preamble(slot);
    return {};
  case Step::kSlice:
    return take_source(slot_index);
  case Step::kInputs:
    return take_inputs(slot_index);
  case Step::kBias:
    return take_bias(slot_index);
  case Step::kReadBack:
    return take_read_back(slot, input(slot_index));
  }
  return {};
}

Result<void> EncodeStage::take_source(size_t slot_index) {
  Slot &slot = slots_[slot_index];
  tensor_ = slot.slice.tensor;
  const std::span<uint8_t> block = input(slot_index);
  const auto range = reader_.take(slot_index, block);
  if (!range) {
    return range.error();
  }
  if (const auto bytes = range.value()) {
    if (bytes->data() != block.data()) {
      // A copy is written from where it lies, and the strip may hold something else by then.
      std::copy(bytes->begin(), bytes->end(), block.begin());
    }
    take(slot, block);
  }
  return {};
}

void EncodeStage::take(Slot &slot, std::span<const uint8_t> input) {
  const Slice &slice = slot.slice;
  tensor_ = slice.tensor;
  add_done(walk_.tiling(slice.read).bytes(slice.begin, slice.end));
  if (unfit_.empty()) {
    check_source(slice, input);
    encode(slot, input);
  } else if (!unfit_.contains(tensor_) && slice.read == slice.tensor) {
    if (auto unfit = encoder_.look(slice, input)) {
      walk_.only_look(tensor_);
      unfit_.emplace(tensor_, std::move(*unfit));
    }
  }
}

void EncodeStage::check_source(const Slice &slice, std::span<const uint8_t> input) {
  if (!source(tensor_).crc32 || slice.pass > 0 || slice.read != slice.tensor) {
    return;
  }
  const Tiling &tiling = walk_.tiling(tensor_);
  const uint64_t first = slice.band * tiling.units_per_band;
  const auto bytes = input.first(static_cast<size_t>(tiling.bytes(slice.begin, slice.end)));
  source_crc_ = container::crc32(slice.begin == first ? 0 : source_crc_, bytes);
  if (slice.last_of_band) {
    source_crcs_.push_back(
        {tensor_, slice.band, source_crc_, tiling.bytes(first, slice.end), *source(tensor_).crc32});
  }
}

void EncodeStage::encode(Slot &slot, std::span<const uint8_t> input) {
  const Slice &slice = slot.slice;
  Write data;
  if (auto unfit = encoder_.encode(slice, input, slot.data.span(), data)) {
    walk_.only_look(tensor_);
    unfit_.emplace(tensor_, std::move(*unfit));
    return; // the output is void: nothing more is written
  }
  if (!data.bytes.empty()) {
    slot.writes.push_back(data);
    written_bytes_ += data.bytes.size();
  }
  if (const auto scales = encoder_.scales_of_slice(slice, slot.tail.span())) {
    slot.writes.push_back(*scales);
  }
  if (slice.last_of_band && slice.pass + 1 == walk_.tiling(tensor_).passes) {
    finish_band(slot);
  }
}

void EncodeStage::finish_band(Slot &slot) {
  const uint64_t band = slot.slice.band;
  Finished finished{tensor_, band, processed_ - 1, extents_.size()};
  encoder_.finish(slot.tail.span(), slot.writes, extents_);
  if (reads_back_behind_) {
    const WrittenRange &data = extents_[finished.first_extent];
    written_bytes_ += encoder_.holds_bands() ? data.bytes : 0;
    written_.push_back({finished.first_extent, processed_ - 1, written_bytes_});
  }
  if (plan_.tensors[tensor_].decision() != plan::Decision::kCopy) {
    finished.errors = errors_.size();
    errors_.push_back({tensor_, band, encoder_.errors(), encoder_.edge_scales()});
  }
  if (keeps_records_) {
    finished.end_extent = extents_.size();
    if (source(tensor_).crc32) {
      finished.crc = source_crcs_.size() - 1; // of this band: there is one at a time
    }
    finished_.push_back(finished);
  }
}

/// What needs no source bytes: headers, and what layouts know before.
void EncodeStage::write_preamble(Slot &slot) {
  const size_t first = extents_.size();
  for (const plan::FixedBytes &fixed : plan_.fixed) {
    const std::span bytes(reinterpret_cast<const uint8_t *>(fixed.bytes.data()),
                          fixed.bytes.size());
    slot.writes.push_back({fixed.offset, bytes});
    extents_.push_back(
        extent_of(plan_, fixed.offset, bytes, fixed.tensor.value_or(WrittenRange::kHeader)));
  }
  if (keeps_records_) {
    finished_.push_back({WrittenRange::kHeader, 0, processed_ - 1, first, extents_.size()});
  }
}

Result<void> EncodeStage::take_done(std::string_view records) {
  const Json rows = parse_json(records);
  bool is_right = rows.is_array();
  for (size_t i = 0; is_right && i < rows.size(); ++i) {
    const auto record = read_record(rows[i]);
    is_right = record && (record->tensor == WrittenRange::kHeader || take_record(*record));
  }
  if (is_right) {
    return {};
  }
  return Error{ErrorCode::kInternal, "The records of an earlier run cannot be read.", {}, {}, {}};
}

/// False if it is none of this plan.
bool EncodeStage::take_record(const BandRecord &record) {
  const size_t tensor = record.tensor;
  if (tensor >= walk_.tensors() || record.band >= walk_.tiling(tensor).bands() ||
      record.errors.has_value() == (plan_.tensors[tensor].decision() == plan::Decision::kCopy) ||
      (record.crc ? std::optional(record.crc->of_tensor) : std::nullopt) != source(tensor).crc32 ||
      !encoder_.is_in_place(record)) {
    return false;
  }
  if (!walk_.leave_out(tensor, record.band)) {
    return true;
  }
  const Tiling &tiling = walk_.tiling(tensor);
  const uint64_t first = record.band * tiling.units_per_band;
  const uint64_t end = std::min(tiling.units, first + tiling.units_per_band);
  add_done(tiling.bytes(first, end) * tiling.passes);
  for (WrittenRange range : record.ranges) {
    range.is_read_back = true;
    extents_.push_back(range);
  }
  if (record.errors) {
    errors_.push_back(*record.errors);
  }
  if (record.crc) {
    source_crcs_.push_back(*record.crc);
  }
  return true;
}

void EncodeStage::write_records(JsonWriter &json, bool is_over) {
  size_t taken = 0;
  json.begin_array();
  while (taken < finished_.size() && (is_over || finished_[taken].step + slots() <= handed_out_)) {
    write_record(json, record_of(finished_[taken]));
    ++taken;
  }
  json.end();
  finished_.erase(finished_.begin(), finished_.begin() + static_cast<ptrdiff_t>(taken));
}

BandRecord EncodeStage::record_of(const Finished &finished) const {
  BandRecord record{finished.tensor, finished.band};
  record.ranges.assign(extents_.begin() + static_cast<ptrdiff_t>(finished.first_extent),
                       extents_.begin() + static_cast<ptrdiff_t>(finished.end_extent));
  if (finished.errors) {
    record.errors = errors_[*finished.errors];
  }
  if (finished.crc) {
    record.crc = source_crcs_[*finished.crc];
  }
  return record;
}

void EncodeStage::write_result(JsonWriter &json) const {
  json.begin_object().key("unfit").begin_array();
  for (const auto &[tensor, found] : unfit_) {
    json.begin_object();
    json.member("tensor", found.tensor);
    json.member("reason", reason_name(found.reason));
    json.member("explanation", found.explanation);
    json.end();
  }
  uint64_t bytes = 0;
  for (const WrittenRange &extent : extents_) {
    bytes += extent.bytes;
  }
  json.end().member("bytes", bytes);
  json.key("source").begin_array();
  for (const SourceCrc &band : source_crcs_) {
    json.row(plan_.tensors[band.tensor].source, band.band, band.crc32, band.bytes);
  }
  json.end().key("output").begin_array();
  for (const WrittenRange &extent : extents_) {
    if (!plan_.records.empty()) {
      json.row(extent.offset, extent.bytes, extent.crc32);
    }
  }
  json.end().key("errors").begin_array();
  for (const BandErrors &band : errors_) {
    json.row(plan_.tensors[band.tensor].source, band.band, band.sums.signal, band.sums.noise,
             band.sums.peak, band.edge_scales, band.sums.output.signal, band.sums.output.noise);
  }
  json.end().end();
}

} // namespace monoquant::run
