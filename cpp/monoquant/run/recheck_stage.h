// Compares what stands in an output with the records of an earlier run.
// It exists because a run that was interrupted may have recorded more than reached the disk.
// What differs is no error here: the bands are named, and whoever asked does them again or gives up.
#pragma once

#include <string_view>
#include <vector>

#include "monoquant/run/band_record.h"
#include "monoquant/run/read_back.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

class RecheckStage final : public Stage {
public:
  /// `output_bytes`: of the output, as it is.
  RecheckStage(uint64_t output_bytes, size_t slots, size_t block_bytes);

  /// More records, as a JSON array. Before the first `next`. Errors: kInternal (they are no records).
  Result<void> add(std::string_view records);

  std::optional<ByteRange> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return {}; }
  [[nodiscard]] std::string_view tensor() const override { return {}; }
  [[nodiscard]] uint64_t total_bytes() const override { return total_bytes_; }
  /// { wrong }: the numbers of the records of which not every byte is there, in the order in which they were added.
  void write_result(JsonWriter &json) const override;

private:
  struct Claim {
    WrittenRange range;
    size_t record = 0; // number
  };

  void begin();

  uint64_t output_bytes_;
  size_t records_ = 0;
  std::vector<Claim> claims_; // by offset, once it has begun
  std::vector<size_t> wrong_; // records that reach beyond the output
  uint64_t total_bytes_ = 0;
  bool has_begun_ = false;
  ReadBack read_back_{nullptr};
  std::vector<size_t> lengths_; // of the block in each slot
};

} // namespace monoquant::run
