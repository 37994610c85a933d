// Rows to compressed-tensors' streams: codes, scales and zero points.
#include <algorithm>
#include <bit>
#include <cmath>

#include "monoquant/base/checked.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/layout/compressed_tensors/zero_points.h"
#include "monoquant/layout/scale_bytes.h"
#include "monoquant/quant/kernels/kernels.h"

namespace monoquant::layout::compressed_tensors {
namespace {

using quant::ErrorSums;
using quant::QparamsArrays;
using quant::Values;

/// Below so many steps squares may vanish in f32; all such values become the zero point.
constexpr float kVanishing = 0x1p-40F;
/// Scopes whose factors are held at once.
constexpr size_t kAtOnce = 64;

class Codec final : public RowCodec {
public:
  explicit Codec(const Stored &stored) : stored_(stored) {}

  /// Packed zero points of one word must not part.
  [[nodiscard]] uint64_t row_quantum() const override {
    if (stored_.scheme.symmetric || !packs_zero_points(stored_)) {
      return 1;
    }
    return stored_.matrices == 1 || stored_.rows % 8 == 0 ? 8 : stored_.rows;
  }

  /// Packed rows fill words.
  [[nodiscard]] uint64_t row_bytes(uint64_t columns) const override {
    return is_packed(stored_) ? divide_up(columns * stored_.scheme.bits, 32) * 4 : columns;
  }

  /// A scale has four bytes, a zero point one, and packed ones of a few rows still fill whole words.
  [[nodiscard]] uint64_t most_band_bytes(uint64_t rows) const override {
    return scopes(rows) * 8 + 8;
  }

  uint8_t *encode(const Values &values, size_t size, size_t count, const QparamsArrays &qparams,
                  uint8_t *to, ErrorSums &sums) const override {
    for (size_t begin = 0; begin < count; begin += kAtOnce) {
      const size_t some = std::min(kAtOnce, count - begin);
      encode_some(values.part(begin * size, some * size), size, some, qparams.from(begin), to,
                  sums);
      to += (some * size * stored_.scheme.bits + 7) / 8;
    }
    return to;
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

  /// The kernels make and pack codes in one go.
  void encode_some(const Values &values, size_t size, size_t count, const QparamsArrays &qparams,
                   uint8_t *to, ErrorSums &sums) const {
    float factors[kAtOnce];
    float steps[kAtOnce];
    for (size_t i = 0; i < count; ++i) {
      factors[i] = 1.0F / qparams.scales[i];
      steps[i] = std::fabs(qparams.scales[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      if (steps[i] > quant::kSmallestScale) {
        continue; // only beside the smallest scale can values be so much smaller
      }
      const Values scope = values.part(i * size, size);
      const auto magnitude = std::bit_cast<float>(quant::magnitude_of(scope));
      if (magnitude * std::fabs(factors[i]) < kVanishing) {
        steps[i] = 0;
        sums.add(quant::lost_signal(scope));
      }
    }
    const quant::SourceKernels &source = quant::kernels().of(values.dtype);
    const quant::Scopes scopes{factors, steps, qparams.zero_points.data()};
    if (stored_.scheme.bits == 4) {
      source.encode_4(values.bytes.data(), size, count, scopes, to, sums);
    } else {
      source.encode_8(values.bytes.data(), size, count, scopes, is_packed(stored_) ? 0x80 : 0, to,
                      sums);
    }
  }

  const Stored &stored_;
};

} // namespace

std::unique_ptr<RowCodec> make_codec(const Stored &stored) {
  return std::make_unique<Codec>(stored);
}

} // namespace monoquant::layout::compressed_tensors
