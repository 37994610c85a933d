// Finds where in its weights a quantized tensor loses most: in which channels, and in which single weights.
// It exists because an error that a few channels make is cured otherwise than one that all of them make.
// Two files are read, none is written; sums are added in the order of the elements, whatever the host's blocks.
#pragma once

#include <string>
#include <vector>

#include "monoquant/calibration/calibration.h"
#include "monoquant/quant/concentration.h"
#include "monoquant/run/pair_reader.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

/// One channel for so many, at least one, is told about; and one weight for so many.
inline constexpr uint64_t kChannelsEach = 100;
inline constexpr uint64_t kWeightsEach = 1000;
/// Inputs and outputs of a tensor; of one that has more, nothing is told.
inline constexpr uint64_t kMostChannels = uint64_t{1} << 22U;

/// A weight as a matrix of channels.
///
///            inputs · inner
///          +----------------+      inner: the kernel of a convolution, whose channels are summed over it.
///  outputs |                |      Weights that are stored [in, out] are turned: their rows are inputs.
///          +----------------+
struct Channels {
  uint64_t rows = 0;
  uint64_t columns = 0; // of the matrix, the kernel's included
  uint64_t inner = 1;
  bool turned = false;

  [[nodiscard]] uint64_t across() const { return columns / inner; }
};
Channels channels_of(const catalog::Tensor &tensor);

/// Squared errors, each times the mean square of its input channel if that is known: the error of the layer's outputs
/// as if its inputs were independent.
class OutlierStage final : public Stage {
public:
  /// Both catalogs must outlive the stage. Reads of source 0 are of `file`, of source 1 of `reference`. Looks at what the
  /// file has as codes (joined) and the reference as floats of the same shape. `known`: of the reference's inputs.
  OutlierStage(const catalog::Catalog &file, const catalog::Catalog &reference,
               calibration::Calibration known, size_t block_bytes);

  std::optional<ByteRange> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return {}; }
  [[nodiscard]] std::string_view tensor() const override;
  [[nodiscard]] uint64_t total_bytes() const override { return total_bytes_; }
  /// js/engine/wasm.ts' OutlierResult.
  void write_result(JsonWriter &json) const override;

private:
  struct Pair {
    const catalog::Tensor *file = nullptr;
    const catalog::Tensor *reference = nullptr;
    const calibration::ModuleStatistics *inputs = nullptr; // with squares of as many channels
  };

  void find_pairs(const catalog::Catalog &file, const catalog::Catalog &reference);
  void begin_part();
  void finish_part();
  void begin_tensor();
  void end_tensor();

  const calibration::Calibration known_;
  std::vector<Pair> pairs_;
  PairReader reader_;
  uint64_t total_bytes_ = 0;
  JsonWriter results_; // a list of the tensors that are over, not ended

  // The tensor at work.
  size_t pair_ = 0;
  uint64_t begin_ = 0; // its part
  uint64_t end_ = 0;
  Channels channels_;
  std::vector<double> rows_; // errors
  std::vector<double> across_;
  std::vector<double> squares_; // means, one an input channel; empty if not known
  std::optional<quant::LargestMembers> weights_;
  double noise_ = 0;
};

} // namespace monoquant::run
