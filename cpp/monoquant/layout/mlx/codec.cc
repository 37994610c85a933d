// Rows to MLX's affine codes. The same scalar code in every build.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/mlx/write.h"
#include "monoquant/layout/packed_codes.h"
#include "monoquant/layout/scale_bytes.h"
#include "monoquant/quant/affine.h"

namespace monoquant::layout::mlx {
namespace {

using quant::Affine;
using quant::QparamsArrays;
using quant::Values;

class AffineCodec final : public RowCodec {
public:
  explicit AffineCodec(const Stored &stored) : stored_(stored) {}

  [[nodiscard]] uint64_t row_bytes(uint64_t columns) const override {
    return packed_bytes(columns, stored_.scheme.bits);
  }
  /// A scale and a bias of four bytes at most.
  [[nodiscard]] uint64_t most_band_bytes(uint64_t rows) const override {
    return rows * stored_.groups() * 8;
  }

  uint8_t *encode(const Values &values, size_t size, size_t count, const QparamsArrays &qparams,
                  uint8_t *to, quant::ErrorSums &sums) const override {
    BitPacker packer(to, stored_.scheme.bits);
    for (size_t scope = 0; scope < count; ++scope) {
      encode_scope(values.part(scope * size, size), Affine::of(qparams, scope), packer, sums);
    }
    return packer.end();
  }

  [[nodiscard]] uint64_t band_offset(size_t /*stream*/, uint64_t row) const override {
    return row * stored_.groups() * dtype_bits(stored_.scheme.scale_dtype) / 8;
  }
  uint8_t *encode_band(size_t stream, uint64_t /*row*/, const QparamsArrays &qparams,
                       uint8_t *to) const override {
    const Dtype dtype = stored_.scheme.scale_dtype;
    for (size_t i = 0; i < qparams.scales.size(); ++i) {
      const Affine affine = Affine::of(qparams, i).rounded(dtype);
      to = store_scale(to, stream == kScales ? affine.scale : affine.bias, dtype);
    }
    return to;
  }

private:
  static constexpr size_t kScales = 1; // and biases behind them

  /// Codes are the nearest ones to what was chosen, errors those of what is stored of it.
  void encode_scope(const Values &values, const Affine &chosen, BitPacker &packer,
                    quant::ErrorSums &sums) const {
    constexpr size_t kAtOnce = 256;
    float scratch[kAtOnce];
    const auto [scale, bias] = chosen.rounded(stored_.scheme.scale_dtype);
    const auto highest = static_cast<float>(stored_.scheme.highest() - stored_.scheme.lowest());
    for (size_t begin = 0; begin < values.count(); begin += kAtOnce) {
      const Values part = values.part(begin, std::min(kAtOnce, values.count() - begin));
      for (const float value : quant::decode_values(part.dtype, part.bytes, scratch)) {
        const float steps = (value - chosen.bias) / chosen.scale;
        const float code = std::nearbyint(std::min(std::max(steps, 0.0F), highest));
        const auto exact = static_cast<double>(value);
        const double error = exact - (static_cast<double>(code) * static_cast<double>(scale) +
                                      static_cast<double>(bias));
        sums.add({exact * exact, error * error, static_cast<float>(std::fabs(error))});
        packer.add(static_cast<uint32_t>(code));
      }
    }
  }

  const Stored &stored_;
};

} // namespace

std::unique_ptr<RowCodec> make_codec(const Stored &stored) {
  return std::make_unique<AffineCodec>(stored);
}

} // namespace monoquant::layout::mlx
