// Encodes one band after the other: slices of source bytes in, output bytes and error sums out.
// It exists between the stage, which knows blocks and files, and units, which know neither file nor band.
// It keeps what outlives a slice: scales, the range of a first pass, sums and checksums.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "monoquant/base/buffer.h"
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

  /// How large the buffers must be that `encode` and `finish` write into, and how many writes a band takes at most.
  [[nodiscard]] size_t data_bytes() const { return data_buffer_bytes_; }
  [[nodiscard]] size_t tail_bytes() const { return tail_buffer_bytes_; }
  [[nodiscard]] size_t most_writes() const { return most_writes_; }

  /// Encodes a slice into `data`, or, in the first of two passes, only looks at it. Slices come in the
  /// slicer's order. `piece` is what to write: empty after a first pass. Returns what makes the tensor
  /// unfit for the plan, where something does.
  std::optional<plan::Unfit> encode(const Slice &slice, std::span<const uint8_t> input,
                                    std::span<uint8_t> data, Write &write);

  /// Only looks for what would make the tensor unfit. The band is lost.
  std::optional<plan::Unfit> look(const Slice &slice, std::span<const uint8_t> input);

  /// Behind each call of `encode`: what the scales of the slice are, where they are written at once and not with their
  /// band, which would be too many; nothing where they are not. Into `tail`, whose beginning `finish` leaves alone.
  std::optional<Write> scales_of_slice(const Slice &slice, std::span<uint8_t> tail);

  /// What the codes of the next slices are made with, if their method needs it; it must outlive them.
  void use(const quant::ErrorFeedback *feedback) { feedback_ = feedback; }

  /// The bytes of the bias that the next slices' tensor corrects, all of it; they must outlive its bands.
  void use_bias(std::span<const uint8_t> bias) { bias_ = bias; }

  /// After the last slice: writes what the other streams have of the band into `tail`, and all of it if it is turned,
  /// adds that to `writes`, and adds everything that the band has written to `extents`.
  void finish(std::span<uint8_t> tail, std::vector<Write> &writes,
              std::vector<WrittenRange> &extents);

  /// Whether nothing of the band at work is written before `finish`.
  [[nodiscard]] bool holds_bands() const { return is_turned(); }

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
  void begin_slice(const Slice &slice);
  void measure(const Slice &slice, std::span<const uint8_t> input);
  void measure_scopes(const Values &values, uint64_t unit);
  void merge_ranges(const Slice &slice);
  void merge_blocks();
  void convert(const Slice &slice, std::span<const uint8_t> input, uint8_t *data);
  void quantize(const Slice &slice, std::span<const uint8_t> input, uint8_t *data);
  void make_room(const layout::Stored &stored, const Tiling &tiling, const layout::RowCodec &codec,
                 size_t block_bytes);
  void make_room_for_bias(size_t tensor);
  [[nodiscard]] layout::Pieces pieces_of(size_t stream, uint64_t bytes) const;
  void add_stream(size_t stream, uint64_t offset, std::span<const uint8_t> bytes,
                  std::vector<Write> &writes, std::vector<WrittenRange> &extents) const;
  /// Where a unit of the band at work is held.
  [[nodiscard]] uint64_t held_offset(uint64_t unit) const {
    return data_offset(unit) - first_row_ * codec_->row_bytes(tiling_->columns);
  }
  [[nodiscard]] bool is_turned() const { return codec_ != nullptr && codec_->is_turned(); }
  [[nodiscard]] std::optional<plan::Unfit> find_unfit(const Slice &slice) const;
  [[nodiscard]] const plan::BiasCorrection *correction() const;
  [[nodiscard]] MeanErrors mean_errors(const Slice &slice, uint64_t unit, size_t pieces);
  void add_mean_errors(const Slice &slice);
  [[nodiscard]] uint64_t bias_offset(uint64_t row) const;
  uint8_t *correct_bias(uint8_t *to) const;

  /// Calls `work(result, unit's values, unit, pruned)` for each unit, on all threads. `pruned`: see UnitShape.
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
    return {std::span(scales_).first(scopes_), std::span(zero_points_).first(scopes_), outer_};
  }
  /// Tensors that are one band, but have many scales: those of one slice are held at once.
  [[nodiscard]] bool holds_slices() const { return stored().has_outer(); }

  const plan::Plan &plan_;
  const BandWalk &walk_;
  parallel::Workers &workers_;
  size_t data_buffer_bytes_ = 0;
  size_t tail_buffer_bytes_ = 0;
  size_t bias_room_ = 0;   // in it
  size_t most_writes_ = 4; // codes, scales, zero points, a bias
  Buffer held_; // rows of the band at work, as far as they were encoded, if they are turned
  std::vector<std::vector<float>> scratch_;      // one a worker
  std::vector<UnitResult> results_;              // one a unit of the slice at work
  std::vector<double> part_shifts_;              // likewise, of parts of rows
  std::vector<const layout::RowCodec *> codecs_; // one a tensor, of quantized ones
  std::vector<std::pair<const layout::Stored *, std::unique_ptr<const layout::RowCodec>>>
      made_codecs_; // of what is stored alike

  // The band at work.
  size_t index_ = 0; // of its tensor
  const plan::TensorPlan *tensor_ = nullptr;
  std::span<const plan::Place> places_;     // of its outputs
  const layout::RowCodec *codec_ = nullptr; // if it is quantized
  const Tiling *tiling_ = nullptr;
  uint64_t first_row_ = 0;   // of the scales that are held
  uint64_t first_scope_ = 0; // of this row: where slices are held, they may begin within rows
  float outer_ = 1.0F;
  const quant::ErrorFeedback *feedback_ = nullptr;
  std::span<const uint8_t> bias_;
  uint64_t band_row_ = 0; // the first one
  uint64_t band_rows_ = 0;
  std::vector<double> shifts_; // of the mean of each row's output, if a bias takes them back
  size_t scopes_ = 0;
  std::vector<quant::Range> ranges_; // a scope, where there are two passes
  std::vector<float> scales_;        // a scope
  std::vector<int32_t> zero_points_; // a scope
  WrittenRange data_;                // what was written so far, without its digest
  size_t held_bytes_ = 0;            // of held_
  Checksum checksum_;                // of it
  WrittenRange slice_scales_;        // the same, of scales that are written with slices
  Checksum scales_checksum_;
  size_t tail_used_ = 0; // by the last of them
  quant::ErrorSums errors_;
  uint64_t edge_scales_ = 0;
};

} // namespace monoquant::run
