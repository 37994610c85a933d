// Rows to F8_E4M3 codes. The same scalar code in every build.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/fp8_scaled/fp8_scaled.h"
#include "monoquant/layout/scale_bytes.h"

namespace monoquant::layout::fp8_scaled {
namespace {

using quant::Values;

class Codec final : public RowCodec {
public:
  [[nodiscard]] uint64_t row_bytes(uint64_t columns) const override { return columns; }
  [[nodiscard]] uint64_t most_band_bytes(uint64_t /*rows*/) const override { return sizeof(float); }

  uint8_t *encode(const Values &values, size_t size, size_t count,
                  const quant::QparamsArrays &qparams, uint8_t *to,
                  quant::ErrorSums &sums) const override {
    for (size_t scope = 0; scope < count; ++scope) {
      to = encode_scope(values.part(scope * size, size), qparams.scales[scope], to, sums);
    }
    return to;
  }

  /// The only scale is that of the only band.
  [[nodiscard]] uint64_t band_offset(size_t /*stream*/, uint64_t /*row*/) const override {
    return 0;
  }
  uint8_t *encode_band(size_t /*stream*/, uint64_t /*row*/, const quant::QparamsArrays &qparams,
                       uint8_t *to) const override {
    return store_scale(to, qparams.scales[0], Dtype::kF32);
  }

private:
  static uint8_t *encode_scope(const Values &values, float scale, uint8_t *to,
                               quant::ErrorSums &sums) {
    constexpr size_t kAtOnce = 256;
    float scratch[kAtOnce];
    const float factor = 1.0F / scale;
    for (size_t begin = 0; begin < values.count(); begin += kAtOnce) {
      const Values part = values.part(begin, std::min(kAtOnce, values.count() - begin));
      for (const float value : quant::decode_values(part.dtype, part.bytes, scratch)) {
        const uint8_t code = f32_to_f8_e4m3(value * factor);
        const auto exact = static_cast<double>(value);
        const double error = exact - static_cast<double>(f8_e4m3_to_f32(code) * scale);
        sums.add({exact * exact, error * error, static_cast<float>(std::fabs(error))});
        *to++ = code;
      }
    }
    return to;
  }
};

} // namespace

std::unique_ptr<RowCodec> make_codec(const Stored & /*stored*/) {
  return std::make_unique<Codec>();
}

} // namespace monoquant::layout::fp8_scaled
