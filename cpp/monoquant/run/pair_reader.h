// Reads the same elements of a tensor of a file and of one of its reference.
// It exists for stages that look at both: one read at a time, first of the file, then of the reference.
// Reads of source 0 are of the file, of source 1 of the reference.
#pragma once

#include "monoquant/run/tensor_reader.h"

namespace monoquant::run {

class PairReader {
public:
  /// Both catalogs must outlive the reader.
  PairReader(const catalog::Catalog &file, const catalog::Catalog &reference, size_t block_bytes)
      : file_(file, block_bytes, 0), reference_(reference, block_bytes, 1) {}

  /// Begins elements [begin, end) as TensorReader::begin does; without `reference` those of the file alone.
  void begin(const catalog::Tensor &file, const catalog::Tensor *reference, uint64_t begin,
             uint64_t end);

  /// Whether a read has not been filled yet: there is no other before that.
  [[nodiscard]] bool under_way() const { return length_.has_value(); }
  /// The next read; nothing when both parts are complete.
  std::optional<ByteRange> next();
  /// Takes what the read brought: the beginning of `block`. Errors: those of Strip.
  Result<void> fill(std::span<const uint8_t> block);

  TensorReader &file() { return file_; }
  TensorReader &reference() { return reference_; }

private:
  TensorReader file_;
  TensorReader reference_;
  bool has_reference_ = false;
  bool of_reference_ = false;    // the read under way
  std::optional<size_t> length_; // its bytes
};

} // namespace monoquant::run
