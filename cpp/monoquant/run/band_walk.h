// The order in which a plan's bytes are read: tensor by tensor, band by band, slice by slice.
// It exists so that a run can be shared: every share walks the same bands and takes only its own. Of a sample of a model
// only some units of each band are taken, those of the same number whoever shares it.
// A slice never leaves its band; a band that needs two passes is walked twice.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <vector>

#include "monoquant/run/tiling.h"

namespace monoquant::run {

/// One of `count` parts of a plan: bands that follow one another, with about as many bytes of the source as any other.
struct Part {
  uint64_t index = 0;
  uint64_t count = 1;
};

/// One of `count` shares of a part: the bands whose number leaves `index` when divided by `count`.
struct Share {
  uint64_t index = 0;
  uint64_t count = 1;
  Part part = {}; // usually all there is
  // Values of each tensor that are looked at, as far as whole units allow, spread over it; 0: all. Of a sample only
  // errors come: what is written has gaps, and nothing is copied. Tensors whose scales need all of it are not sampled.
  uint64_t sample = 0;
};

/// Some units of one band: what one block holds.
struct Slice {
  size_t tensor = 0; // index of a TensorPlan
  size_t read =
      0; // whose units these are: before the first pass, those of other tensors that are measured with it
  uint64_t band = 0; // of this tensor
  uint32_t pass = 0;
  uint64_t begin = 0; // units, counted in the tensor
  uint64_t end = 0;
  bool first_of_band = false; // in this pass
  bool last_of_band = false;
};

class BandWalk {
public:
  /// `plan` must outlive the slicer.
  BandWalk(const plan::Plan &plan, Share share);

  /// The next slice of at most `block_bytes`; nothing at the end.
  std::optional<Slice> next(size_t block_bytes);

  /// From now on only slices in which something can be found that cannot be encoded: none of copies, none of
  /// second passes, and none of the tensors named here.
  void only_look(size_t except_tensor);

  /// No slices of this band, which is counted all the same. False if it is not of this share. Before the first slice.
  bool leave_out(size_t tensor, uint64_t band);

  [[nodiscard]] const Tiling &tiling(size_t tensor) const { return tilings_[tensor]; }
  [[nodiscard]] size_t tensors() const { return tilings_.size(); }
  /// Bytes and bands of this share, second passes counted as bytes again.
  [[nodiscard]] uint64_t total_bytes() const { return total_bytes_; }
  [[nodiscard]] uint64_t total_bands() const { return total_bands_; }

private:
  struct Cursor {
    size_t tensor = 0;
    uint64_t band = 0;   // of this tensor
    uint64_t number = 0; // of the band, counted over all tensors
    size_t other = 0;    // of those that are measured with this one
    uint32_t pass = 0;
    uint64_t unit = 0; // next one, counted in the tensor
  };

  void find_part(Part part);
  bool find_band();
  [[nodiscard]] bool is_taken(uint64_t number) const {
    return number >= begin_ && number < end_ && number % share_.count == share_.index;
  }
  [[nodiscard]] bool is_left_out(uint64_t number) const {
    return number < left_out_.size() && left_out_[static_cast<size_t>(number)];
  }
  void leave_band();
  /// The units that are looked at are every so many of a tensor's.
  [[nodiscard]] uint64_t unit_step(size_t tensor) const;
  /// Of the band at the cursor: the first unit that is looked at from this one on.
  [[nodiscard]] uint64_t sampled_from(uint64_t unit) const {
    const uint64_t step = unit_step(cursor_.tensor);
    return divide_up(unit, step) * step;
  }
  Slice next_of_sample();
  Slice next_of_other(size_t block_bytes);
  [[nodiscard]] std::span<const size_t> measured_with(size_t tensor) const;
  [[nodiscard]] uint64_t band_end() const;

  const plan::Plan &plan_;
  Share share_;
  std::vector<Tiling> tilings_;        // one a tensor
  std::vector<uint64_t> first_number_; // of its bands
  uint64_t begin_ = 0;                 // numbers of the part's bands
  uint64_t end_ = 0;
  std::vector<bool> left_out_; // by number; empty: none
  Cursor cursor_;
  bool only_looking_ = false;
  std::set<size_t> excepted_;
  uint64_t total_bytes_ = 0;
  uint64_t total_bands_ = 0;
};

} // namespace monoquant::run
