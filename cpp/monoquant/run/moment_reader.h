// Reads the captured inputs of a layer and makes of them what rounding its weights needs.
// It exists because second moments are as large as a weight: they are made when its bands begin, and gone behind them.
// Inputs are added in the order of the files and of the batches' numbers, whatever the blocks are.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/calibration/match.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/quant/error_feedback.h"
#include "monoquant/quant/moment_sums.h"
#include "monoquant/run/source_reader.h"

namespace monoquant::run {

class MomentReader {
public:
  /// Files are counted from `first_source` on. Errors of `add`: those of calibration::match.
  MomentReader(const catalog::Catalog &model, size_t slots, size_t block_bytes,
               uint32_t first_source)
      : model_(model), slots_(slots), block_bytes_(block_bytes), first_source_(first_source),
        steps_(slots), scratch_(kValuesAtOnce) {}

  /// One more file of captured inputs, which must outlive this.
  Result<void> add(const catalog::Catalog &data);

  /// From now on `next` reads what this weight of a linear layer needs. `width`: of the layer.
  void request(std::string_view weight, uint64_t width);

  /// What this slot reads next of it: nothing once all is asked for, or while a strip is in use.
  std::optional<ByteRange> next(size_t slot);
  [[nodiscard]] bool is_asked_for() const { return batch_ == batches_.size() && !owes_first_; }

  /// Takes what the read has brought, in the order of `next`. What was asked for is there after the last step: `made`
  /// then gives it away. Errors: kInvalidOptions (no inputs of that layer).
  Result<void> take(size_t slot, std::span<const uint8_t> block);
  [[nodiscard]] std::unique_ptr<const quant::ErrorFeedback> made() { return std::move(made_); }

  /// Bytes of the heap that making it takes at most, for layers of this width.
  static size_t most_bytes(uint64_t width);

private:
  static constexpr size_t kValuesAtOnce = 16384;

  struct Batch {
    size_t file = 0;
    const catalog::Tensor *tensor = nullptr;
  };
  struct Step {
    size_t file = 0;
    const catalog::Tensor *tensor = nullptr;
    uint64_t width = 0;
    bool is_first = false;
    bool is_last = false;
  };

  [[nodiscard]] bool is_last_of_all(const Batch &batch) const;

  const catalog::Catalog &model_;
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
  std::unique_ptr<const quant::ErrorFeedback> made_;
};

} // namespace monoquant::run
