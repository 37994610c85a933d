// Compares what stands in the output with the checksums that were taken when it was encoded.
// It exists because all stages that read an output back do it alike: before encoding, meanwhile, and at the end.
// Extents come in the order in which they are read; each byte is read once. Those that were compared are forgotten.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/checksum.h"
#include "monoquant/base/result.h"
#include "monoquant/run/band_encoder.h"

namespace monoquant::run {

/// kVerificationFailed, with what to do about it.
Error output_differs(std::string message, std::string tensor, uint64_t offset);

class ReadBack {
public:
  struct Block {
    uint64_t offset = 0;
    size_t length = 0;
  };

  /// `plan` must outlive this; null if nobody asks for names.
  explicit ReadBack(const plan::Plan *plan) : plan_(plan) {}

  void add(const WrittenRange &extent);
  /// All there are, instead of some that were added.
  void add_all(std::vector<WrittenRange> extents);

  /// What is to be read next, at most `most` bytes: as far as extents follow each other without a gap.
  std::optional<Block> next(size_t most);

  /// The bytes of a block, in the order of `next`.
  void take(std::span<const uint8_t> bytes);

  /// How many extents were compared.
  [[nodiscard]] size_t compared() const { return forgotten_ + extent_; }
  /// Which of them differ, in the order in which they were added.
  [[nodiscard]] std::span<const size_t> wrong() const { return wrong_; }
  /// Errors: kVerificationFailed (one differs).
  [[nodiscard]] Result<void> check() const;
  [[nodiscard]] uint64_t total_bytes() const { return total_bytes_; }
  /// The tensor at work.
  [[nodiscard]] std::string_view tensor() const;

private:
  void forget_compared();
  [[nodiscard]] std::string_view name_of(const WrittenRange &extent) const;

  const plan::Plan *plan_;
  std::vector<WrittenRange> extents_;
  size_t forgotten_ = 0; // extents before them
  uint64_t total_bytes_ = 0;
  size_t next_extent_ = 0; // to be read, behind so many bytes of it
  uint64_t next_done_ = 0;
  size_t extent_ = 0; // the one at work
  uint64_t done_ = 0; // bytes of it
  Checksum checksum_;
  std::vector<size_t> wrong_; // counted from the first that was added
  WrittenRange first_wrong_;  // if there is one
};

} // namespace monoquant::run
