// Compares the values of a file with those of another, or checks its codes alone.
// It exists so that a finished file can be judged without whoever made it.
// Two files are read, none is written; sums are added in a fixed order, whatever the host's blocks.
#pragma once

#include <string>
#include <vector>

#include "monoquant/quant/error_sums.h"
#include "monoquant/run/pair_reader.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

class CompareStage final : public Stage {
public:
  /// Both catalogs must outlive the stage. Reads of source 0 are of `file`, of source 1 of `reference`. Without a
  /// reference only what is stored as codes is read.
  CompareStage(const catalog::Catalog &file, const catalog::Catalog *reference, size_t block_bytes);

  std::optional<ByteRange> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return {}; }
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return total_bytes_; }
  /// js/engine/wasm.ts' Comparison.
  void write_result(JsonWriter &json) const override;

private:
  /// One tensor of the file, and what it was found to be.
  struct Pair {
    const catalog::Tensor *file = nullptr;
    const catalog::Tensor *reference = nullptr; // nothing: only the codes are looked at
    bool as_values = false;                     // both are floats; else bytes are compared
    quant::ErrorSums errors;
    uint64_t different = 0;  // elements
    uint64_t not_finite = 0; // in one of the two, and not alike in the other: not in the sums
    uint64_t misrounded = 0; // codes that are not the nearest to the reference's value
    layout::DecodeFindings findings;
  };

  void begin_part();
  void finish_part();
  void compare_values(Pair &pair, std::span<const float> values, std::span<const float> expected);
  void compare_bytes(Pair &pair);

  std::vector<Pair> pairs_;
  PairReader reader_;
  uint64_t total_bytes_ = 0;
  size_t pair_ = 0;    // at work
  uint64_t begin_ = 0; // its part at work
  uint64_t end_ = 0;
};

} // namespace monoquant::run
