#include "monoquant/run/source_reader.h"

#include <algorithm>

namespace monoquant::run {

SourceReader::SourceReader(const catalog::Catalog &catalog, size_t slots, size_t block_bytes)
    : assembler_(catalog, block_bytes), steps_(slots) {}

std::optional<ByteRange> SourceReader::next(size_t slot, const catalog::Tensor &tensor,
                                            uint64_t begin, uint64_t end, uint64_t ahead) {
  Step &step = steps_[slot];
  if (!tensor.is_assembled()) {
    step = {How::kPlain, begin, end, static_cast<size_t>(end - begin)};
    return ByteRange{tensor.offset + begin, step.length};
  }
  if (strip_in_use_) {
    return std::nullopt;
  }
  strip_in_use_ = true;
  if (!assembler_.covers(tensor, begin, end)) {
    assembler_.begin(tensor, begin, std::clamp(ahead, end, begin + kStripBytes));
  }
  const auto read = assembler_.next();
  step = {read ? How::kPart : How::kStrip, begin, end, read ? read->length : 0};
  return read ? *read : ByteRange{0, 0};
}

Result<std::optional<std::span<const uint8_t>>> SourceReader::take(size_t slot,
                                                                   std::span<const uint8_t> block) {
  const Step &step = steps_[slot];
  if (step.how == How::kPlain) {
    return std::optional(block.first(step.length));
  }
  strip_in_use_ = false;
  if (step.how == How::kStrip) {
    return std::optional(assembler_.bytes(step.begin, step.end));
  }
  if (auto filled = assembler_.fill(block.first(step.length)); !filled) {
    return filled.error();
  }
  return std::optional<std::span<const uint8_t>>();
}

} // namespace monoquant::run
