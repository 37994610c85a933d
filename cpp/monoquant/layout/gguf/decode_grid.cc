// Blocks whose codes are points of a grid.
#include <bit>

#include "monoquant/layout/gguf/block_decoders.h"
#include "monoquant/layout/gguf/block_layouts.h"
#include "monoquant/layout/gguf/grids.h"

namespace monoquant::layout::gguf {
namespace {

/// Seven signs, and the eighth that makes the number of negative ones even.
uint32_t eight_signs(uint32_t seven) {
  seven &= 127U;
  return seven | (static_cast<uint32_t>(std::popcount(seven)) & 1U) << 7U;
}

float with_sign(float value, uint32_t signs, uint32_t at) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) ^ (signs >> at & 1U) << 31U);
}

constexpr float kIq2Values[4] = {8, 25, 43, 0}; // by digit; there is no digit 3
constexpr float kIq3XxsValues[8] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr float kIq3SValues[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/// A point of eight values.
void put_eight(uint32_t point, uint32_t signs, float step, float *__restrict to) {
  for (uint32_t j = 0; j < 8; ++j) {
    to[j] = with_sign(step * kIq2Values[point >> (2 * j) & 3U], signs, j);
  }
}

/// Two points of four values.
void put_two_fours(uint32_t first, uint32_t second, const float values[8], uint32_t signs,
                   float step, float *__restrict to) {
  const uint32_t digits = first | second << 12U;
  for (uint32_t j = 0; j < 8; ++j) {
    to[j] = with_sign(step * values[digits >> (3 * j) & 7U], signs, j);
  }
}

/// A point of eight values that are -1, 0 or 1, all shifted alike.
void put_shifted(uint32_t point, bool is_down, float step, float *__restrict to) {
  const float shift = is_down ? -0.125F : 0.125F;
  for (uint32_t j = 0; j < 8; ++j) {
    const auto digit = static_cast<int32_t>(point >> (2 * j) & 3U);
    to[j] = step * (static_cast<float>(digit - 1) + shift);
  }
}

void decode_iq2_xxs(const Iq2XxsBlock &block, const uint16_t *points, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t part = 0; part < 8; ++part) {
    const uint8_t *codes = block.qs + 8 * part;
    const auto word = load_le<uint32_t>(codes + 4);
    const float step = d * (0.5F + static_cast<float>(word >> 28U)) * 0.25F;
    for (size_t l = 0; l < 4; ++l) {
      put_eight(points[codes[l]], eight_signs(word >> (7 * l)), step, to + 32 * part + 8 * l);
    }
  }
}

/// A part of IQ2_XS or IQ2_S has two steps, for 16 values each.
float half_step(float d, uint8_t scales, size_t l) {
  return d * (0.5F + static_cast<float>(scales >> (l / 2 * 4) & 15)) * 0.25F;
}

void decode_iq2_xs(const Iq2XsBlock &block, const uint16_t *points, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t part = 0; part < 8; ++part) {
    for (size_t l = 0; l < 4; ++l) {
      const uint32_t code = load_le<uint16_t>(block.qs + 8 * part + 2 * l);
      put_eight(points[code & 511U], eight_signs(code >> 9U), half_step(d, block.scales[part], l),
                to + 32 * part + 8 * l);
    }
  }
}

void decode_iq2_s(const Iq2SBlock &block, const uint16_t *points, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t part = 0; part < 8; ++part) {
    for (size_t l = 0; l < 4; ++l) {
      const size_t at = 4 * part + l;
      const uint32_t code = block.qs[at] | (block.qh[part] >> (2 * l) & 3U) << 8U;
      put_eight(points[code], block.signs[at], half_step(d, block.scales[part], l), to + 8 * at);
    }
  }
}

void decode_iq3_xxs(const Iq3XxsBlock &block, const uint16_t *points, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t part = 0; part < 8; ++part) {
    const auto word = load_le<uint32_t>(block.signs + 4 * part);
    const float step = d * (0.5F + static_cast<float>(word >> 28U)) * 0.5F;
    for (size_t l = 0; l < 4; ++l) {
      const uint8_t *codes = block.qs + 8 * part + 2 * l;
      put_two_fours(points[codes[0]], points[codes[1]], kIq3XxsValues, eight_signs(word >> (7 * l)),
                    step, to + 32 * part + 8 * l);
    }
  }
}

void decode_iq3_s(const Iq3SBlock &block, const uint16_t *points, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t part = 0; part < 8; ++part) {
    const int32_t scale = block.scales[part / 2] >> (part % 2 * 4) & 15;
    const float step = d * static_cast<float>(1 + 2 * scale);
    for (size_t l = 0; l < 4; ++l) {
      const uint8_t *codes = block.qs + 8 * part + 2 * l;
      const uint32_t high = static_cast<uint32_t>(block.qh[part]) >> (2 * l);
      put_two_fours(points[codes[0] | (high & 1U) << 8U], points[codes[1] | (high & 2U) << 7U],
                    kIq3SValues, block.signs[4 * part + l], step, to + 32 * part + 8 * l);
    }
  }
}

void decode_iq1_s(const Iq1SBlock &block, const uint16_t *points, float *__restrict to) {
  const float d = load_f16(block.d);
  for (size_t part = 0; part < 8; ++part) {
    const uint32_t high = load_le<uint16_t>(block.qh + 2 * part);
    const float step = d * static_cast<float>(2 * (high >> 12U & 7U) + 1);
    for (size_t l = 0; l < 4; ++l) {
      const uint32_t code = block.qs[4 * part + l] | (high >> (3 * l) & 7U) << 8U;
      put_shifted(points[code], high >= 0x8000U, step, to + 32 * part + 8 * l);
    }
  }
}

void decode_iq1_m(const Iq1MBlock &block, const uint16_t *points, float *__restrict to) {
  uint32_t half = 0; // "d": four bits of each pair of bytes
  for (size_t i = 0; i < 4; ++i) {
    half |= static_cast<uint32_t>(block.scales[2 * i + 1] >> 4) << (4 * i);
  }
  const float d = quiet_f16_to_f32(static_cast<uint16_t>(half));
  for (size_t part = 0; part < 8; ++part) {
    const uint32_t scales = load_le<uint16_t>(block.scales + part / 2 * 2) >> (part % 2 * 6);
    for (size_t l = 0; l < 4; ++l) {
      const size_t at = 4 * part + l;
      const uint32_t high = block.qh[at / 2] >> (at % 2 * 4);
      const float step = d * static_cast<float>(2 * (scales >> (l / 2 * 3) & 7U) + 1);
      put_shifted(points[block.qs[at] | (high & 7U) << 8U], (high & 8U) != 0, step, to + 8 * at);
    }
  }
}

template <typename Block, Grid kGrid, void (*kDecode)(const Block &, const uint16_t *, float *)>
void decode_points(const uint8_t *bytes, size_t count, float *__restrict to) {
  static_assert(alignof(Block) == 1);
  uint16_t points[grid_points(kGrid)];
  unpack_grid(kGrid, points);
  for (size_t i = 0; i < count; ++i) {
    kDecode(*reinterpret_cast<const Block *>(bytes + i * sizeof(Block)), points, to + i * 256);
  }
}

} // namespace

BlockDecoder grid_decoder(BlockType type) {
  switch (type) {
  case BlockType::kIq2Xxs:
    return decode_points<Iq2XxsBlock, Grid::kIq2Xxs, decode_iq2_xxs>;
  case BlockType::kIq2Xs:
    return decode_points<Iq2XsBlock, Grid::kIq2Xs, decode_iq2_xs>;
  case BlockType::kIq2S:
    return decode_points<Iq2SBlock, Grid::kIq2S, decode_iq2_s>;
  case BlockType::kIq3Xxs:
    return decode_points<Iq3XxsBlock, Grid::kIq3Xxs, decode_iq3_xxs>;
  case BlockType::kIq3S:
    return decode_points<Iq3SBlock, Grid::kIq3S, decode_iq3_s>;
  case BlockType::kIq1S:
    return decode_points<Iq1SBlock, Grid::kIq1, decode_iq1_s>;
  case BlockType::kIq1M:
    return decode_points<Iq1MBlock, Grid::kIq1, decode_iq1_m>;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
