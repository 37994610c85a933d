// Plain numbers, and blocks whose values share one scale.
#include <cmath>

#include "monoquant/layout/gguf/block_decoders.h"
#include "monoquant/layout/gguf/block_layouts.h"

namespace monoquant::layout::gguf {
namespace {

// ---- Numbers -------------------------------------------------------------------------------------------------------

template <typename Number>
void decode_numbers(const uint8_t *bytes, size_t count, float *__restrict to) {
  for (size_t i = 0; i < count; ++i) {
    to[i] = static_cast<float>(load_le<Number>(bytes + i * sizeof(Number)));
  }
}

void decode_f32(const uint8_t *bytes, size_t count, float *__restrict to) {
  std::memcpy(to, bytes, count * sizeof(float)); // NaN keep their bits
}

void decode_f16(const uint8_t *bytes, size_t count, float *__restrict to) {
  for (size_t i = 0; i < count; ++i) {
    to[i] = load_f16(bytes + 2 * i);
  }
}

void decode_bf16(const uint8_t *bytes, size_t count, float *__restrict to) {
  for (size_t i = 0; i < count; ++i) {
    to[i] = bf16_to_f32(load_le<uint16_t>(bytes + 2 * i));
  }
}

// ---- 32 values -----------------------------------------------------------------------------------------------------

void decode_q4_0(const Q40Block &block, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t j = 0; j < 16; ++j) {
    to[j] = static_cast<float>((block.qs[j] & 15) - 8) * d;
    to[j + 16] = static_cast<float>((block.qs[j] >> 4) - 8) * d;
  }
}

void decode_q4_1(const Q41Block &block, float *__restrict to) {
  const float d = load_f16(block.d);
  const float m = load_f16(block.m);
  for (size_t j = 0; j < 16; ++j) {
    to[j] = static_cast<float>(block.qs[j] & 15) * d + m;
    to[j + 16] = static_cast<float>(block.qs[j] >> 4) * d + m;
  }
}

/// Five bits: four of `qs`, and one of `qh`.
struct FiveBits {
  int32_t low;  // of value j
  int32_t high; // of value j + 16
};

FiveBits five_bits(const uint8_t qs[16], uint32_t qh, uint32_t j) {
  return {static_cast<int32_t>((qs[j] & 15U) | (qh >> j & 1U) << 4U),
          static_cast<int32_t>(qs[j] >> 4U | (qh >> (j + 16) & 1U) << 4U)};
}

void decode_q5_0(const Q50Block &block, float *__restrict to) {
  const float d = load_f16(block.d);
  const auto qh = load_le<uint32_t>(block.qh);
  for (uint32_t j = 0; j < 16; ++j) {
    const FiveBits codes = five_bits(block.qs, qh, j);
    to[j] = static_cast<float>(codes.low - 16) * d;
    to[j + 16] = static_cast<float>(codes.high - 16) * d;
  }
}

void decode_q5_1(const Q51Block &block, float *__restrict to) {
  const float d = load_f16(block.d);
  const float m = load_f16(block.m);
  const auto qh = load_le<uint32_t>(block.qh);
  for (uint32_t j = 0; j < 16; ++j) {
    const FiveBits codes = five_bits(block.qs, qh, j);
    to[j] = static_cast<float>(codes.low) * d + m;
    to[j + 16] = static_cast<float>(codes.high) * d + m;
  }
}

/// Q8_0 and Q8_1.
template <typename Block> void decode_q8(const Block &block, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t j = 0; j < 32; ++j) {
    to[j] = static_cast<float>(static_cast<int8_t>(block.qs[j])) * d;
  }
}

void decode_iq4_nl(const Iq4NlBlock &block, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t j = 0; j < 16; ++j) {
    to[j] = d * static_cast<float>(kIq4Values[block.qs[j] & 15]);
    to[j + 16] = d * static_cast<float>(kIq4Values[block.qs[j] >> 4]);
  }
}

void decode_mxfp4(const Mxfp4Block &block, float *__restrict to) {
  const float d = half_of_e8m0(block.e);
  for (size_t j = 0; j < 16; ++j) {
    to[j] = static_cast<float>(kFp4Values[block.qs[j] & 15]) * d;
    to[j + 16] = static_cast<float>(kFp4Values[block.qs[j] >> 4]) * d;
  }
}

// ---- 64 and 128 values ---------------------------------------------------------------------------------------------

void decode_nvfp4(const Nvfp4Block &block, float *__restrict to) {
  for (size_t part = 0; part < 4; ++part) {
    const float d = half_of_ue4m3(block.d[part]);
    for (size_t j = 0; j < 8; ++j) {
      const uint8_t codes = block.qs[8 * part + j];
      to[16 * part + j] = static_cast<float>(kFp4Values[codes & 15]) * d;
      to[16 * part + j + 8] = static_cast<float>(kFp4Values[codes >> 4]) * d;
    }
  }
}

void decode_q1_0(const Q10Block &block, float *__restrict to) {
  const float d = load_f16(block.d);
  const auto bits = std::bit_cast<uint32_t>(-d);
  for (size_t i = 0; i < 16; ++i) {
    const uint32_t byte = block.qs[i];
    for (uint32_t j = 0; j < 8; ++j) {
      to[8 * i + j] = std::bit_cast<float>(bits ^ (byte >> j & 1U) << 31U);
    }
  }
}

void decode_q2_0(const Q20Block &block, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t i = 0; i < 64; ++i) {
    to[i] = static_cast<float>((block.qs[i / 4] >> (i % 4 * 2) & 3) - 1) * d;
  }
}

} // namespace

BlockDecoder number_decoder(BlockType type) {
  switch (type) {
  case BlockType::kF32:
    return decode_f32;
  case BlockType::kF16:
    return decode_f16;
  case BlockType::kBF16:
    return decode_bf16;
  case BlockType::kF64:
    return decode_numbers<double>;
  case BlockType::kI8:
    return decode_numbers<int8_t>;
  case BlockType::kI16:
    return decode_numbers<int16_t>;
  case BlockType::kI32:
    return decode_numbers<int32_t>;
  case BlockType::kI64:
    return decode_numbers<int64_t>;
  default:
    return nullptr;
  }
}

BlockDecoder small_decoder(BlockType type) {
  switch (type) {
  case BlockType::kQ40:
    return decode_each<Q40Block, 32, decode_q4_0>;
  case BlockType::kQ41:
    return decode_each<Q41Block, 32, decode_q4_1>;
  case BlockType::kQ50:
    return decode_each<Q50Block, 32, decode_q5_0>;
  case BlockType::kQ51:
    return decode_each<Q51Block, 32, decode_q5_1>;
  case BlockType::kQ80:
    return decode_each<Q80Block, 32, decode_q8<Q80Block>>;
  case BlockType::kQ81:
    return decode_each<Q81Block, 32, decode_q8<Q81Block>>;
  case BlockType::kIq4Nl:
    return decode_each<Iq4NlBlock, 32, decode_iq4_nl>;
  case BlockType::kMxfp4:
    return decode_each<Mxfp4Block, 32, decode_mxfp4>;
  case BlockType::kNvfp4:
    return decode_each<Nvfp4Block, 64, decode_nvfp4>;
  case BlockType::kQ10:
    return decode_each<Q10Block, 128, decode_q1_0>;
  case BlockType::kQ20:
    return decode_each<Q20Block, 64, decode_q2_0>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
