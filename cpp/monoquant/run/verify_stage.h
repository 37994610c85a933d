// Reads a finished output back and compares it with what was encoded.
// It exists because nothing is called done that was not re-read: a full disk or a bad cable is found here.
// Structure is compared with the plan, file by file, every band's bytes with the checksum taken when they were made.
// Each share of a run checks what it wrote and has not read back while it encoded.
#pragma once

#include "monoquant/catalog/catalog.h"
#include "monoquant/run/encode_stage.h"
#include "monoquant/run/read_back.h"

namespace monoquant::run {

/// What is wrong with a file of the output, by its index, as it stands on disk: every tensor that is planned for it must
/// be there, in its place, as what was planned, and nothing else.
std::optional<Error> compare_structure(const plan::Plan &plan, size_t file,
                                       const catalog::Catalog &output);

class VerifyStage final : public Stage {
public:
  /// `encode` must be complete and outlive the stage.
  VerifyStage(const EncodeStage &encode, size_t slots, size_t block_bytes);
  /// The same for an output of one file, and its structure as well.
  VerifyStage(const EncodeStage &encode, const catalog::Catalog &output, size_t slots,
              size_t block_bytes);

  std::optional<ByteRange> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return {}; }
  [[nodiscard]] std::string_view tensor() const override { return read_back_.tensor(); }
  [[nodiscard]] uint64_t total_bytes() const override { return read_back_.total_bytes(); }
  void write_result(JsonWriter &json) const override { json.begin_object().end(); }

private:
  std::optional<Error> structure_; // what is wrong with the file's structure
  ReadBack read_back_;
  std::vector<size_t> lengths_; // of the block in each slot
};

} // namespace monoquant::run
