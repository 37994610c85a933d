// Searches for blocks of 256 values: parts with scales of their own, which are multiples of the block's.
// One after the other: the best scales of the parts alone, the block's step that fits these, the multiples that are best
// for it, the best step for all codes; and again from the multiples on.
#include <algorithm>
#include <cmath>

#include "monoquant/layout/gguf/large_blocks.h"
#include "monoquant/layout/gguf/search.h"
#include "monoquant/layout/gguf/search_fits.h"

namespace monoquant::layout::gguf {
namespace {

constexpr size_t kMostSearchedParts = 16;
constexpr size_t kSearchRounds = 4;

// ---- Scales alone: Q3_K, Q6_K, IQ4_XS ------------------------------------------------------------------------------

struct ScaledParts {
  float d = 0; // as it is stored
  int32_t scales[kMostSearchedParts] = {};
  float levels[kLargeBlock] = {};
  double error = 0;
};

template <typename Levels> struct ScaledFormat {
  size_t in_part;
  int32_t lowest; // of scales
  int32_t highest;
  Levels levels;
};

/// The best multiples of `d`: those next to what the parts would like, and their neighbours.
template <typename Levels>
ScaledParts multiples_of(float d, const float *wanted, const SharedScale &block,
                         const ScaledFormat<Levels> &format) {
  ScaledParts parts;
  parts.d = d;
  const WholeLevels multiples{static_cast<float>(format.lowest),
                              static_cast<float>(format.highest)};
  for (size_t at = 0, part = 0; at < kLargeBlock; at += format.in_part, ++part) {
    const SharedScale of{block.values + at, block.weights + at, format.in_part};
    const auto middle = static_cast<int32_t>(multiples.next_to(wanted[part] * factor_of(d)));
    double least = INFINITY;
    for (int32_t scale = std::max(middle - 1, format.lowest);
         scale <= std::min(middle + 1, format.highest); ++scale) {
      const double error = try_step(of, format.levels, d * static_cast<float>(scale)).error;
      if (error < least) {
        least = error;
        parts.scales[part] = scale;
      }
    }
    const float factor = factor_of(d * static_cast<float>(parts.scales[part]));
    for (size_t i = 0; i < format.in_part; ++i) {
      parts.levels[at + i] = format.levels.next_to(of.values[i] * factor);
    }
    parts.error += least;
  }
  return parts;
}

/// The step that is best for all codes and multiples.
float best_outer_step(const ScaledParts &parts, const SharedScale &block, size_t in_part) {
  double products = 0;
  double squares = 0;
  for (size_t i = 0; i < kLargeBlock; ++i) {
    const size_t part = i / in_part;
    const double level = double{parts.levels[i]} * parts.scales[part];
    const double weight = block.weights[i];
    products += weight * level * block.values[i];
    squares += weight * level * level;
  }
  return squares > 0 ? as_f16(products / squares) : parts.d;
}

template <typename Levels>
bool search_scaled(const SharedScale &block, const ScaledFormat<Levels> &format,
                   ScaledParts &best) {
  float wanted[kMostSearchedParts] = {};
  const size_t count = kLargeBlock / format.in_part;
  for (size_t part = 0; part < count; ++part) {
    const size_t at = part * format.in_part;
    wanted[part] =
        search_step<false>({block.values + at, block.weights + at, format.in_part}, format.levels)
            .step;
  }
  const float extreme = extreme_of({wanted, count});
  best.error = INFINITY;
  for (const int32_t outermost : {format.lowest, format.highest}) {
    float d = as_f16(extreme / static_cast<float>(outermost));
    for (size_t round = 0; round < kSearchRounds && d != 0 && std::isfinite(d); ++round) {
      const ScaledParts parts = multiples_of(d, wanted, block, format);
      if (parts.error < best.error) {
        best = parts;
      }
      const float next = best_outer_step(parts, block, format.in_part);
      if (next == d) {
        break;
      }
      d = next;
    }
  }
  return std::isfinite(best.error);
}

bool search_q3_k(const float *values, const float *weights, uint8_t *to) {
  ScaledParts best;
  if (!search_scaled({values, weights, kLargeBlock},
                     ScaledFormat<WholeLevels>{16, -32, 31, {-4, 3}}, best)) {
    return false;
  }
  auto &block = *reinterpret_cast<Q3KBlock *>(to);
  uint8_t codes[kLargeBlock];
  int8_t scales[16];
  for (size_t i = 0; i < kLargeBlock; ++i) {
    codes[i] = static_cast<uint8_t>(best.levels[i] + 4);
  }
  std::transform(best.scales, best.scales + 16, scales,
                 [](int32_t scale) { return static_cast<int8_t>(scale); });
  put_one_bit(codes, 2, block.hmask);
  put_two_bits(codes, block.qs);
  put_q3_scales(scales, block.scales);
  store_le(block.d, f32_to_f16(best.d));
  return true;
}

bool search_q6_k(const float *values, const float *weights, uint8_t *to) {
  ScaledParts best;
  if (!search_scaled({values, weights, kLargeBlock},
                     ScaledFormat<WholeLevels>{16, -128, 127, {-32, 31}}, best)) {
    return false;
  }
  auto &block = *reinterpret_cast<Q6KBlock *>(to);
  uint8_t codes[kLargeBlock];
  for (size_t i = 0; i < kLargeBlock; ++i) {
    codes[i] = static_cast<uint8_t>(best.levels[i] + 32);
  }
  for (size_t part = 0; part < 16; ++part) {
    block.scales[part] = static_cast<uint8_t>(static_cast<int8_t>(best.scales[part]));
  }
  put_six_bits(codes, block);
  store_le(block.d, f32_to_f16(best.d));
  return true;
}

bool search_iq4_xs(const float *values, const float *weights, uint8_t *to) {
  ScaledParts best;
  if (!search_scaled({values, weights, kLargeBlock}, ScaledFormat<TableLevels>{32, -32, 31, {}},
                     best)) {
    return false;
  }
  auto &block = *reinterpret_cast<Iq4XsBlock *>(to);
  block = {};
  store_le(block.d, f32_to_f16(best.d));
  for (size_t part = 0; part < 8; ++part) {
    const float *levels = best.levels + 32 * part;
    for (size_t j = 0; j < 16; ++j) {
      block.qs[16 * part + j] =
          static_cast<uint8_t>(code_of_level(levels[j]) | code_of_level(levels[j + 16]) << 4);
    }
    const auto bits = static_cast<uint32_t>(best.scales[part] + 32);
    block.scales_l[part / 2] |= static_cast<uint8_t>((bits & 15U) << (part % 2 * 4));
    block.scales_h[part / 4] |= static_cast<uint8_t>(bits >> 4U << (part % 4 * 2));
  }
  return true;
}

// ---- Scales and minimums: Q2_K, Q4_K, Q5_K -------------------------------------------------------------------------

struct LinedParts {
  float d = 0; // as they are stored
  float dmin = 0;
  uint8_t scales[kMostSearchedParts] = {};
  uint8_t minimums[kMostSearchedParts] = {};
  uint8_t codes[kLargeBlock] = {};
  double error = 0;
};

struct LinedFormat {
  size_t in_part;
  float limit;    // of codes
  float multiple; // the highest, of scales and of minimums
};

struct LinedPart {
  float scale = 0; // multiples
  float minimum = 0;
  double error = INFINITY;
};

/// The best multiples for one part, beginning with a line.
LinedPart multiples_of_line(const SharedScale &of, const LinedFormat &format, float d, float dmin,
                            const LineFit &wanted) {
  constexpr size_t kMoves = 2; // of a minimum
  const WholeLevels multiples{0, format.multiple};
  const LineWay way{format.limit, false, true};
  const float middle = multiples.next_to(wanted.step * factor_of(d));
  LinedPart best;
  for (float scale = std::max(middle - 1, 0.0F); scale <= std::min(middle + 1, format.multiple);
       ++scale) {
    const double step = d * scale;
    float minimum = multiples.next_to(-wanted.minimum * factor_of(dmin));
    for (size_t move = 0; move <= kMoves; ++move) {
      const LineFit fit = try_line(of, way, d * scale, -(dmin * minimum));
      if (fit.error < best.error) {
        best = {scale, minimum, fit.error};
      }
      const double line = fit.minimum_for(step);
      const float next = multiples.next_to(static_cast<float>(-line) * factor_of(dmin));
      if (next == minimum) {
        break;
      }
      minimum = next;
    }
  }
  return best;
}

LinedParts multiples_of_lines(float d, float dmin, const LineFit *wanted, const SharedScale &block,
                              const LinedFormat &format) {
  LinedParts parts;
  parts.d = d;
  parts.dmin = dmin;
  const WholeLevels levels{0, format.limit};
  for (size_t at = 0, part = 0; at < kLargeBlock; at += format.in_part, ++part) {
    const SharedScale of{block.values + at, block.weights + at, format.in_part};
    const LinedPart best = multiples_of_line(of, format, d, dmin, wanted[part]);
    parts.scales[part] = static_cast<uint8_t>(best.scale);
    parts.minimums[part] = static_cast<uint8_t>(best.minimum);
    parts.error += best.error;
    const float factor = factor_of(d * best.scale);
    for (size_t i = 0; i < format.in_part; ++i) {
      parts.codes[at + i] =
          static_cast<uint8_t>(levels.next_to((of.values[i] + dmin * best.minimum) * factor));
    }
  }
  return parts;
}

struct OuterSteps {
  float d;
  float dmin;
};

/// Both steps that are best for all codes and multiples.
OuterSteps best_outer_steps(const LinedParts &parts, const SharedScale &block, size_t in_part) {
  double up = 0;
  double across = 0;
  double down = 0;
  double value_up = 0;
  double value_down = 0;
  for (size_t i = 0; i < kLargeBlock; ++i) {
    const size_t part = i / in_part;
    const double code = static_cast<double>(parts.codes[i]) * parts.scales[part];
    const double minimum = parts.minimums[part];
    const double weight = block.weights[i];
    up += weight * code * code;
    across += weight * code * minimum;
    down += weight * minimum * minimum;
    value_up += weight * code * block.values[i];
    value_down += weight * minimum * block.values[i];
  }
  const double determinant = up * down - across * across;
  if (determinant > 0) {
    return {as_f16((value_up * down - value_down * across) / determinant),
            as_f16((value_up * across - value_down * up) / determinant)};
  }
  return {up > 0 ? as_f16(value_up / up) : parts.d, parts.dmin};
}

bool search_lined(const SharedScale &block, const LinedFormat &format, LinedParts &best) {
  LineFit wanted[kMostSearchedParts];
  float step = 0;
  float minimum = 0;
  for (size_t at = 0, part = 0; at < kLargeBlock; at += format.in_part, ++part) {
    wanted[part] = search_line({block.values + at, block.weights + at, format.in_part},
                               {format.limit, false, true});
    step = std::max(step, wanted[part].step);
    minimum = std::max(minimum, -wanted[part].minimum);
  }
  best.error = INFINITY;
  float d = as_f16(step / format.multiple);
  float dmin = as_f16(minimum / format.multiple);
  for (size_t round = 0; round < kSearchRounds; ++round) {
    if (!std::isfinite(d) || !std::isfinite(dmin) || d < 0 || dmin < 0) {
      break;
    }
    const LinedParts parts = multiples_of_lines(d, dmin, wanted, block, format);
    if (parts.error < best.error) {
      best = parts;
    }
    const OuterSteps next = best_outer_steps(parts, block, format.in_part);
    if (next.d == d && next.dmin == dmin) {
      break;
    }
    d = next.d;
    dmin = next.dmin;
  }
  return std::isfinite(best.error);
}

bool search_q2_k(const float *values, const float *weights, uint8_t *to) {
  LinedParts best;
  if (!search_lined({values, weights, kLargeBlock}, {16, 3, 15}, best)) {
    return false;
  }
  auto &block = *reinterpret_cast<Q2KBlock *>(to);
  for (size_t part = 0; part < 16; ++part) {
    block.scales[part] = static_cast<uint8_t>(best.scales[part] | best.minimums[part] << 4);
  }
  put_two_bits(best.codes, block.qs);
  store_le(block.d, f32_to_f16(best.d));
  store_le(block.dmin, f32_to_f16(best.dmin));
  return true;
}

/// Q4_K and Q5_K but for the codes' fifth bits.
template <typename Block>
bool search_six_bits(float limit, const float *values, const float *weights, Block &block,
                     LinedParts &best) {
  if (!search_lined({values, weights, kLargeBlock}, {32, limit, 63}, best)) {
    return false;
  }
  store_le(block.d, f32_to_f16(best.d));
  store_le(block.dmin, f32_to_f16(best.dmin));
  put_six_bit_scales(best.scales, best.minimums, block.scales);
  put_four_bits_of_64(best.codes, block.qs);
  return true;
}

bool search_q4_k(const float *values, const float *weights, uint8_t *to) {
  LinedParts best;
  return search_six_bits(15, values, weights, *reinterpret_cast<Q4KBlock *>(to), best);
}

bool search_q5_k(const float *values, const float *weights, uint8_t *to) {
  LinedParts best;
  auto &block = *reinterpret_cast<Q5KBlock *>(to);
  if (!search_six_bits(31, values, weights, block, best)) {
    return false;
  }
  put_one_bit(best.codes, 4, block.qh);
  return true;
}

} // namespace

BlockSearch large_search(BlockType type) {
  switch (type) {
  case BlockType::kQ2K:
    return search_q2_k;
  case BlockType::kQ3K:
    return search_q3_k;
  case BlockType::kQ4K:
    return search_q4_k;
  case BlockType::kQ5K:
    return search_q5_k;
  case BlockType::kQ6K:
    return search_q6_k;
  case BlockType::kIq4Xs:
    return search_iq4_xs;
  default:
    return nullptr;
  }
}

} // namespace monoquant::layout::gguf
