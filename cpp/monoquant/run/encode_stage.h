// Makes the output: reads the source tensor by tensor, encodes, hands out what to write.
// It exists to obey a plan; the only thing it finds out is which tensors hold values that cannot be encoded.
// Such a find voids the output: the stage then only looks at the rest, and the host plans again.
#pragma once

#include <map>

#include "monoquant/base/checksum.h"
#include "monoquant/parallel/parallel_for.h"
#include "monoquant/run/cut.h"
#include "monoquant/run/stage.h"
#include "monoquant/run/unit_encoder.h"

namespace monoquant::run {

/// Bytes of the output that were written together, with their checksum.
struct Extent {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t digest = 0;
  size_t tensor = kHeader; // index of a TensorPlan

  static constexpr size_t kHeader = ~size_t{0};
};

/// One of `count` equal parts of a run: the bands whose number leaves `index` when divided by `count`.
struct Share {
  uint64_t index = 0;
  uint64_t count = 1;
};

/// Errors of the values in one band.
struct BandErrors {
  size_t tensor = 0; // index of a TensorPlan
  uint64_t band = 0; // of this tensor
  quant::ErrorSums sums;
};

class EncodeStage final : public Stage {
public:
  /// `plan` and `workers` must outlive the stage.
  EncodeStage(const plan::Plan &plan, parallel::Workers &workers, Share share, size_t slots,
              size_t block_bytes);

  std::optional<Read> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t slot) const override;
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return total_bytes_; }
  [[nodiscard]] std::string result_json() const override;

  [[nodiscard]] const plan::Plan &plan() const { return plan_; }
  /// What was written, complete once everything was processed. Those of all shares tile the output file.
  [[nodiscard]] const std::vector<Extent> &extents() const { return extents_; }
  /// Errors of each band of this share, tensor by tensor.
  [[nodiscard]] const std::vector<BandErrors> &errors() const { return errors_; }
  /// Tensors that cannot be encoded as planned. When there are any, the output is void.
  [[nodiscard]] const std::map<size_t, plan::Unfit> &unfit() const { return unfit_; }

private:
  /// Where the enumeration of reads stands.
  struct Cursor {
    bool preamble = false; // header and shapes come first and need no bytes
    uint64_t number = 0;   // of the band, counted over all tensors
    size_t tensor = 0;
    uint64_t band = 0;
    uint32_t pass = 0;
    uint64_t unit = 0; // next one, counted in the tensor
  };

  /// Some units of one band, in one block.
  struct Slice {
    bool preamble = false;
    size_t tensor = 0;
    uint64_t band = 0;
    uint32_t pass = 0;
    uint64_t begin = 0; // units
    uint64_t end = 0;
    bool first_of_band = false;
    bool last_of_band = false; // in this pass
  };

  struct Slot {
    Slice slice;
    Buffer codes; // of one slice
    Buffer tail;  // scales and zero points of one band
    std::vector<Write> writes;
  };

  void allocate();
  void write_preamble(Slot &slot);
  void next_band();
  bool skip_to_work();
  void begin_band(const Slice &slice);
  void encode_slice(size_t slot_index, Slot &slot);
  void convert_slice(std::span<const uint8_t> input, Slot &slot);
  void quantize_slice(std::span<const uint8_t> input, Slot &slot);
  void measure_slice(std::span<const uint8_t> input, const Slice &slice);
  void choose_band_qparams();
  void finish_band(Slot &slot);
  bool note_unfit(const Slice &slice);
  void write_out(Slot &slot, uint64_t offset, std::span<const uint8_t> bytes);

  [[nodiscard]] std::span<const uint8_t> unit_bytes(std::span<const uint8_t> input,
                                                    const Slice &slice, uint64_t unit) const;
  [[nodiscard]] uint64_t code_offset(uint64_t unit) const;
  [[nodiscard]] size_t first_scope(uint64_t unit) const;
  /// Those of the band's scopes.
  [[nodiscard]] quant::QparamsArrays qparams() {
    return {std::span(scales_).first(scopes_), std::span(zero_points_).first(scopes_)};
  }

  const plan::Plan &plan_;
  parallel::Workers &workers_;
  Share share_;
  std::vector<Cut> cuts_; // one a tensor
  uint64_t total_bytes_ = 0;
  uint64_t bands_ = 0; // of this share

  Cursor cursor_;
  std::vector<Slot> slots_;
  std::vector<std::vector<float>> scratch_; // one a worker
  std::vector<UnitResult> results_;         // one a unit of the slice at work

  // The band at work. Scopes are rows times groups, or one for the whole tensor.
  size_t tensor_ = 0;
  uint64_t band_row_ = 0;
  uint64_t band_rows_ = 0;
  std::vector<quant::Range> ranges_; // a scope, where there are two passes
  std::vector<float> scales_;
  std::vector<int32_t> zero_points_;
  size_t scopes_ = 0;
  Checksum data_checksum_;
  uint64_t data_offset_ = 0; // of the band's data in the output
  uint64_t data_bytes_ = 0;
  quant::ErrorSums band_errors_;

  std::vector<BandErrors> errors_;
  std::vector<Extent> extents_;
  std::map<size_t, plan::Unfit> unfit_;
};

} // namespace monoquant::run
