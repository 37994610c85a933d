// The values of a part of a quantized tensor, computed from where its streams lie in the file.
// It exists so that whoever reads tensors need not know that some are stored as codes, nor how.
// A decoder holds one part at a time; codes are decoded as they come.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "monoquant/base/byte_window.h"
#include "monoquant/catalog/codes.h"

namespace monoquant::layout {

/// What cannot be, or should not be, among the codes and scales that were decoded.
struct DecodeFindings {
  uint64_t bad_scales = 0;      // zero, NaN or infinite
  uint64_t negative_scales = 0; // only searches of the sign make these
  uint64_t bad_zero_points = 0; // none of the codes
  uint64_t bad_codes = 0;       // what stands for no value, or beyond the last value
};

class PartDecoder {
public:
  PartDecoder() = default;
  virtual ~PartDecoder() = default;
  PartDecoder(const PartDecoder &) = delete;
  PartDecoder &operator=(const PartDecoder &) = delete;

  /// Room for parts of at most `elements` elements of this tensor.
  virtual void reserve(const catalog::Codes &codes, uint64_t elements) = 0;

  /// Begins elements [begin, end) of the tensor, whose values `fill` puts into `values`. Both must outlive the part.
  /// `steps`: room for the codes of as many elements, where these are integers, or none. Unsigned codes are moved to
  /// those of a signed byte: 128 is taken off them (see signed_zero_point).
  virtual void begin(const catalog::Codes &codes, uint64_t begin, uint64_t end,
                     std::span<float> values, std::span<int8_t> steps) = 0;

  /// The bytes of the file that are wanted next; nothing when all values are there.
  virtual std::optional<Need> next() = 0;
  /// Takes them.
  virtual void fill(std::span<const uint8_t> bytes) = 0;

  /// Of the part that was begun last, complete when all values are there.
  [[nodiscard]] virtual const DecodeFindings &findings() const = 0;
  /// Of an element of the part. Zero points are moved as the codes in `steps` are: code - zero point stays what it is.
  [[nodiscard]] virtual float scale(uint64_t element) const = 0;
  [[nodiscard]] virtual int32_t signed_zero_point(uint64_t element) const = 0;

  /// How many of the part's codes are not the nearest ones to `expected`, though their scales would allow these.
  /// `values`: what the codes stand for.
  [[nodiscard]] virtual uint64_t misrounded(std::span<const float> values,
                                            std::span<const float> expected) const = 0;
};

} // namespace monoquant::layout
