#include "monoquant/run/moment_reader.h"

#include <algorithm>

#include "monoquant/base/text.h"
#include "monoquant/quant/values.h"

namespace monoquant::run {

Result<void> MomentReader::add(const catalog::Catalog &data) {
  auto matched = calibration::match(model_, data, {});
  if (!matched) {
    return matched.error();
  }
  for (const calibration::ModuleBatches &module : matched.value().modules) {
    std::vector<Batch> &batches = modules_[module.module];
    for (const calibration::Batch &batch : module.batches) {
      batches.push_back({readers_.size(), &data.tensors[batch.tensor]});
    }
  }
  readers_.emplace_back(data, slots_, block_bytes_);
  return {};
}

void MomentReader::request(std::string_view weight, uint64_t width) {
  const auto found = modules_.find(catalog::module_name(weight));
  batches_ = found == modules_.end() ? std::vector<Batch>() : found->second;
  width_ = width;
  batch_ = 0;
  position_ = 0;
  owes_first_ = true;
}

std::optional<ByteRange> MomentReader::next(size_t slot) {
  if (batches_.empty() && owes_first_) { // a step that tells so
    owes_first_ = false;
    steps_[slot] = {};
    return ByteRange{0, 0};
  }
  if (is_asked_for()) {
    return std::nullopt;
  }
  const Batch &batch = batches_[batch_];
  const catalog::Tensor &tensor = *batch.tensor;
  const uint64_t most = tensor.view ? kStripBytes : block_bytes_;
  const uint64_t element = dtype_bits(tensor.dtype) / 8;
  const uint64_t end = std::min(tensor.bytes, position_ + most / element * element);
  SourceReader &reader = readers_[batch.file];
  auto read = reader.next(slot, tensor, position_, end, end);
  if (!read) {
    return read;
  }
  steps_[slot] = {batch.file, &tensor, width_, owes_first_, false};
  owes_first_ = false;
  if (reader.is_last(slot)) {
    position_ = end;
    if (end == tensor.bytes) {
      position_ = 0;
      ++batch_;
      steps_[slot].is_last = is_asked_for();
    }
  }
  read->source = first_source_ + static_cast<uint32_t>(batch.file);
  return read;
}

Result<void> MomentReader::take(size_t slot, std::span<const uint8_t> block) {
  const Step step = steps_[slot];
  if (step.tensor == nullptr) {
    return Error{ErrorCode::kInvalidOptions,
                 "Expected captured inputs of every layer that is quantized by the method gptq, "
                 "found a layer without.",
                 "Capture its inputs, too, or take the method mse for it.",
                 {},
                 {}};
  }
  if (step.is_first) {
    sums_ = quant::MomentSums(quant::blocks_of(static_cast<size_t>(step.width)));
  }
  const auto range = readers_[step.file].take(slot, block);
  if (!range) {
    return range.error();
  }
  if (!range.value()) {
    return {};
  }
  const size_t at_once = kValuesAtOnce * (dtype_bits(step.tensor->dtype) / 8);
  for (auto bytes = *range.value(); !bytes.empty();) {
    const auto part = bytes.first(std::min(at_once, bytes.size()));
    sums_.add(quant::decode_values(step.tensor->dtype, part, scratch_));
    bytes = bytes.subspan(part.size());
  }
  if (step.is_last) {
    made_ = std::make_unique<const quant::ErrorFeedback>(sums_.finish());
  }
  return {};
}

size_t MomentReader::most_bytes(uint64_t width) {
  constexpr size_t kSamples = 256; // more than are added up at once
  const quant::DiagonalBlocks blocks = quant::blocks_of(static_cast<size_t>(width));
  const size_t floats =
      2 * blocks.values() + blocks.block * blocks.block + kSamples * static_cast<size_t>(width);
  return floats * sizeof(float);
}

} // namespace monoquant::run
