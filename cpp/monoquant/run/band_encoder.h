// Encodes one band after the other: slices of source bytes in, output bytes and error sums out.
// It exists between the stage, which knows blocks and files, and units, which know neither file nor band.
// It keeps what outlives a slice: scales, the range of a first pass, sums and checksums.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "monoquant/base/checksum.h"
#include "monoquant/parallel/parallel_for.h"
#include "monoquant/run/band_record.h"
#include "monoquant/run/band_walk.h"
#include "monoquant/run/unit_encoder.h"
#include "monoquant/run/write.h"

namespace monoquant::run {

/// The extent of bytes that are all there.
WrittenRange extent_of(const plan::Plan &plan, uint64_t offset, std::span<const uint8_t> bytes,
                       size_t tensor);

class BandEncoder {
public:
  /// Everything must outlive the encoder. All memory is allocated here.
  BandEncoder(const plan::Plan &plan, const BandWalk &walk, parallel::Workers &workers,
              size_t block_bytes);

  /// How large the buffers must be that `encode` and `finish` write into.
  [[nodiscard]] size_t data_bytes() const { return data_buffer_bytes_; }
  [[nodiscard]] size_t tail_bytes() const { return tail_buffer_bytes_; }

  /// Encodes a slice into `data`, or, in the first of two passes, only looks at it. Slices come in the
  /// slicer's order. `piece` is what to write: empty after a first pass. Returns what makes the tensor
  /// unfit for the plan, where something does.
  std::optional<plan::Unfit> encode(const Slice &slice, std::span<const uint8_t> input,
                                    std::span<uint8_t> data, Write &write);

  /// Only looks for what would make the tensor unfit. The band is lost.
  std::optional<plan::Unfit> look(const Slice &slice, std::span<const uint8_t> input);

  /// What the codes of the next slices are made with, if their method needs it; it must outlive them.
  void use(const quant::ErrorFeedback *feedback) { feedback_ = feedback; }

  /// After the last slice: writes what the other streams have of the band into `tail`, adds it to `pieces`, and
  /// adds everything that the band has written to `extents`.
  void finish(std::span<uint8_t> tail, std::vector<Write> &writes,
              std::vector<WrittenRange> &extents);

  /// Whether the ranges of a record begin where this band is written. Loses the band at work.
  [[nodiscard]] bool is_in_place(const BandRecord &record);

  /// Of the band at work, complete after its last slice.
  [[nodiscard]] const quant::ErrorSums &errors() const { return errors_; }
  /// Scales at the edge of their dtype, likewise.
  [[nodiscard]] uint64_t edge_scales() const { return edge_scales_; }

private:
  const layout::RowCodec *codec_of(const layout::Stored &stored);
  void select(size_t tensor);
  void begin(const Slice &slice);
  void measure(const Slice &slice, std::span<const uint8_t> input);
  void merge_ranges(const Slice &slice);
  void convert(const Slice &slice, std::span<const uint8_t> input, uint8_t *data);
  void quantize(const Slice &slice, std::span<const uint8_t> input, uint8_t *data);
  [[nodiscard]] std::optional<plan::Unfit> find_unfit(const Slice &slice) const;

  /// Calls `work(result, unit's values, unit)` for each unit, on all threads.
  template <typename Work>
  void for_each_unit(const Slice &slice, std::span<const uint8_t> input, const Work &work);

  /// Where a unit's data begin, counted from the tensor's first output byte.
  [[nodiscard]] uint64_t data_offset(uint64_t unit) const;
  /// The first scope of a unit, counted in the band. Scopes are rows times groups, or one for all.
  [[nodiscard]] size_t first_scope(uint64_t unit) const;
  /// Of the columns of a unit's pieces, where the tensor has any.
  [[nodiscard]] std::span<const float> importance(uint64_t unit, size_t write) const;
  [[nodiscard]] const layout::Stored &stored() const { return tensor_->quantize()->stored; }
  [[nodiscard]] quant::QparamsArrays qparams() {
    return {std::span(scales_).first(scopes_), std::span(zero_points_).first(scopes_)};
  }

  const plan::Plan &plan_;
  const BandWalk &walk_;
  parallel::Workers &workers_;
  size_t data_buffer_bytes_ = 0;
  size_t tail_buffer_bytes_ = 0;
  std::vector<std::vector<float>> scratch_;      // one a worker
  std::vector<UnitResult> results_;              // one a unit of the slice at work
  std::vector<const layout::RowCodec *> codecs_; // one a tensor, of quantized ones
  std::vector<std::pair<const layout::Stored *, std::unique_ptr<const layout::RowCodec>>>
      made_codecs_; // of what is stored alike

  // The band at work.
  size_t index_ = 0; // of its tensor
  const plan::TensorPlan *tensor_ = nullptr;
  std::span<const plan::Place> places_;     // of its outputs
  const layout::RowCodec *codec_ = nullptr; // if it is quantized
  const Tiling *tiling_ = nullptr;
  uint64_t first_row_ = 0;
  const quant::ErrorFeedback *feedback_ = nullptr;
  size_t scopes_ = 0;
  std::vector<quant::Range> ranges_; // a scope, where there are two passes
  std::vector<float> scales_;        // a scope
  std::vector<int32_t> zero_points_; // a scope
  WrittenRange data_;                // what was written so far, without its digest
  Checksum checksum_;                // of it
  quant::ErrorSums errors_;
  uint64_t edge_scales_ = 0;
};

} // namespace monoquant::run
