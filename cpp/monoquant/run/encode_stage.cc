#include "monoquant/run/encode_stage.h"

#include "monoquant/base/json.h"
#include "monoquant/base/text.h"

namespace monoquant::run {

EncodeStage::EncodeStage(const plan::Plan &plan, parallel::Workers &workers, Share share,
                         size_t slots, size_t block_bytes)
    : Stage(slots, block_bytes, plan.catalog.file_bytes), plan_(plan), slicer_(plan, share),
      encoder_(plan, slicer_, workers, this->block_bytes()), owes_preamble_(share.index == 0),
      slots_(this->slots()) {
  for (Slot &slot : slots_) {
    slot.data = Buffer(encoder_.data_bytes());
    slot.tail = Buffer(encoder_.tail_bytes());
    slot.pieces.reserve(3);
  }
  slots_[0].pieces.reserve(1 + plan.tensors.size());
  const auto bands = static_cast<size_t>(slicer_.total_bands());
  errors_.reserve(bands);
  extents_.reserve(1 + plan.tensors.size() + 3 * bands);
}

std::optional<Read> EncodeStage::next(size_t slot) {
  if (owes_preamble_) {
    owes_preamble_ = false;
    slots_[slot].slice.reset();
    return Read{0, 0};
  }
  const auto slice = slicer_.next(block_bytes());
  if (!slice) {
    return std::nullopt;
  }
  slots_[slot].slice = slice;
  const Cut &cut = slicer_.cut(slice->tensor);
  const catalog::Tensor &source = plan_.catalog.tensors[plan_.tensors[slice->tensor].source];
  return Read{source.offset + cut.unit_begin(slice->begin) * cut.element_bytes,
              static_cast<size_t>(cut.bytes(slice->begin, slice->end))};
}

std::span<const Piece> EncodeStage::writes(size_t slot) const { return slots_[slot].pieces; }

std::string_view EncodeStage::tensor() const {
  return plan_.tensors.empty() ? std::string_view()
                               : plan_.catalog.tensors[plan_.tensors[tensor_].source].name;
}

Result<void> EncodeStage::process(size_t slot_index) {
  Slot &slot = slots_[slot_index];
  slot.pieces.clear();
  if (!slot.slice) {
    write_preamble(slot);
    return {};
  }
  tensor_ = slot.slice->tensor;
  if (unfit_.empty()) {
    encode(slot, input(slot_index));
  } else if (!unfit_.contains(tensor_)) {
    if (auto unfit = encoder_.look(*slot.slice, input(slot_index))) {
      slicer_.only_look(tensor_);
      unfit_.emplace(tensor_, std::move(*unfit));
    }
  }
  return {};
}

void EncodeStage::encode(Slot &slot, std::span<const uint8_t> input) {
  const Slice &slice = *slot.slice;
  Piece data;
  if (auto unfit = encoder_.encode(slice, input, slot.data.span(), data)) {
    slicer_.only_look(tensor_);
    unfit_.emplace(tensor_, std::move(*unfit));
    return; // the output is void: nothing more is written
  }
  if (!data.bytes.empty()) {
    slot.pieces.push_back(data);
  }
  if (slice.last_of_band && slice.pass + 1 == slicer_.cut(tensor_).passes) {
    encoder_.finish(slot.tail.span(), slot.pieces, extents_);
    if (plan_.tensors[tensor_].decision != plan::Decision::kCopy) {
      errors_.push_back({tensor_, slice.band, encoder_.errors()});
    }
  }
}

/// The header, and the shapes that packed tensors carry: everything that needs no source bytes.
void EncodeStage::write_preamble(Slot &slot) {
  const auto add = [&](uint64_t offset, const void *data, size_t bytes, size_t tensor) {
    slot.pieces.push_back({offset, {static_cast<const uint8_t *>(data), bytes}});
    Checksum checksum;
    checksum.add(slot.pieces.back().bytes);
    extents_.push_back({offset, bytes, checksum.digest(), tensor});
  };
  add(0, plan_.header.data(), plan_.header.size(), Extent::kHeader);
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    if (const plan::Output *shape = plan_.tensors[i].output(plan::Role::kShape)) {
      // Both are u64, little-endian, one after the other.
      const auto &extents = plan_.catalog.tensors[plan_.tensors[i].source].shape;
      add(shape->offset, extents.data(), static_cast<size_t>(shape->bytes), i);
    }
  }
}

std::string EncodeStage::result_json() const {
  Json unfit = Json::array();
  for (const auto &[tensor, found] : unfit_) {
    unfit.push_back({{"tensor", found.tensor},
                     {"reason", reason_name(found.reason)},
                     {"explanation", found.explanation}});
  }
  uint64_t bytes = 0;
  for (const Extent &extent : extents_) {
    bytes += extent.bytes;
  }
  std::string errors; // one small document at a time
  for (const BandErrors &band : errors_) {
    errors += errors.empty() ? "" : ",";
    errors += json_text({plan_.tensors[band.tensor].source, band.band, band.sums.signal,
                         band.sums.noise, band.sums.peak});
  }
  return concat(R"({"unfit":)", json_text(unfit), R"(,"bytes":)", bytes, R"(,"errors":[)", errors,
                "]}");
}

} // namespace monoquant::run
