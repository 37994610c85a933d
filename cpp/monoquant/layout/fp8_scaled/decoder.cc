// F8_E4M3 codes to values: value = code * scale.
#include <algorithm>
#include <cmath>
#include <vector>

#include "monoquant/layout/fp8_scaled/fp8_scaled.h"
#include "monoquant/layout/scale_bytes.h"

namespace monoquant::layout::fp8_scaled {
namespace {

using catalog::Codes;

class Decoder final : public PartDecoder {
public:
  explicit Decoder(size_t block_bytes) : block_bytes_(block_bytes) {}

  void reserve(const Codes &codes, uint64_t elements) override {
    scales_.reserve(static_cast<size_t>(std::min(codes.scopes(), elements / codes.scope + 2)));
  }

  void begin(const Codes &codes, uint64_t begin, uint64_t end, std::span<float> values,
             std::span<int8_t> /*steps*/) override {
    codes_ = &codes;
    begin_ = begin;
    end_ = end;
    values_ = values;
    first_scope_ = begin / codes.scope;
    scopes_ = (end - 1) / codes.scope - first_scope_ + 1;
    scales_.clear();
    findings_ = {};
    position_ = begin;
    if (!codes.scale.literal.empty()) {
      take_scales(std::span(codes.scale.literal)
                      .subspan(static_cast<size_t>(first_scope_ * width()),
                               static_cast<size_t>(scopes_ * width())));
    }
  }

  std::optional<Need> next() override {
    if (scales_.size() < scopes_) {
      const uint64_t left = (scopes_ - scales_.size()) * width();
      return Need{codes_->scale.offset + (first_scope_ + scales_.size()) * width(),
                  std::min<uint64_t>(left, block_bytes_ / width() * width())};
    }
    if (position_ < end_) {
      return Need{codes_->data.offset + position_,
                  std::min<uint64_t>(end_ - position_, block_bytes_)};
    }
    return std::nullopt;
  }

  void fill(std::span<const uint8_t> bytes) override {
    if (scales_.size() < scopes_) {
      return take_scales(bytes);
    }
    for (const uint8_t code : bytes) {
      values_[static_cast<size_t>(position_ - begin_)] = f8_e4m3_to_f32(code) * scale(position_);
      ++position_;
    }
  }

  [[nodiscard]] const DecodeFindings &findings() const override { return findings_; }
  [[nodiscard]] float scale(uint64_t element) const override {
    return scales_[static_cast<size_t>(element / codes_->scope - first_scope_)];
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
      const double nearest =
          static_cast<double>(f8_e4m3_to_f32(f32_to_f8_e4m3(static_cast<float>(wanted))));
      const double best = std::fabs(wanted - nearest);
      // Codes are found by multiplying with the reciprocal of the scale in f32.
      const double allowed = best + std::fabs(wanted) * 1e-6;
      misrounded += std::fabs(wanted - static_cast<double>(values[i]) / step) <= allowed ? 0 : 1;
    }
    return misrounded;
  }

private:
  [[nodiscard]] uint64_t width() const { return dtype_bits(codes_->scale.dtype) / 8; }

  void take_scales(std::span<const uint8_t> bytes) {
    for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(width())) {
      const float scale = load_scale(bytes.data() + at, codes_->scale.dtype);
      // One that begins in an earlier part was looked at there.
      const bool is_new = (first_scope_ + scales_.size()) * codes_->scope >= begin_;
      findings_.bad_scales += is_new && (scale == 0 || !std::isfinite(scale)) ? 1 : 0;
      findings_.negative_scales += is_new && scale < 0 ? 1 : 0;
      scales_.push_back(scale);
    }
  }

  size_t block_bytes_;
  std::vector<float> scales_; // of the part's scopes
  DecodeFindings findings_;

  // The part at work.
  const Codes *codes_ = nullptr;
  uint64_t begin_ = 0; // elements
  uint64_t end_ = 0;
  std::span<float> values_;
  uint64_t first_scope_ = 0;
  uint64_t scopes_ = 0;
  uint64_t position_ = 0; // the next code
};

} // namespace

std::unique_ptr<PartDecoder> make_decoder(size_t block_bytes) {
  return std::make_unique<Decoder>(block_bytes);
}

} // namespace monoquant::layout::fp8_scaled
