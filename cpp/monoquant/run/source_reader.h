// Reads ranges of tensors into the blocks of a stage, however they lie in the file.
// It exists for stages with several blocks under way: a plain range is one read; any other is put together in a strip,
// read by read, and is there when its last step is taken.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "monoquant/run/strip_assembler.h"

namespace monoquant::run {

class SourceReader {
public:
  /// All memory for the tensors of this catalog is allocated here. `block_bytes`: of the largest read.
  SourceReader(const catalog::Catalog &catalog, size_t slots, size_t block_bytes);

  /// What this slot reads next for bytes [begin, end) of a tensor, at most a block and a strip; both are multiples of
  /// an element's width. Nothing while the strip is in use: ask again after `take`. `ahead`: up to where more of the
  /// tensor will be asked for.
  std::optional<ByteRange> next(size_t slot, const catalog::Tensor &tensor, uint64_t begin,
                                uint64_t end, uint64_t ahead);

  /// Whether the range is there once this slot's step was taken; otherwise ask for it again.
  [[nodiscard]] bool is_last(size_t slot) const { return steps_[slot].how != How::kPart; }

  /// Takes what the read has brought into `block`. The range, in the block or in the strip, if the step was its last:
  /// valid until the next step is handed out. Errors: those of Strip.
  Result<std::optional<std::span<const uint8_t>>> take(size_t slot, std::span<const uint8_t> block);

private:
  enum class How : uint8_t {
    kPlain, // the block is the range
    kPart,  // of what the range is put together from
    kStrip, // the range lies in the strip
  };
  struct Step {
    How how = How::kPlain;
    uint64_t begin = 0; // of the range
    uint64_t end = 0;
    size_t length = 0; // of the read
  };

  StripAssembler assembler_;
  bool strip_in_use_ = false; // by a step that was handed out and not taken yet
  std::vector<Step> steps_;   // of each slot
};

} // namespace monoquant::run
