// Makes the output: reads the source tensor by tensor, encodes, hands out what to write.
// It exists to obey a plan; the only thing it finds out is which tensors hold values that cannot be encoded.
// Such a find voids the output: the stage then only looks at the rest, and the host plans again.
#pragma once

#include <map>

#include "monoquant/run/band_encoder.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

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
  [[nodiscard]] std::span<const Piece> writes(size_t slot) const override;
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return slicer_.total_bytes(); }
  [[nodiscard]] std::string result_json() const override;

  [[nodiscard]] const plan::Plan &plan() const { return plan_; }
  /// What was written, complete once everything was processed. Those of all shares tile the output file.
  [[nodiscard]] const std::vector<Extent> &extents() const { return extents_; }
  /// Errors of each band of this share, tensor by tensor.
  [[nodiscard]] const std::vector<BandErrors> &errors() const { return errors_; }
  /// Tensors that cannot be encoded as planned. When there are any, the output is void.
  [[nodiscard]] const std::map<size_t, plan::Unfit> &unfit() const { return unfit_; }

private:
  struct Slot {
    std::optional<Slice> slice; // nothing: the preamble
    Buffer data;                // of one slice
    Buffer tail;                // scales and zero points of one band
    std::vector<Piece> pieces;
  };

  void write_preamble(Slot &slot);
  void encode(Slot &slot, std::span<const uint8_t> input);

  const plan::Plan &plan_;
  Slicer slicer_;
  BandEncoder encoder_;
  bool owes_preamble_; // header and shapes come first and need no bytes
  std::vector<Slot> slots_;
  size_t tensor_ = 0; // at work

  std::vector<BandErrors> errors_;
  std::vector<Extent> extents_;
  std::map<size_t, plan::Unfit> unfit_; // by index of the TensorPlan
};

} // namespace monoquant::run
