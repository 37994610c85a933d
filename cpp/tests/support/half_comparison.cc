#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "monoquant/base/text.h"
#include "support/deep.h"
#include "support/kernel_outputs.h"
#include "support/random.h"

namespace monoquant::test {
namespace {

using quant::ErrorSums;
using quant::Kernels;

constexpr uint32_t kLargestFinite = 0x7F7FFFFFU;
/// Bits of the smallest f32 that the type rounds to infinity: 65520, and 2^128 less half a step.
constexpr uint32_t overflow_of(Dtype target) {
  return target == Dtype::kF16 ? 0x477FF000U : 0x7F7F8000U;
}
constexpr Dtype kHalfTypes[] = {Dtype::kF16, Dtype::kBF16};

std::string compare_narrow(const Kernels &expected, const Kernels &actual, const Stored &from,
                           Dtype target, size_t shift, SumsMatch match) {
  const quant::SourceKernels &one_table = expected.of(from.dtype);
  const quant::SourceKernels &other_table = actual.of(from.dtype);
  const bool is_f16 = target == Dtype::kF16;
  const size_t size = from.count();
  Output one(2 * size, shift);
  Output other(2 * size, shift);
  ErrorSums sums_one;
  ErrorSums sums_other;
  const uint32_t largest = (is_f16 ? one_table.encode_f16 : one_table.encode_bf16)(
      from.data(), size, one.data(), sums_one);
  const uint32_t found = (is_f16 ? other_table.encode_f16 : other_table.encode_bf16)(
      from.data(), size, other.data(), sums_other);
  const std::string name = concat(dtype_name(from.dtype), " to ", dtype_name(target));
  if (largest != found) {
    return concat(name, ", ", size, " elements: the largest has bits ", largest, ", not ", found);
  }
  std::string text = difference(name, size, 1, one, other);
  const bool squares = largest >= quant::kSquarable.lowest && largest <= quant::kSquarable.highest;
  if (text.empty() && (squares || match == SumsMatch::kToTheBit)) {
    Slack slack;
    slack.signal = sums_one.signal * 0x1p-16 + static_cast<double>(size) * 0x1p-126;
    slack.noise = sums_one.noise * 0x1p-16 + static_cast<double>(size) * 0x1p-126;
    slack.peak = static_cast<double>(sums_one.peak) * 0x1p-20 + 0x1p-63;
    text = sums_difference(name, size, 1, sums_one, sums_other, match, slack);
  }
  return text;
}

/// Values that are hard to round to a format of 16 bits with `mantissa` bits, below `limit` (bits of f32).
std::vector<float> hard_to_round(Random &random, size_t count, uint32_t limit) {
  std::vector<float> values;
  while (values.size() < count) {
    auto bits = static_cast<uint32_t>(random.bits());
    switch (random.below(5)) {
    case 0: // half-way for bf16, or next to it
      bits = (bits & 0xFFFF0000U) + 0x7FFF + static_cast<uint32_t>(random.below(3));
      break;
    case 1: // the same for f16
      bits = (bits & 0xFFFFE000U) + 0x0FFF + static_cast<uint32_t>(random.below(3));
      break;
    case 2: // from f16's smallest subnormal to its smallest normal numbers, ties among them
      bits = std::bit_cast<uint32_t>(static_cast<float>(random.below(8192)) * 0x1p-26F);
      bits += static_cast<uint32_t>(random.below(3)) | (random.chance(2) ? 0x80000000U : 0U);
      break;
    case 3: // f32's own subnormals, and zeros
      bits &= random.chance(4) ? 0x80000000U : 0x807FFFFFU;
      break;
    default:
      break;
    }
    const uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude < limit) {
      values.push_back(std::bit_cast<float>(bits));
    } else if (random.chance(4)) {
      values.push_back(std::bit_cast<float>(limit - 1 - static_cast<uint32_t>(random.below(3))));
    }
  }
  return values;
}

/// All halves of a type up to a magnitude (bits of f32): in order, or with very different ones beside each other.
std::vector<uint16_t> all_halves(Dtype dtype, uint32_t largest, bool mixed) {
  std::vector<uint16_t> all;
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto half = static_cast<uint16_t>(mixed ? i * 40503U : i);
    const float value = Stored(dtype, {&half, 1}, 0).values()[0];
    if ((std::bit_cast<uint32_t>(value) & 0x7FFFFFFFU) <= largest) {
      all.push_back(half);
    }
  }
  return all;
}

std::string compare_extremes(const Kernels &expected, const Kernels &actual, Dtype dtype,
                             bool mixed) {
  constexpr size_t kSizes[] = {1, 2, 7, 8, 15, 16, 17, 21};
  for (const size_t size : kSizes) {
    const Stored any(dtype, all_halves(dtype, ~0U, mixed), 2);
    std::vector<uint32_t> one(any.count() / size);
    std::vector<uint32_t> other(one.size());
    expected.of(dtype).magnitudes(any.data(), size, one.size(), one.data());
    actual.of(dtype).magnitudes(any.data(), size, other.size(), other.data());
    const Stored finite(dtype, all_halves(dtype, kLargestFinite, mixed), 2);
    std::vector<quant::Range> low(finite.count() / size);
    std::vector<quant::Range> high(low.size());
    expected.of(dtype).ranges(finite.data(), size, low.size(), low.data());
    actual.of(dtype).ranges(finite.data(), size, high.size(), high.data());
    const auto is_same = [](const quant::Range &a, const quant::Range &b) {
      return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
    };
    if (one != other || !std::equal(low.begin(), low.end(), high.begin(), is_same)) {
      return concat("extremes of all of ", dtype_name(dtype), ", scopes of ", size, " differ");
    }
  }
  return {};
}

/// With a factor that leaves |value * factor| below 2^22.
std::string compare_all_codes(const Kernels &expected, const Kernels &actual, Dtype dtype,
                              bool mixed, int exponent, SumsMatch match) {
  const float factor = std::ldexp(1.37F, exponent);
  const float largest = std::ldexp(1.0F, std::min(21 - exponent, 127));
  const Stored from(dtype, all_halves(dtype, std::bit_cast<uint32_t>(largest), mixed), 2);
  const float step = 1.0F;
  const size_t size = from.count() / 2 * 2;
  for (const int32_t zero_point : {0, -3}) {
    const quant::Scopes scopes{&factor, &step, &zero_point};
    Slack slack_8;
    Slack slack_4;
    for (const float value : from.values()) {
      const double y = static_cast<double>(value) * static_cast<double>(factor);
      const double code = std::nearbyint(y);
      slack_8.add(y, y - std::clamp<double>(code, -128 - zero_point, 127 - zero_point), 1);
      slack_4.add(y, y - std::clamp<double>(code, -8 - zero_point, 7 - zero_point), 1);
    }
    Output one(size, 3);
    Output other(size, 3);
    ErrorSums sums_one;
    ErrorSums sums_other;
    expected.of(dtype).encode_8(from.data(), size, 1, scopes, 0, one.data(), sums_one);
    actual.of(dtype).encode_8(from.data(), size, 1, scopes, 0, other.data(), sums_other);
    const std::string name = concat("codes of all of ", dtype_name(dtype));
    std::string text = difference(name, size, 1, one, other);
    if (text.empty()) {
      text = sums_difference(name, size, 1, sums_one, sums_other, match, slack_8);
    }
    ErrorSums fours_one;
    ErrorSums fours_other;
    expected.of(dtype).encode_4(from.data(), size, 1, scopes, one.data(), fours_one);
    actual.of(dtype).encode_4(from.data(), size, 1, scopes, other.data(), fours_other);
    if (text.empty()) {
      text = difference(name, size, 1, one, other);
    }
    if (text.empty()) {
      text = sums_difference(name, size, 1, fours_one, fours_other, match, slack_4);
    }
    if (!text.empty()) {
      return text;
    }
  }
  return {};
}

std::string compare_all_of(const Kernels &expected, const Kernels &actual, Dtype dtype, bool mixed,
                           SumsMatch match) {
  std::string text = compare_extremes(expected, actual, dtype, mixed);
  const int step = is_deep() ? 29 : 87; // of powers of two: small, usual and large scales
  for (int exponent = -106; exponent <= 126 && text.empty(); exponent += step) {
    text = compare_all_codes(expected, actual, dtype, mixed, exponent, match);
  }
  for (const Dtype target : kHalfTypes) {
    for (const uint32_t largest : {overflow_of(target) - 1, quant::kSquarable.highest}) {
      if (text.empty()) {
        const uint32_t fitting = std::min(largest, overflow_of(target) - 1);
        const Stored from(dtype, all_halves(dtype, fitting, mixed), 2);
        text = compare_narrow(expected, actual, from, target, 3, match);
      }
    }
  }
  return text;
}

} // namespace

std::string compare_narrowing(const Kernels &expected, const Kernels &actual, uint64_t seed,
                              SumsMatch match) {
  Random random(seed);
  for (const size_t size : sizes()) {
    for (size_t round = 0; round < 6; ++round) {
      for (const Dtype dtype : kSourceTypes) {
        for (const Dtype target : kHalfTypes) {
          // Sums can be compared with exact ones only where squares are well within f32.
          const uint32_t limit = round % 2 == 0
                                     ? overflow_of(target)
                                     : std::min(overflow_of(target), quant::kSquarable.highest);
          const Stored from(dtype, hard_to_round(random, size, limit), random.index(16));
          std::string text =
              compare_narrow(expected, actual, from, target, random.index(16), match);
          if (!text.empty()) {
            return text;
          }
        }
      }
    }
  }
  return {};
}

std::string compare_all_halves(const Kernels &expected, const Kernels &actual, SumsMatch match) {
  std::string text;
  for (const Dtype dtype : kHalfTypes) {
    for (const bool mixed : {false, true}) {
      if (text.empty()) {
        text = compare_all_of(expected, actual, dtype, mixed, match);
      }
    }
  }
  return text;
}

} // namespace monoquant::test
