// The values of a part of a quantized tensor, computed from where its codes and scales lie in the file.
// It exists so that whoever reads tensors need not know that some are stored as codes.
// It holds the scales and zero points of one part at a time; codes are decoded as they come.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/run/stage.h"

namespace monoquant::run {

/// What cannot be, or should not be, among the codes and scales that were decoded.
struct DecodeFindings {
  uint64_t bad_scales = 0;      // zero, NaN or infinite
  uint64_t negative_scales = 0; // only searches of the sign make these
  uint64_t bad_zero_points = 0; // none of the codes
  uint64_t bad_codes = 0;       // bits beyond the last code of a packed row that are not zero
};

class Decoder {
public:
  /// `block_bytes`: of the largest read, at least 16.
  explicit Decoder(size_t block_bytes) : block_bytes_(block_bytes / 16 * 16) {}

  /// Room for the scales of parts of at most `elements` elements of this tensor.
  void reserve(const catalog::Codes &codes, uint64_t elements);

  /// Begins elements [begin, end) of the tensor, whose values `fill` puts into `values`. Both must outlive the part.
  /// `steps`: room for the codes of as many elements as they are stored, or none. Unsigned codes are moved to those of
  /// a signed byte: 128 is taken off them (see signed_zero_point).
  void begin(const catalog::Codes &codes, uint64_t begin, uint64_t end, std::span<float> values,
             std::span<int8_t> steps = {});

  /// The next read; nothing when all values are there.
  std::optional<Read> next();
  /// Takes what the read brought.
  void fill(std::span<const uint8_t> bytes);

  /// Of the part that was begun last, complete when all values are there.
  [[nodiscard]] const DecodeFindings &findings() const { return findings_; }
  /// Of an element of the part.
  [[nodiscard]] float scale(uint64_t element) const { return scales_[scope_index(element)]; }
  [[nodiscard]] int32_t zero_point(uint64_t element) const {
    return zero_points_[scope_index(element)];
  }
  /// The same, moved as the codes in `steps` are: code - zero point stays what it is.
  [[nodiscard]] int32_t signed_zero_point(uint64_t element) const {
    return zero_point(element) - (codes_->is_unsigned ? 128 : 0);
  }

private:
  enum class Step : uint8_t { kScales, kZeroPoints, kCodes, kDone };

  void enter(Step step);
  void take(std::span<const uint8_t> bytes);
  void take_scales(std::span<const uint8_t> bytes);
  void take_zero_points(std::span<const uint8_t> bytes);
  void unpack_zero_points();
  void decode(std::span<const uint8_t> bytes);
  void decode_codes(uint64_t begin, uint64_t end, const uint8_t *codes, uint64_t skip);
  template <typename CodeAt>
  void put(uint64_t begin, size_t count, const CodeAt &code_at, int32_t moved);
  [[nodiscard]] const catalog::Codes::Part &part() const;
  [[nodiscard]] size_t scope_index(uint64_t element) const {
    return static_cast<size_t>(element / codes_->scope - first_scope_);
  }

  size_t block_bytes_;
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

} // namespace monoquant::run
