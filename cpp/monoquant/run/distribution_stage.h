// Counts the values of one tensor in two files, and the differences between them, in equal bins.
// It exists so that what quantizing did to a tensor can be drawn.
// The tensor is read twice, part by part, whatever its size; every count is exact, whatever the host's blocks.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <string_view>

#include "monoquant/run/pair_reader.h"
#include "monoquant/run/stage.h"
#include "monoquant/run/tensor_pair.h"

namespace monoquant::run {

/// Bin i has the values for which floor((value - low) * kCount / (high - low)) is i, computed in double; the last bin
/// has `high`, too. Where low is high the first bin has all of them.
class Bins {
public:
  static constexpr size_t kCount = 128;

  Bins() = default;
  /// Both finite, `high` not below `low`.
  Bins(double low, double high) : low_(low), width_(high > low ? high - low : 1) {}

  /// A value from low to high.
  void add(double value) {
    const double at = (value - low_) * static_cast<double>(kCount) / width_;
    ++counts_[std::min(static_cast<size_t>(at), kCount - 1)];
  }
  [[nodiscard]] const std::array<uint64_t, kCount> &counts() const { return counts_; }

private:
  double low_ = 0;
  double width_ = 1;
  std::array<uint64_t, kCount> counts_ = {};
};

class DistributionStage final : public Stage {
public:
  /// The catalogs must outlive the stage. Reads of source 0 are of `file`, of source 1 of `reference`. Without a pair
  /// there is nothing to do.
  DistributionStage(const catalog::Catalog &file, const catalog::Catalog &reference,
                    TensorPair pair, size_t block_bytes);

  std::optional<ByteRange> next(size_t slot) override;
  Result<void> process(size_t slot) override;
  [[nodiscard]] std::span<const Write> writes(size_t /*slot*/) const override { return {}; }
  [[nodiscard]] std::string_view tensor() const override;
  /// Of both files' values, in both passes.
  [[nodiscard]] uint64_t total_bytes() const override;
  /// js/api/distribution.ts' Distribution.
  void write_result(JsonWriter &json) const override;

private:
  enum class Pass : uint8_t { kRanges, kCounts, kDone };

  void begin_part();
  void finish_part();
  void begin_counts();
  void widen(std::span<const float> after, std::span<const float> before);
  void count(std::span<const float> after, std::span<const float> before);

  TensorPair pair_;
  PairReader reader_;

  Pass pass_ = Pass::kRanges;
  uint64_t begin_ = 0; // the part at work
  uint64_t end_ = 0;

  // Of elements that are finite in both files.
  double low_ = std::numeric_limits<double>::infinity();
  double high_ = -std::numeric_limits<double>::infinity();
  double largest_error_ = 0;
  uint64_t not_finite_ = 0; // all others
  Bins before_;
  Bins after_;
  Bins error_;
};

} // namespace monoquant::run
