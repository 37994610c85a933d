// Rows to compressed-tensors' streams: codes, scales and zero points.
#include <algorithm>
#include <bit>
#include <cmath>

#include "monoquant/base/checked.h"
#include "monoquant/layout/coded/codebook_codec.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/layout/compressed_tensors/zero_points.h"
#include "monoquant/layout/packed_codes.h"
#include "monoquant/layout/scale_bytes.h"

namespace monoquant::layout::compressed_tensors {
namespace {

using quant::ErrorSums;
using quant::QparamsArrays;
using quant::Values;

class Codec final : public RowCodec {
public:
  explicit Codec(const Stored &stored) : stored_(stored) {}

  /// Packed zero points of one word must not part.
  [[nodiscard]] uint64_t row_quantum() const override {
    if (stored_.scheme.symmetric || !packs_zero_points(stored_)) {
      return 1;
    }
    const uint64_t quantum = codes_in_words(stored_.scheme.bits);
    return stored_.matrices == 1 || stored_.rows % quantum == 0 ? quantum : stored_.rows;
  }

  /// Packed rows fill words.
  [[nodiscard]] uint64_t row_bytes(uint64_t columns) const override {
    return is_packed(stored_) ? packed_bytes(columns, stored_.scheme.bits) : columns;
  }

  /// A scale has four bytes, a zero point one, and packed ones of a few rows still fill whole words.
  [[nodiscard]] uint64_t most_band_bytes(uint64_t rows) const override {
    return scopes(rows) * 8 + 8;
  }

  uint8_t *encode(const Values &values, size_t size, size_t count, const QparamsArrays &qparams,
                  uint8_t *to, ErrorSums &sums) const override {
    return encode_integers(values, size, count, stored_.scheme, is_packed(stored_), qparams, to,
                           sums);
  }

  [[nodiscard]] uint64_t band_offset(size_t stream, uint64_t row) const override {
    if (stream == kScales) {
      return scopes(row) * dtype_bits(stored_.scheme.scale_dtype) / 8;
    }
    return packs_zero_points(stored_) ? packed_zero_point_bytes(stored_, 0, row) : scopes(row);
  }

  uint8_t *encode_band(size_t stream, uint64_t row, const QparamsArrays &qparams,
                       uint8_t *to) const override {
    if (stream == kScales) {
      for (const float scale : qparams.scales) {
        to = store_scale(to, scale, stored_.scheme.scale_dtype);
      }
      return to;
    }
    if (packs_zero_points(stored_)) {
      return to + pack_zero_points(stored_, row, qparams.zero_points, to);
    }
    for (const int32_t zero_point : qparams.zero_points) {
      *to++ = static_cast<uint8_t>(zero_point);
    }
    return to;
  }

private:
  static constexpr size_t kScales = 1; // and zero points behind them

  /// Before so many rows; the only one of a whole tensor is before none.
  [[nodiscard]] uint64_t scopes(uint64_t rows) const {
    return stored_.shares_scale() ? 0 : rows * stored_.groups();
  }

  const Stored &stored_;
};

} // namespace

std::unique_ptr<RowCodec> make_codec(const Stored &stored) {
  if (!stored.scheme.has_kernels()) {
    return std::make_unique<coded::CodebookCodec>(stored);
  }
  return std::make_unique<Codec>(stored);
}

} // namespace monoquant::layout::compressed_tensors
