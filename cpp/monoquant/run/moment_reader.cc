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
      batches.push_back({readers_.size(), &data.tensors[batch.tensor], false});
    }
    for (const calibration::StatisticPart &part : module.statistics) {
      if (part.statistic == calibration::Statistic::kOuter) {
        batches.push_back({readers_.size(), &data.tensors[part.tensor], true});
      }
    }
  }
  readers_.emplace_back(data, slots_, block_bytes_);
  return {};
}

/// Of the weight's module, or of one that reads the same input.
const std::vector<MomentReader::Batch> *MomentReader::batches_of(std::string_view weight) const {
  const auto has_data = [&](std::string_view module) {
    const auto batches = modules_.find(module);
    return batches != modules_.end() && !batches->second.empty();
  };
  const auto found = modules_.find(shared_.whose(catalog::module_name(weight), has_data));
  return found == modules_.end() ? nullptr : &found->second;
}

uint64_t MomentReader::bytes_of(std::string_view weight) const {
  uint64_t bytes = 0;
  if (const auto *batches = batches_of(weight)) {
    for (const Batch &batch : *batches) {
      bytes += batch.tensor->bytes;
    }
  }
  return bytes;
}

void MomentReader::request(std::string_view weight, uint64_t width) {
  const auto *batches = batches_of(weight);
  batches_ = batches == nullptr ? std::vector<Batch>() : *batches;
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
  steps_[slot] = {batch, position_, width_, owes_first_, false};
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

Result<std::optional<quant::SecondMoments>> MomentReader::take(size_t slot,
                                                               std::span<const uint8_t> block) {
  const Step step = steps_[slot];
  const catalog::Tensor *tensor = step.batch.tensor;
  if (tensor == nullptr) {
    return Error{ErrorCode::kInvalidOptions,
                 "Expected inputs of every layer whose second moments are needed, found a layer "
                 "without.",
                 "Capture its inputs, too, or take the method mse for it.",
                 {},
                 {}};
  }
  if (step.is_first) {
    sums_ = quant::MomentSums(quant::blocks_of(static_cast<size_t>(step.width)));
  }
  const auto range = readers_[step.batch.file].take(slot, block);
  if (!range) {
    return range.error();
  }
  std::optional<quant::SecondMoments> made;
  if (!range.value()) {
    return made;
  }
  const size_t value_bytes = dtype_bits(tensor->dtype) / 8;
  uint64_t position = step.begin / value_bytes;
  for (auto bytes = *range.value(); !bytes.empty();) {
    const auto part = bytes.first(std::min(kValuesAtOnce * value_bytes, bytes.size()));
    const auto values = quant::decode_values(tensor->dtype, part, scratch_);
    if (step.batch.is_outer) {
      sums_.add_outer(values, position, static_cast<size_t>(tensor->shape.back()));
    } else {
      sums_.add(values);
    }
    position += values.size();
    bytes = bytes.subspan(part.size());
  }
  if (step.is_last) {
    made = sums_.finish();
  }
  return made;
}

size_t MomentReader::most_bytes(uint64_t width) {
  constexpr size_t kSamples = 256; // more than are added up at once
  const quant::DiagonalBlocks blocks = quant::blocks_of(static_cast<size_t>(width));
  const size_t floats =
      2 * blocks.values() + blocks.block * blocks.block + kSamples * static_cast<size_t>(width);
  return floats * sizeof(float);
}

} // namespace monoquant::run
