// Reads the blocks around a part of a tensor, piece by piece, and makes values of them.
// It holds one piece at a time: as many whole blocks as fit into a read, or one block that is larger than a read.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "monoquant/layout/part_decoder.h"

namespace monoquant::layout::gguf {

class BlockReader final : public PartDecoder {
public:
  /// `read_bytes`: of the largest read.
  explicit BlockReader(size_t read_bytes) : read_bytes_(read_bytes) {}

  void reserve(const catalog::Codes &codes, uint64_t elements) override;
  void begin(const catalog::Codes &codes, uint64_t begin, uint64_t end, std::span<float> values,
             std::span<int8_t> steps) override;
  std::optional<Need> next() override;
  void fill(std::span<const uint8_t> bytes) override;
  /// A bad scale is a block with values that are not finite.
  [[nodiscard]] const DecodeFindings &findings() const override { return findings_; }

  /// Whoever wants these asks for codes, which are none of integers in runs.
  [[nodiscard]] float scale(uint64_t /*element*/) const override { return 0; }
  [[nodiscard]] int32_t signed_zero_point(uint64_t /*element*/) const override { return 0; }
  /// Several encoders make blocks, each with a search of its own, which is not judged here.
  [[nodiscard]] uint64_t misrounded(std::span<const float> /*values*/,
                                    std::span<const float> /*expected*/) const override {
    return 0;
  }

private:
  [[nodiscard]] uint64_t blocks_of_piece(const catalog::Codes::ValueBlocks &kind) const;
  void begin_piece();
  void decode_piece();
  void decode_some(uint64_t block, uint64_t begin, uint64_t end);

  size_t read_bytes_;
  std::vector<uint8_t> piece_; // read so far
  DecodeFindings findings_;

  // The part at work.
  const catalog::Codes *codes_ = nullptr;
  uint64_t begin_ = 0; // elements
  uint64_t end_ = 0;
  std::span<float> values_;

  // The piece of it.
  uint64_t position_ = 0; // its first element that is wanted
  uint64_t first_ = 0;    // block
  uint64_t blocks_ = 0;
};

} // namespace monoquant::layout::gguf
