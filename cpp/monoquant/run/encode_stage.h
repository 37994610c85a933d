// Makes the output: reads the source tensor by tensor, encodes, hands out what to write.
// It exists to obey a plan; the only thing it finds out is which tensors hold values that cannot be encoded.
// Such a find voids the output: the stage then only looks at the rest, and the host plans again.
#pragma once

#include <deque>
#include <map>

#include "monoquant/run/band_encoder.h"
#include "monoquant/run/moment_reader.h"
#include "monoquant/run/read_back.h"
#include "monoquant/run/source_reader.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

/// Bands are read back while others are written: file systems take what several threads write one after the other, and
/// who waits can read. Some way behind, so that nothing is asked for that has just been handed over.
inline constexpr uint64_t kReadBackBehind = 32ULL << 20U;

/// kMalformedFile: a tensor's bytes do not have the checksum that is noted beside them.
Error damaged_source(const catalog::Tensor &tensor);

class EncodeStage final : public Stage {
public:
  /// `plan` and `workers` must outlive the stage. `reads_back_behind`: where the output can be read, as source 1,
  /// each band is compared with what was encoded once so many bytes more have been written.
  EncodeStage(const plan::Plan &plan, parallel::Workers &workers, Share share, size_t slots,
              size_t block_bytes, std::optional<uint64_t> reads_back_behind = std::nullopt);

  /// Takes bands for done that an earlier run has left in the output, and that were compared with their records: a JSON
  /// array of these. Bands of other shares, and what comes before all bands, are passed over. Before the first `next`.
  /// Errors: kInternal (they are no records of bands of this plan).
  Result<void> take_done(std::string_view records);

  /// From now on `write_records` has something to write.
  void keep_records() { keeps_records_ = true; }
  /// A JSON array of the records of all bands, and of what comes before them, that were written since the last call.
  /// `is_over`: all writes were made; until then a band counts as written once its last slot is in use again.
  void write_records(JsonWriter &json, bool is_over);

  /// Captured inputs, for methods that need them: source 2 and the ones behind it, in this order, before the first
  /// step. `data` must outlive the stage. Errors: those of calibration::match.
  Result<void> add_inputs(const catalog::Catalog &data);

  std::optional<ByteRange> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t slot) const override;
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return walk_.total_bytes(); }
  void write_result(JsonWriter &json) const override;

  [[nodiscard]] const plan::Plan &plan() const { return plan_; }
  /// What was written, complete once everything was processed. Those of all shares tile the output file.
  [[nodiscard]] const std::vector<WrittenRange> &extents() const { return extents_; }
  /// Errors of each band of this share, tensor by tensor.
  [[nodiscard]] const std::vector<BandErrors> &errors() const { return errors_; }
  /// Tensors that cannot be encoded as planned. When there are any, the output is void.
  [[nodiscard]] const std::map<size_t, plan::Unfit> &unfit() const { return unfit_; }

  /// Adds what was written outside of this stage, to be verified with the rest.
  void add_extents(std::span<const WrittenRange> extents) {
    extents_.insert(extents_.end(), extents.begin(), extents.end());
  }

private:
  enum class Step : uint8_t {
    kPreamble,
    kSlice,    // of the source, or a part of what it is put together from
    kInputs,   // of the layer that comes next
    kBias,     // that the layer which comes next corrects
    kReadBack, // some of the output
  };

  struct Slot {
    Step step = Step::kPreamble;
    Slice slice;
    size_t length = 0; // of what is read back
    Buffer data;       // of one slice
    Buffer tail;       // scales and zero points of one band
    std::vector<Write> writes;
  };

  /// A band that was done, or what comes before all of them.
  struct Finished {
    size_t tensor = WrittenRange::kHeader; // index of a TensorPlan
    uint64_t band = 0;
    uint64_t step = 0; // that writes the last of it
    size_t first_extent = 0;
    size_t end_extent = 0;
    std::optional<size_t> errors = {}; // index
    std::optional<size_t> crc = {};    // index
  };

  /// Data of a band of the output.
  struct Written {
    size_t extent = 0;  // index
    uint64_t step = 0;  // that writes the last of it
    uint64_t total = 0; // bytes written with it and before
  };

  std::optional<ByteRange> next_step(size_t slot_index);
  std::optional<ByteRange> next_of_source(size_t slot_index);
  std::optional<ByteRange> next_of_inputs(size_t slot_index);
  [[nodiscard]] bool needs_inputs(size_t tensor) const;
  [[nodiscard]] const catalog::Tensor *bias_of(size_t tensor) const;
  std::optional<ByteRange> next_of_bias(size_t slot_index);
  Result<void> take_bias(size_t slot_index);
  Result<void> take_inputs(size_t slot_index);
  std::optional<ByteRange> next_read_back(Slot &slot);
  Result<void> take_read_back(const Slot &slot, std::span<const uint8_t> block);
  Result<void> take_source(size_t slot_index);
  void write_preamble(Slot &slot);
  void take(Slot &slot, std::span<const uint8_t> input);
  void encode(Slot &slot, std::span<const uint8_t> input);
  void check_source(const Slice &slice, std::span<const uint8_t> input);
  void finish_band(Slot &slot);
  [[nodiscard]] BandRecord record_of(const Finished &finished) const;
  [[nodiscard]] bool take_record(const BandRecord &record);
  [[nodiscard]] const catalog::Tensor &source(size_t tensor) const {
    return plan_.catalog->tensors[plan_.tensors[tensor].source];
  }

  const plan::Plan &plan_;
  BandWalk walk_;
  BandEncoder encoder_;
  SourceReader reader_;
  MomentReader moments_;
  std::optional<size_t> moments_of_; // the tensor that they were asked for last
  std::unique_ptr<const quant::ErrorFeedback> feedback_;
  std::optional<size_t> bias_asked_for_; // the tensor whose bias that is
  uint64_t bias_position_ = 0;           // bytes of it that were asked for
  std::vector<uint8_t> bias_;            // of the tensor at work
  bool owes_preamble_;                   // header and shapes come first and need no bytes
  std::optional<Slice> pending_;         // the next one, where it has to be put together first
  uint64_t handed_out_ = 0;              // steps
  uint64_t processed_ = 0;               // steps
  std::vector<Slot> slots_;
  size_t tensor_ = 0; // at work

  std::vector<BandErrors> errors_;
  std::vector<SourceCrc> source_crcs_;
  uint32_t source_crc_ = 0; // of the band at work
  std::vector<WrittenRange> extents_;
  std::map<size_t, plan::Unfit> unfit_; // by index of the TensorPlan

  const std::optional<uint64_t> reads_back_behind_;
  std::deque<Written> written_; // in the order in which they are read back; compared ones are gone
  uint64_t written_bytes_ = 0;
  size_t next_back_ = 0; // of written_
  ReadBack read_back_;

  bool keeps_records_ = false;
  std::vector<Finished> finished_; // since the last call of `write_records`
};

} // namespace monoquant::run
