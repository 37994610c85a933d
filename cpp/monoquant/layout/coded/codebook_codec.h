// Rows of codes that have no kernels, and their scales: what all layouts of such codes share.
// A layout says how two codes of four bits lie in a byte; where its streams are, and what they are called, is its own.
//
//   stream 0  codes: a byte each, or two in one
//          1  scales, row by row, as the scheme stores them: F32, F16, BF16, F8_E4M3 (times the outer number), or
//             exponents; of blocks, a row for each row of blocks
//          2  the outer number, F32, where there is one
#pragma once

#include "monoquant/layout/row_codec.h"

namespace monoquant::layout::coded {

/// Where the first of two codes lies.
enum class Pair : uint8_t { kLowFirst, kHighFirst };

class CodebookCodec : public RowCodec {
public:
  explicit CodebookCodec(const Stored &stored, Pair pair = Pair::kLowFirst)
      : stored_(stored), pair_(pair) {}

  [[nodiscard]] uint64_t row_quantum() const override;
  [[nodiscard]] uint64_t row_bytes(uint64_t columns) const override;
  [[nodiscard]] uint64_t most_band_bytes(uint64_t rows) const override;
  uint8_t *encode(const quant::Values &values, size_t size, size_t count,
                  const quant::QparamsArrays &qparams, uint8_t *to,
                  quant::ErrorSums &sums) const override;
  [[nodiscard]] uint64_t band_offset(size_t stream, uint64_t row) const override;
  uint8_t *encode_band(size_t stream, uint64_t row, const quant::QparamsArrays &qparams,
                       uint8_t *to) const override;

protected:
  [[nodiscard]] const Stored &stored() const { return stored_; }
  /// What readers multiply the codes of a scope with.
  [[nodiscard]] virtual float read_scale(const quant::QparamsArrays &qparams, size_t scope) const {
    return qparams.scales[scope];
  }

private:
  /// The scale that codes are chosen with, and that which they are read with.
  struct Scales {
    float own;
    float read;
  };
  uint8_t *encode_scope(const quant::Values &values, Scales scales, uint8_t *to,
                        quant::ErrorSums &sums) const;
  uint8_t *encode_part(std::span<const float> values, Scales scales, uint8_t *to,
                       quant::ErrorSums &sums) const;
  uint8_t *store(uint8_t *to, float scale, float outer) const;
  /// Rows of scales before a row of all matrices.
  [[nodiscard]] uint64_t scale_rows(uint64_t row) const;

  const Stored &stored_;
  Pair pair_;
};

} // namespace monoquant::layout::coded
