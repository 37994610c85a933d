// Reads some elements of one tensor, however they lie in the file.
// It exists for stages that look at values, and write none: comparing, checking, running layers.
// It holds one part at a time; a part is read again where it is asked for again.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "monoquant/base/buffer.h"
#include "monoquant/run/strip_assembler.h"

namespace monoquant::run {

/// Elements of a usual part: of no type do they have more bytes than a strip may.
inline constexpr uint64_t kPartElements = kStripBytes / 16;

class TensorReader {
public:
  /// All memory is allocated here. `block_bytes`: of the largest read. `source`: the number of the file.
  TensorReader(const catalog::Catalog &catalog, size_t block_bytes, uint32_t source);

  /// Begins elements [begin, end) of a tensor of the catalog, at least one and at most kPartElements. `steps`: where
  /// the codes of a quantized one are put as well, or none (PartDecoder::begin).
  void begin(const catalog::Tensor &tensor, uint64_t begin, uint64_t end,
             std::span<int8_t> steps = {});

  /// The next read; nothing when the part is complete.
  std::optional<ByteRange> next();
  /// Takes what the read brought. Errors: those of Strip.
  Result<void> fill(std::span<const uint8_t> bytes);

  /// The part's elements, little-endian. Ask when it is complete.
  [[nodiscard]] std::span<const uint8_t> bytes() const;
  /// The same as f32, where the dtype is one that can be quantized.
  std::span<const float> values();

  /// What codes were found to be, where the tensor is stored as such.
  [[nodiscard]] const layout::PartDecoder &decoder() const { return assembler_.decoder(); }

private:
  StripAssembler assembler_;
  Buffer plain_;
  std::vector<float> values_;
  size_t block_bytes_;
  uint32_t source_;

  // The part at work.
  const catalog::Tensor *tensor_ = nullptr;
  uint64_t begin_ = 0; // bytes of the tensor
  uint64_t end_ = 0;
  uint64_t position_ = 0; // of a plain tensor
};

} // namespace monoquant::run
