// Scales of scales: what bitsandbytes calls double quantization (bnb_4bit_use_double_quant).
// It exists because a scale of F32 for every 64 codes is half a bit a weight: as codes of a byte they are an eighth.
// Source: quantize_4bit(compress_statistics=True) of bitsandbytes 0.50.2, whose codes of scales these are, to the bit.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "monoquant/layout/row_codec.h"

namespace monoquant::layout::bitsandbytes {

/// Scales that share an outer one.
inline constexpr uint64_t kInNestedBlock = 256;

//   scale = table[code] * outer[block of 256] + offset        table: 256 numbers from -0.993 to 1, finer near 0

struct NestedScales {
  float offset = 0;         // the mean of all scales
  std::vector<float> outer; // the largest distance from it, one a block
  std::vector<uint8_t> codes;

  /// What readers make of scale `i`, in f32.
  [[nodiscard]] float read(size_t i) const;
};

NestedScales nest_scales(std::span<const float> scales);

/// What codes of scales stand for, as the file has it.
std::span<const float, 256> nested_table();

/// The bytes that P.quant_state has at the end, whatever the offset: nested_offset and spaces.
std::string offset_text(float offset);
inline constexpr size_t kOffsetText = 32;

/// Streams 1 to 3: codes of scales, outer scales, P.quant_state. `stored` must outlive it.
std::unique_ptr<RowCodec> make_nested_codec(const Stored &stored);

} // namespace monoquant::layout::bitsandbytes
