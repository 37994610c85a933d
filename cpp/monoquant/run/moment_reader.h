// Reads the captured inputs of a layer, or sums of them, and makes second moments of them.
// It exists because second moments are as large as a weight: they are made when its bands begin, and gone behind them.
// Inputs are added in the order of the files and of the batches' numbers, whatever the blocks are.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/calibration/match.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/quant/moment_sums.h"
#include "monoquant/run/source_reader.h"

namespace monoquant::run {

class MomentReader {
public:
  /// Files are counted from `first_source` on. Errors of `add`: those of calibration::match.
  MomentReader(const catalog::Catalog &model, size_t slots, size_t block_bytes,
               uint32_t first_source)
      : model_(model), shared_(model), slots_(slots), block_bytes_(block_bytes),
        first_source_(first_source), steps_(slots), scratch_(kValuesAtOnce) {}

  /// One more file of captured inputs, which must outlive this.
  Result<void> add(const catalog::Catalog &data);

  /// From now on `next` reads what this weight of a linear layer needs, if need be from a layer that reads the same
  /// input. `width`: of the layer.
  void request(std::string_view weight, uint64_t width);

  /// What this slot reads next of it: nothing once all is asked for, or while a strip is in use.
  std::optional<ByteRange> next(size_t slot);
  [[nodiscard]] bool is_asked_for() const { return batch_ == batches_.size() && !owes_first_; }

  /// Takes what the read has brought, in the order of `next`. Gives away what was asked for after the last step. Errors:
  /// kInvalidOptions (no inputs of that layer).
  Result<std::optional<quant::SecondMoments>> take(size_t slot, std::span<const uint8_t> block);

  /// Bytes that it reads for such a weight.
  [[nodiscard]] uint64_t bytes_of(std::string_view weight) const;

  /// Bytes of the heap that making it takes at most, for layers of this width.
  static size_t most_bytes(uint64_t width);

private:
  static constexpr size_t kValuesAtOnce = 16384;

  struct Batch {
    size_t file = 0;
    const catalog::Tensor *tensor = nullptr;
    bool is_outer = false; // a sum of x x^T
  };
  struct Step {
    Batch batch;
    uint64_t begin = 0; // bytes of the tensor
    uint64_t width = 0;
    bool is_first = false;
    bool is_last = false;
  };

  [[nodiscard]] const std::vector<Batch> *batches_of(std::string_view weight) const;

  const catalog::Catalog &model_;
  calibration::SharedInputs shared_;
  size_t slots_;
  size_t block_bytes_;
  uint32_t first_source_;
  std::vector<SourceReader> readers_; // one a file
  std::map<std::string, std::vector<Batch>, std::less<>> modules_;

  // What is asked for.
  std::vector<Batch> batches_;
  uint64_t width_ = 0;
  size_t batch_ = 0;
  uint64_t position_ = 0; // bytes of its tensor
  bool owes_first_ = false;

  std::vector<Step> steps_;
  quant::MomentSums sums_;
  std::vector<float> scratch_;
};

} // namespace monoquant::run
