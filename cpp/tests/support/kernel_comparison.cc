#include "support/kernel_comparison.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#include "monoquant/base/text.h"
#include "support/random.h"

namespace monoquant::test {
namespace {

using quant::ErrorSums;
using quant::Kernels;
using quant::Range;
using quant::Scopes;

constexpr size_t kMargin = 32; // watched bytes before and behind an output
constexpr uint8_t kUntouched = 0xEE;

/// Sizes around every vector width and around the chunk after which sums are folded.
std::vector<size_t> sizes() {
  std::vector<size_t> all;
  for (size_t size = 0; size <= 70; ++size) {
    all.push_back(size);
  }
  all.insert(all.end(), {127, 128, 1008, 1023, 1024, 1025, 1039, 2048, 2063, 3001});
  return all;
}

/// Memory for a kernel's output at some alignment.
struct Output {
  std::vector<uint8_t> memory;
  size_t begin;

  Output(size_t bytes, size_t shift)
      : memory(bytes + 2 * kMargin + shift, kUntouched), begin(kMargin + shift) {}

  uint8_t *data() { return memory.data() + begin; }
};

std::string difference(std::string_view kernel, size_t size, size_t count, const Output &expected,
                       const Output &actual) {
  const auto [one, other] =
      std::mismatch(expected.memory.begin(), expected.memory.end(), actual.memory.begin());
  if (one == expected.memory.end()) {
    return {};
  }
  const auto at = (one - expected.memory.begin()) - static_cast<std::ptrdiff_t>(expected.begin);
  return concat(kernel, ", ", count, " scopes of ", size, ": byte ", at,
                " of the output should be ", static_cast<uint32_t>(*one), " and is ",
                static_cast<uint32_t>(*other));
}

/// How far f32 sums may be from exact ones.
struct Slack {
  double signal = 0;
  double noise = 0;
  double peak = 0;

  /// One element of `y` steps whose error is `error` steps.
  void add(double y, double error, double step) {
    const double off = std::fabs(y) * 0x1p-22 + 0x1p-140; // of the product and of the difference
    const double squared = step * step;
    signal += squared * (y * y * 0x1p-16 + 0x1p-126);
    noise +=
        squared * (error * error * 0x1p-16 + 2 * std::fabs(error) * off + off * off + 0x1p-126);
    peak = std::max(peak, step * (std::fabs(error) * 0x1p-20 + off + 0x1p-63));
  }
};

bool is_near(double a, double b, double slack) { return std::fabs(a - b) <= slack; }

std::string sums_difference(std::string_view kernel, size_t size, size_t count,
                            const ErrorSums &expected, const ErrorSums &actual, SumsMatch match,
                            const Slack &slack) {
  const bool same =
      std::bit_cast<uint64_t>(expected.signal) == std::bit_cast<uint64_t>(actual.signal) &&
      std::bit_cast<uint64_t>(expected.noise) == std::bit_cast<uint64_t>(actual.noise) &&
      std::bit_cast<uint32_t>(expected.peak) == std::bit_cast<uint32_t>(actual.peak);
  const bool near = is_near(expected.signal, actual.signal, slack.signal) &&
                    is_near(expected.noise, actual.noise, slack.noise) &&
                    is_near(expected.peak, actual.peak, slack.peak);
  if (match == SumsMatch::kToTheBit ? same : near) {
    return {};
  }
  char text[256];
  std::snprintf(text, sizeof(text),
                ": sums should be %.17g, %.17g, %.9g and are %.17g, %.17g, %.9g", expected.signal,
                expected.noise, static_cast<double>(expected.peak), actual.signal, actual.noise,
                static_cast<double>(actual.peak));
  return concat(kernel, ", ", count, " scopes of ", size, text);
}

/// Values and how they become codes.
struct Case {
  std::vector<float> x; // `shift` values to skip, then the scopes
  size_t shift = 0;
  std::vector<float> factors;
  std::vector<float> steps;
  std::vector<int32_t> zero_points;

  [[nodiscard]] const float *values() const { return x.data() + shift; }
  [[nodiscard]] Scopes scopes() const { return {factors.data(), steps.data(), zero_points.data()}; }
};

/// One value for a scope of this factor. |value * factor| stays below 2^22.
float code_value(Random &random, uint64_t kind, float factor) {
  const float unit = 1.0F / factor;
  switch (kind) {
  case 0: // as weights are
    return random.weight() * 32.0F * unit;
  case 1: { // half-way between two codes, or one step of f32 beside it
    const auto whole = static_cast<float>(static_cast<int32_t>(random.below(600)) - 300);
    const float tie = (whole + 0.5F) * unit;
    const uint64_t side = random.below(3);
    return side == 0 ? tie : std::nextafter(tie, side == 1 ? 1e30F : -1e30F);
  }
  case 2: // zeros and what is nearly zero
    return random.chance(2) ? std::copysign(0.0F, random.signed_unit())
                            : random.signed_unit() * 0x1p-130F;
  case 3: // far beyond the codes
    return random.signed_unit() * 4194303.0F * unit;
  case 4: // the ends of the codes
    return (random.chance(2) ? 127.5F : -128.5F) * unit;
  default: // everything at once
    return code_value(random, random.below(5), factor);
  }
}

Case make_case(Random &random, size_t size, size_t count, int32_t lowest, int32_t highest) {
  static constexpr float kFactors[] = {1.0F,     2.0F,   10.0F,    0x1p23F,  3.0F,
                                       1365.33F, 1e-36F, 2.3e-38F, 0x1p-126F};
  Case made;
  made.shift = random.index(4);
  made.x.assign(made.shift, 1e30F);
  for (size_t n = 0; n < count; ++n) {
    const float factor = random.pick(kFactors);
    const uint64_t kind = random.below(6);
    for (size_t i = 0; i < size; ++i) {
      const float value = code_value(random, kind, factor);
      made.x.push_back(std::isfinite(value) ? value : std::copysign(3.4e38F, value));
    }
    made.factors.push_back(factor);
    made.steps.push_back(random.chance(8) ? 0.0F : 1.0F / factor);
    const auto codes = static_cast<uint64_t>(highest) - static_cast<uint64_t>(lowest) + 1;
    made.zero_points.push_back(
        random.chance(2) ? 0 : lowest + static_cast<int32_t>(random.below(codes)));
  }
  return made;
}

Slack code_slack(const Case &made, size_t size, size_t count, int32_t lowest, int32_t highest) {
  Slack slack;
  for (size_t i = 0; i < size * count; ++i) {
    const quant::Scope scope = made.scopes()[i / size];
    const double y = static_cast<double>(made.values()[i]) * static_cast<double>(scope.factor);
    const double code = std::clamp<double>(std::nearbyint(y), lowest - scope.zero_point,
                                           highest - scope.zero_point);
    // Where y is all but half-way, f32 may have rounded to the other side: the error is the same half step.
    slack.add(y, y - code, static_cast<double>(scope.step));
  }
  return slack;
}

std::string compare_8(const Kernels &expected, const Kernels &actual, Random &random, size_t size,
                      size_t count, SumsMatch match) {
  const Case made = make_case(random, size, count, -128, 127);
  const auto flip = static_cast<uint8_t>(random.chance(2) ? 0x80 : 0);
  const size_t shift = random.index(16);
  Output one(size * count, shift);
  Output other(size * count, shift);
  ErrorSums sums_one{1.0, 2.0, 0.0F}; // kernels add to what is there
  ErrorSums sums_other = sums_one;
  expected.encode_8(made.values(), size, count, made.scopes(), flip, one.data(), sums_one);
  actual.encode_8(made.values(), size, count, made.scopes(), flip, other.data(), sums_other);
  std::string text = difference("encode_8", size, count, one, other);
  if (text.empty()) {
    Slack slack = code_slack(made, size, count, -128, 127);
    slack.signal += sums_one.signal * 0x1p-50;
    slack.noise += sums_one.noise * 0x1p-50;
    text = sums_difference("encode_8", size, count, sums_one, sums_other, match, slack);
  }
  return text;
}

std::string compare_4(const Kernels &expected, const Kernels &actual, Random &random, size_t size,
                      size_t count, SumsMatch match) {
  const Case made = make_case(random, size, count, -8, 7);
  const size_t shift = random.index(16);
  const size_t bytes = (size * count + 1) / 2;
  Output one(bytes, shift);
  Output other(bytes, shift);
  ErrorSums sums_one{1.0, 2.0, 0.0F};
  ErrorSums sums_other = sums_one;
  expected.encode_4(made.values(), size, count, made.scopes(), one.data(), sums_one);
  actual.encode_4(made.values(), size, count, made.scopes(), other.data(), sums_other);
  std::string text = difference("encode_4", size, count, one, other);
  if (text.empty()) {
    Slack slack = code_slack(made, size, count, -8, 7);
    slack.signal += sums_one.signal * 0x1p-50;
    slack.noise += sums_one.noise * 0x1p-50;
    text = sums_difference("encode_4", size, count, sums_one, sums_other, match, slack);
  }
  return text;
}

/// What each element of a scope counts, from nothing to 1; or no weights at all.
std::vector<float> make_importance(Random &random, size_t size) {
  std::vector<float> weights(random.chance(3) ? 0 : size);
  for (float &weight : weights) {
    const float unit = random.signed_unit();
    weight = random.chance(10) ? 0.0F : unit * unit * (random.chance(4) ? 0x1p-40F : 1.0F);
  }
  return weights;
}

/// Trials of a search on one scope: its codes' range is one of 4 or 8 bits around any zero point.
std::string compare_trials(const Kernels &expected, const Kernels &actual, Random &random,
                           size_t size, size_t count, SumsMatch match) {
  const int32_t lowest = random.chance(2) ? -8 : -128;
  const Case made = make_case(random, size, 1, lowest, -1 - lowest);
  const std::vector<float> weights = make_importance(random, size);
  const quant::Importance importance{weights.empty() ? nullptr : weights.data(),
                                     random.chance(2) ? 1.0F : 0x1p-3F};
  std::vector<quant::Trial> trials;
  for (size_t n = 0; n < count; ++n) {
    const int32_t zero_point =
        lowest + static_cast<int32_t>(random.below(static_cast<uint64_t>(-2 * lowest)));
    const float ratio = (1.0F + 0.3F * random.signed_unit()) * 0.5F;
    trials.push_back({made.factors[0] * (random.chance(2) ? ratio : -ratio), lowest - zero_point,
                      -1 - lowest - zero_point});
  }
  std::vector<double> one(count + 1, 7.0);
  std::vector<double> other(count + 1, 7.0);
  expected.try_codes(made.values(), size, importance, trials.data(), count, one.data());
  actual.try_codes(made.values(), size, importance, trials.data(), count, other.data());
  for (size_t n = 0; n <= count; ++n) {
    quant::FitSums fit_one;
    quant::FitSums fit_other;
    const quant::Trial &trial = trials[std::min(n, count - 1)];
    expected.fit_codes(made.values(), size, importance, trial, fit_one);
    actual.fit_codes(made.values(), size, importance, trial, fit_other);
    double largest = 0; // |x * factor|
    for (size_t i = 0; i < size; ++i) {
      const float y = made.values()[i] * trial.factor;
      largest = std::max(largest, std::fabs(static_cast<double>(y)));
    }
    // A relative rounding of each sum, and one step of f32 of y in each error.
    const double step = (largest + 300) * 0x1p-21;
    const double off = match == SumsMatch::kToTheBit ? 0 : 1;
    const double weight = static_cast<double>(size) * off;
    const double error = weight * step * (std::sqrt(fit_one.noise / (weight + 1)) + step + 1);
    const bool same =
        is_near(one[n], other[n], off * one[n] * 0x1p-16 + error) &&
        is_near(fit_one.noise, fit_other.noise, off * fit_one.noise * 0x1p-16 + error) &&
        is_near(fit_one.cross, fit_other.cross,
                256 * (off * std::sqrt(fit_one.noise * (weight + 1)) * 0x1p-15 + error)) &&
        is_near(fit_one.power, fit_other.power, off * fit_one.power * 0x1p-16 + error);
    const bool consistent =
        n == count || std::bit_cast<uint64_t>(other[n]) == std::bit_cast<uint64_t>(fit_other.noise);
    if (!same || (match == SumsMatch::kToTheBit && !consistent)) {
      char text[256];
      std::snprintf(text, sizeof(text),
                    ": trial %zu should be %.17g, %.17g, %.17g and is %.17g (%.17g), %.17g, %.17g",
                    n, fit_one.noise, fit_one.cross, fit_one.power, fit_other.noise, other[n],
                    fit_other.cross, fit_other.power);
      return concat("searching, a scope of ", size, text);
    }
  }
  return {};
}

using Decode = void (*)(const uint8_t *, size_t, float *);

/// Compares floats bit by bit, or, for the exact reference, as numbers where both are NaN.
std::string compare_decoded(std::string_view kernel, Decode expected, Decode actual,
                            const uint8_t *from, size_t elements, SumsMatch match) {
  std::vector<float> one(elements + 8, 7.0F);
  std::vector<float> other(elements + 8, 7.0F);
  expected(from, elements, one.data() + 4);
  actual(from, elements, other.data() + 4);
  for (size_t i = 0; i < one.size(); ++i) {
    const bool nan = std::isnan(one[i]) && std::isnan(other[i]);
    const bool same = std::bit_cast<uint32_t>(one[i]) == std::bit_cast<uint32_t>(other[i]);
    if (!same && !(nan && match == SumsMatch::kWithinRounding)) {
      return concat(kernel, ", ", elements, " elements: element ", static_cast<int64_t>(i) - 4,
                    " should have the bits ", std::bit_cast<uint32_t>(one[i]), " and has ",
                    std::bit_cast<uint32_t>(other[i]));
    }
  }
  return {};
}

using EncodeFloat = void (*)(const float *, size_t, const quant::Scope &, uint8_t *, ErrorSums &);

std::string compare_narrow(std::string_view kernel, EncodeFloat expected, EncodeFloat actual,
                           const float *x, size_t size, size_t shift, SumsMatch match) {
  float largest = 0;
  for (size_t i = 0; i < size; ++i) {
    largest = std::max(largest, std::fabs(x[i]));
  }
  // A power of two that brings the largest value near 1, as the encoder does.
  const int exponent = largest == 0 ? 0 : std::clamp(std::ilogb(largest), -126, 126);
  const quant::Scope scope{std::ldexp(1.0F, -exponent), std::ldexp(1.0F, exponent), 0};
  Output one(2 * size, shift);
  Output other(2 * size, shift);
  ErrorSums sums_one;
  ErrorSums sums_other;
  expected(x, size, scope, one.data(), sums_one);
  actual(x, size, scope, other.data(), sums_other);
  std::string text = difference(kernel, size, 1, one, other);
  if (text.empty()) {
    Slack slack;
    slack.signal = sums_one.signal * 0x1p-16 + std::numeric_limits<double>::min();
    slack.noise =
        sums_one.noise * 0x1p-16 + std::ldexp(static_cast<double>(size), 2 * exponent - 120);
    slack.peak = static_cast<double>(sums_one.peak) * 0x1p-20 + std::ldexp(1.0, exponent - 60);
    text = sums_difference(kernel, size, 1, sums_one, sums_other, match, slack);
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

} // namespace

std::string compare_decoding(const Kernels &expected, const Kernels &actual, SumsMatch match) {
  std::vector<uint8_t> halves(2 * 65536 + 16);
  for (size_t shift = 0; shift < 4; ++shift) {
    for (size_t half = 0; half < 65536; ++half) {
      halves[shift + 2 * half] = static_cast<uint8_t>(half);
      halves[shift + 2 * half + 1] = static_cast<uint8_t>(half >> 8U);
    }
    std::vector<size_t> counts = sizes();
    counts.push_back(65536);
    for (const size_t count : counts) {
      // The part where infinity begins is the most telling one.
      const uint8_t *from = halves.data() + shift + (count > 4096 ? 0 : 2 * (0x7C00 - count / 2));
      std::string text =
          compare_decoded("decode_f16", expected.decode_f16, actual.decode_f16, from, count, match);
      if (text.empty()) {
        text = compare_decoded("decode_bf16", expected.decode_bf16, actual.decode_bf16, from, count,
                               match);
      }
      if (!text.empty()) {
        return text;
      }
    }
  }
  return {};
}

std::string compare_measuring(const Kernels &expected, const Kernels &actual, uint64_t seed) {
  Random random(seed);
  for (const size_t size : sizes()) {
    for (size_t count = 1; count <= 5; ++count) {
      const size_t shift = random.index(4);
      std::vector<float> finite(shift + size * count);
      const uint64_t kind = random.below(4);
      for (float &value : finite) {
        value = random.finite_bits();
        value = kind == 1 ? std::fabs(value) : kind == 2 ? -std::fabs(value) : value;
        value = kind == 3 ? std::copysign(0.0F, value) : value;
      }
      std::vector<Range> low(count + 1, Range{5, 6});
      std::vector<Range> high(count + 1, Range{5, 6});
      expected.ranges(finite.data() + shift, size, count, low.data());
      actual.ranges(finite.data() + shift, size, count, high.data());
      if (std::memcmp(low.data(), high.data(), low.size() * sizeof(Range)) != 0) {
        return concat("ranges, ", count, " scopes of ", size, " differ");
      }
      std::vector<float> any = finite;
      for (float &value : any) {
        value =
            random.chance(50) ? std::bit_cast<float>(static_cast<uint32_t>(random.bits())) : value;
      }
      std::vector<uint32_t> one(count + 1, 77);
      std::vector<uint32_t> other(count + 1, 77);
      expected.magnitudes(any.data() + shift, size, count, one.data());
      actual.magnitudes(any.data() + shift, size, count, other.data());
      if (one != other) {
        return concat("magnitudes, ", count, " scopes of ", size, " differ");
      }
    }
  }
  return {};
}

std::string compare_codes(const Kernels &expected, const Kernels &actual, uint64_t seed,
                          SumsMatch match) {
  Random random(seed);
  for (const size_t size : sizes()) {
    for (size_t count = 1; count <= 8; ++count) {
      std::string text = compare_8(expected, actual, random, size, count, match);
      if (text.empty() && (size % 2 == 0 || count == 1)) {
        text = compare_4(expected, actual, random, size, count, match);
      }
      if (!text.empty()) {
        return text;
      }
    }
  }
  return {};
}

std::string compare_searching(const Kernels &expected, const Kernels &actual, uint64_t seed,
                              SumsMatch match) {
  Random random(seed);
  for (const size_t size : sizes()) {
    for (size_t count = 1; count <= 5; ++count) {
      std::string text = compare_trials(expected, actual, random, size, count, match);
      if (!text.empty()) {
        return text;
      }
    }
  }
  return {};
}

std::string compare_narrowing(const Kernels &expected, const Kernels &actual, uint64_t seed,
                              SumsMatch match) {
  Random random(seed);
  for (const size_t size : sizes()) {
    for (size_t round = 0; round < 6; ++round) {
      const size_t shift = random.index(4);
      const std::vector<float> f16 = hard_to_round(random, size + shift, 0x477FF000U);
      std::string text = compare_narrow("encode_f16", expected.encode_f16, actual.encode_f16,
                                        f16.data() + shift, size, random.index(16), match);
      const std::vector<float> bf16 = hard_to_round(random, size + shift, 0x7F7F8000U);
      if (text.empty()) {
        text = compare_narrow("encode_bf16", expected.encode_bf16, actual.encode_bf16,
                              bf16.data() + shift, size, random.index(16), match);
      }
      if (!text.empty()) {
        return text;
      }
    }
  }
  return {};
}

} // namespace monoquant::test
