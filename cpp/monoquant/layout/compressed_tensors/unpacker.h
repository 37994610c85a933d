// The values of compressed-tensors' codes: value = (code - zero_point) * scale.
// It holds the scales and zero points of one part at a time; codes are decoded as they come.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "monoquant/layout/part_decoder.h"

namespace monoquant::layout::compressed_tensors {

class Unpacker final : public PartDecoder {
public:
  /// `block_bytes`: of the largest read, at least 16.
  explicit Unpacker(size_t block_bytes) : block_bytes_(block_bytes / 16 * 16) {}

  void reserve(const catalog::Codes &codes, uint64_t elements) override;
  void begin(const catalog::Codes &codes, uint64_t begin, uint64_t end, std::span<float> values,
             std::span<int8_t> steps) override;
  std::optional<Need> next() override;
  void fill(std::span<const uint8_t> bytes) override { take(bytes); }
  [[nodiscard]] const DecodeFindings &findings() const override { return findings_; }
  [[nodiscard]] float scale(uint64_t element) const override {
    return scales_[scope_index(element)];
  }
  [[nodiscard]] int32_t signed_zero_point(uint64_t element) const override {
    return zero_points_[scope_index(element)] - (codes_->is_unsigned ? 128 : 0);
  }
  [[nodiscard]] uint64_t misrounded(std::span<const float> values,
                                    std::span<const float> expected) const override;

private:
  enum class Step : uint8_t { kOrder, kScales, kZeroPoints, kCodes, kDone };

  void enter(Step step);
  void take(std::span<const uint8_t> bytes);
  void take_order(std::span<const uint8_t> bytes);
  void take_scales(std::span<const uint8_t> bytes);
  void take_zero_points(std::span<const uint8_t> bytes);
  void unpack_zero_points();
  void decode(std::span<const uint8_t> bytes);
  void decode_codes(uint64_t begin, uint64_t end, const uint8_t *codes, uint64_t skip);
  [[nodiscard]] uint64_t count_wide(const uint8_t *codes, size_t count) const;
  template <typename CodeAt>
  void put(uint64_t begin, size_t count, const CodeAt &code_at, int32_t moved);
  [[nodiscard]] const catalog::Codes::Part &part() const;
  [[nodiscard]] size_t scope_index(uint64_t element) const;
  [[nodiscard]] uint64_t end_of_scope(uint64_t element) const;
  [[nodiscard]] bool is_first_seen(uint64_t scope) const;

  size_t block_bytes_;
  std::vector<uint32_t>
      order_; // the scope of each column within its row, where it is not the column's place
  std::vector<float> scales_; // of the part's scopes
  std::vector<int32_t> zero_points_;
  std::vector<uint32_t> words_; // packed zero points, from the part's first row on
  DecodeFindings findings_;

  // The part at work.
  const catalog::Codes *codes_ = nullptr;
  uint64_t begin_ = 0; // elements
  uint64_t end_ = 0;
  std::span<float> values_;
  std::span<int8_t> steps_; // or none
  uint64_t first_scope_ = 0;
  uint64_t scopes_ = 0;
  Step step_ = Step::kDone;
  uint64_t position_ = 0; // bytes of the step's part
  uint64_t last_ = 0;
  size_t taken_ = 0; // scales or zero points of this step
};

} // namespace monoquant::layout::compressed_tensors
