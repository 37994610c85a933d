// Reads a finished output back and compares it with what was encoded.
// It exists because nothing is called done that was not re-read: a full disk or a bad cable is found here.
// Structure is compared with the plan, every band's bytes with the checksum taken when they were made.
// Each share of a run checks what it wrote.
#pragma once

#include "monoquant/base/checksum.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/run/encode_stage.h"

namespace monoquant::run {

class VerifyStage final : public Stage {
public:
  /// `encode` must be complete and outlive the stage; `output` is the catalog of the file as it stands on disk.
  VerifyStage(const EncodeStage &encode, const catalog::Catalog &output, size_t slots,
              size_t block_bytes);

  std::optional<Read> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Piece> writes(size_t /*slot*/) const override { return {}; }
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return total_bytes_; }
  [[nodiscard]] std::string result_json() const override { return "{}"; }

private:
  struct Block {
    uint64_t offset = 0;
    size_t length = 0;
  };

  [[nodiscard]] Error mismatch(const Extent &extent) const;

  const EncodeStage &encode_;
  std::optional<Error> structure_; // what is wrong with the file's structure
  std::vector<Extent> extents_;    // by offset
  uint64_t total_bytes_ = 0;
  size_t next_extent_ = 0; // to be read, from this offset on
  uint64_t next_offset_ = 0;
  std::vector<Block> blocks_; // one a slot
  size_t extent_ = 0;         // the one at work
  uint64_t done_ = 0;         // bytes of it
  Checksum checksum_;
};

} // namespace monoquant::run
