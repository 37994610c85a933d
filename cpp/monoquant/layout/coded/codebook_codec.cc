#include "monoquant/layout/coded/codebook_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "monoquant/base/checked.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/layout/coded/rotation.h"
#include "monoquant/layout/scale_bytes.h"
#include "monoquant/quant/codebook.h"

namespace monoquant::layout::coded {
namespace {

using quant::ErrorSums;
using quant::QparamsArrays;
using quant::Values;

/// Values that are held at once: whole groups of rotated ones, and an even number.
constexpr size_t kPartValues = 1024;
constexpr size_t kScaleStream = 1; // and the outer number behind it

void add_errors(std::span<const float> values, std::span<const float> kept, uint32_t rotation,
                ErrorSums &sums) {
  float errors[kPartValues];
  ErrorSums part;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto exact = static_cast<double>(values[i]);
    const double error = exact - static_cast<double>(kept[i]);
    part.signal += exact * exact;
    part.noise += error * error;
    errors[i] = static_cast<float>(error);
  }
  if (rotation != 0) { // squares stay; the largest error is that of the weights themselves
    for (size_t begin = 0; begin < values.size(); begin += rotation) {
      rotate(std::span(errors).subspan(begin, rotation));
    }
  }
  for (size_t i = 0; i < values.size(); ++i) {
    part.peak = std::max(part.peak, std::fabs(errors[i]));
  }
  sums.add(part);
}

} // namespace

uint64_t CodebookCodec::row_quantum() const {
  const quant::Scheme &scheme = stored_.scheme;
  if (scheme.strategy != quant::Strategy::kBlock) {
    return 1;
  }
  return stored_.matrices == 1 || stored_.rows % scheme.block_rows == 0 ? scheme.block_rows
                                                                        : stored_.rows;
}

uint64_t CodebookCodec::row_bytes(uint64_t columns) const {
  return divide_up(columns * stored_.scheme.bits, 8);
}

/// A scale has four bytes at most.
uint64_t CodebookCodec::most_band_bytes(uint64_t rows) const {
  return (rows * stored_.groups() + 1) * sizeof(float);
}

uint8_t *CodebookCodec::encode(const Values &values, size_t size, size_t count,
                               const QparamsArrays &qparams, uint8_t *to, ErrorSums &sums) const {
  for (size_t scope = 0; scope < count; ++scope) {
    to = encode_scope(values.part(scope * size, size),
                      {qparams.scales[scope], read_scale(qparams, scope)}, to, sums);
  }
  return to;
}

uint8_t *CodebookCodec::encode_scope(const Values &values, Scales scales, uint8_t *to,
                                     ErrorSums &sums) const {
  float scratch[kPartValues];
  for (size_t begin = 0; begin < values.count(); begin += kPartValues) {
    const Values part = values.part(begin, std::min(kPartValues, values.count() - begin));
    to = encode_part(quant::decode_values(part.dtype, part.bytes, scratch), scales, to, sums);
  }
  return to;
}

uint8_t *CodebookCodec::encode_part(std::span<const float> values, Scales scales, uint8_t *to,
                                    ErrorSums &sums) const {
  uint8_t room[kPartValues];
  float kept[kPartValues];
  const std::span codes(room, values.size());
  quant::nearest_codes(values, stored_.scheme.codebook, scales.own, codes);
  quant::stored_values(codes, stored_.scheme.codebook, scales.read, std::span(kept, values.size()));
  add_errors(values, std::span(kept, values.size()), stored_.scheme.rotation, sums);
  if (stored_.scheme.bits == 8) {
    return std::copy(codes.begin(), codes.end(), to);
  }
  const uint32_t first = pair_ == Pair::kLowFirst ? 0 : 4;
  for (size_t i = 0; i < codes.size(); i += 2) {
    const uint8_t second = i + 1 < codes.size() ? codes[i + 1] : uint8_t{0};
    *to++ = static_cast<uint8_t>(codes[i] << first | second << (4 - first));
  }
  return to;
}

uint64_t CodebookCodec::scale_rows(uint64_t row) const {
  const quant::Scheme &scheme = stored_.scheme;
  if (scheme.strategy != quant::Strategy::kBlock) {
    return stored_.shares_scale() ? 0 : row;
  }
  return row / stored_.rows * divide_up(stored_.rows, scheme.block_rows) +
         row % stored_.rows / scheme.block_rows;
}

uint64_t CodebookCodec::band_offset(size_t stream, uint64_t row) const {
  const uint64_t bytes = dtype_bits(stored_.scheme.scale_dtype) / 8;
  return stream == kScaleStream ? scale_rows(row) * stored_.groups() * bytes : 0;
}

uint8_t *CodebookCodec::encode_band(size_t stream, uint64_t row, const QparamsArrays &qparams,
                                    uint8_t *to) const {
  if (stream != kScaleStream) {
    return store_scale(to, qparams.outer, Dtype::kF32);
  }
  if (stored_.scheme.strategy != quant::Strategy::kBlock) {
    for (const float scale : qparams.scales) {
      to = store(to, scale, qparams.outer);
    }
    return to;
  }
  const auto groups = static_cast<size_t>(stored_.groups());
  for (size_t at = 0; at < qparams.scales.size(); at += groups, ++row) {
    if (row % stored_.rows % stored_.scheme.block_rows == 0) {
      for (size_t i = 0; i < groups; ++i) {
        to = store(to, qparams.scales[at + i], qparams.outer);
      }
    }
  }
  return to;
}

uint8_t *CodebookCodec::store(uint8_t *to, float scale, float outer) const {
  switch (stored_.scheme.scale_dtype) {
  case Dtype::kF8E8M0: // a power of two
    *to = static_cast<uint8_t>(std::bit_cast<uint32_t>(scale) >> 23U);
    return to + 1;
  case Dtype::kF8E4M3: // divided by the outer number, which was exact but for the last bit
    *to = f32_to_f8_e4m3(scale * outer);
    return to + 1;
  default:
    return store_scale(to, scale, stored_.scheme.scale_dtype);
  }
}

} // namespace monoquant::layout::coded
