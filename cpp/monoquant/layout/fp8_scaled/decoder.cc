// F8_E4M3 and F8_E5M2 codes to values: value = code * scale, in f32.
// Scales lie in one run of the file for any part of a tensor: those of scopes, or whole rows of those of blocks.
#include <algorithm>
#include <cmath>
#include <vector>

#include "monoquant/base/checked.h"
#include "monoquant/layout/fp8_scaled/fp8_scaled.h"
#include "monoquant/layout/scale_bytes.h"

namespace monoquant::layout::fp8_scaled {
namespace {

using catalog::Codes;

class Decoder final : public PartDecoder {
public:
  explicit Decoder(size_t block_bytes) : block_bytes_(block_bytes) {}

  void reserve(const Codes &codes, uint64_t elements) override {
    const uint64_t scales =
        codes.blocks ? codes.blocks->in_row(codes.columns) * (elements / codes.columns + 2)
                     : elements / codes.scope + 2;
    scales_.reserve(static_cast<size_t>(
        std::min(codes.scale.bytes * 8 / dtype_bits(codes.scale.dtype), scales)));
  }

  void begin(const Codes &codes, uint64_t begin, uint64_t end, std::span<float> values,
             std::span<int8_t> /*steps*/) override {
    codes_ = &codes;
    begin_ = begin;
    end_ = end;
    values_ = values;
    first_scale_ = scale_index(begin);
    scales_wanted_ = scale_index(end - 1) + 1;
    if (codes.blocks) { // whole rows of blocks
      const uint64_t in_row = codes.blocks->in_row(codes.columns);
      first_scale_ = first_scale_ / in_row * in_row;
      scales_wanted_ = divide_up(scales_wanted_, in_row) * in_row;
    }
    scales_wanted_ -= first_scale_;
    scales_.clear();
    findings_ = {};
    position_ = begin;
    if (!codes.scale.literal.empty()) {
      take_scales(std::span(codes.scale.literal)
                      .subspan(static_cast<size_t>(first_scale_ * width()),
                               static_cast<size_t>(scales_wanted_ * width())));
    }
  }

  std::optional<Need> next() override {
    if (scales_.size() < scales_wanted_) {
      const uint64_t left = (scales_wanted_ - scales_.size()) * width();
      return Need{codes_->scale.offset + (first_scale_ + scales_.size()) * width(),
                  std::min<uint64_t>(left, block_bytes_ / width() * width())};
    }
    if (position_ < end_) {
      return Need{codes_->data.offset + position_,
                  std::min<uint64_t>(end_ - position_, block_bytes_)};
    }
    return std::nullopt;
  }

  void fill(std::span<const uint8_t> bytes) override {
    if (scales_.size() < scales_wanted_) {
      return take_scales(bytes);
    }
    while (!bytes.empty()) {
      const auto count =
          static_cast<size_t>(std::min<uint64_t>(bytes.size(), sharing_scale(position_)));
      const float step = scale(position_);
      float *to = values_.data() + static_cast<size_t>(position_ - begin_);
      const bool is_e5m2 = codes_->data.dtype == Dtype::kF8E5M2;
      for (size_t i = 0; i < count; ++i) {
        to[i] = (is_e5m2 ? f8_e5m2_to_f32(bytes[i]) : f8_e4m3_to_f32(bytes[i])) * step;
      }
      bytes = bytes.subspan(count);
      position_ += count;
    }
  }

  [[nodiscard]] const DecodeFindings &findings() const override { return findings_; }
  [[nodiscard]] float scale(uint64_t element) const override {
    return scales_[static_cast<size_t>(scale_index(element) - first_scale_)];
  }
  [[nodiscard]] int32_t signed_zero_point(uint64_t /*element*/) const override { return 0; }

  [[nodiscard]] uint64_t misrounded(std::span<const float> values,
                                    std::span<const float> expected) const override {
    uint64_t misrounded = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const auto step = static_cast<double>(scale(begin_ + i));
      if (step == 0 || !std::isfinite(step)) {
        continue;
      }
      const double wanted = static_cast<double>(expected[i]) / step;
      const double nearest = nearest_code(static_cast<float>(wanted));
      const double best = std::fabs(wanted - nearest);
      // Codes are found by multiplying with the reciprocal of the scale in f32.
      const double allowed = best + std::fabs(wanted) * 1e-6;
      misrounded += std::fabs(wanted - static_cast<double>(values[i]) / step) <= allowed ? 0 : 1;
    }
    return misrounded;
  }

private:
  [[nodiscard]] uint64_t width() const { return dtype_bits(codes_->scale.dtype) / 8; }

  [[nodiscard]] double nearest_code(float wanted) const {
    if (codes_->data.dtype == Dtype::kF8E4M3) {
      return static_cast<double>(f8_e4m3_to_f32(f32_to_f8_e4m3(wanted)));
    }
    // A binary16 has eight more bits: the two codes around it.
    constexpr float kLargest = 57344.0F;
    const uint16_t half = f32_to_f16(std::clamp(wanted, -kLargest, kLargest));
    const auto code = static_cast<uint8_t>(half >> 8U);
    const float below = f8_e5m2_to_f32(code);
    const float above = f8_e5m2_to_f32(static_cast<uint8_t>(code + 1));
    const bool is_above =
        std::isfinite(above) && std::fabs(wanted - above) < std::fabs(wanted - below);
    return static_cast<double>(is_above ? above : below);
  }

  /// In the file's part of scales.
  [[nodiscard]] uint64_t scale_index(uint64_t element) const {
    if (!codes_->blocks) {
      return element / codes_->scope;
    }
    const Codes::Blocks &blocks = *codes_->blocks;
    const uint64_t row = element / codes_->columns;
    const uint64_t down = row / blocks.matrix_rows * divide_up(blocks.matrix_rows, blocks.rows) +
                          row % blocks.matrix_rows / blocks.rows;
    return down * blocks.in_row(codes_->columns) + element % codes_->columns / blocks.columns;
  }

  /// How many elements from this one on have its scale and lie in its row.
  [[nodiscard]] uint64_t sharing_scale(uint64_t element) const {
    if (!codes_->blocks) {
      return codes_->scope - element % codes_->scope;
    }
    const uint64_t column = element % codes_->columns;
    const uint64_t block = codes_->blocks->columns;
    return std::min(codes_->columns, (column / block + 1) * block) - column;
  }

  void take_scales(std::span<const uint8_t> bytes) {
    for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(width())) {
      const float scale = load_scale(bytes.data() + at, codes_->scale.dtype);
      const bool is_new = is_first_seen(first_scale_ + scales_.size());
      findings_.bad_scales += is_new && (scale == 0 || !std::isfinite(scale)) ? 1 : 0;
      findings_.negative_scales += is_new && scale < 0 ? 1 : 0;
      scales_.push_back(scale);
    }
  }

  /// One that begins in an earlier part was looked at there.
  [[nodiscard]] bool is_first_seen(uint64_t index) const {
    if (!codes_->blocks) {
      return index * codes_->scope >= begin_;
    }
    const Codes::Blocks &blocks = *codes_->blocks;
    const uint64_t down = index / blocks.in_row(codes_->columns);
    const uint64_t in_matrix = divide_up(blocks.matrix_rows, blocks.rows);
    const uint64_t row = down / in_matrix * blocks.matrix_rows + down % in_matrix * blocks.rows;
    return row * codes_->columns >= begin_;
  }

  size_t block_bytes_;
  std::vector<float> scales_; // of the part
  DecodeFindings findings_;

  // The part at work.
  const Codes *codes_ = nullptr;
  uint64_t begin_ = 0; // elements
  uint64_t end_ = 0;
  std::span<float> values_;
  uint64_t first_scale_ = 0;
  uint64_t scales_wanted_ = 0;
  uint64_t position_ = 0; // the next code
};

} // namespace

std::unique_ptr<PartDecoder> make_decoder(size_t block_bytes) {
  return std::make_unique<Decoder>(block_bytes);
}

} // namespace monoquant::layout::fp8_scaled
