#include "support/kernel_comparison.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#include "monoquant/base/text.h"
#include "support/kernel_outputs.h"
#include "support/random.h"

namespace monoquant::test {
namespace {

using quant::ErrorSums;
using quant::Kernels;
using quant::Range;
using quant::Scopes;

/// Values and how they become codes.
struct Case {
  Stored stored;
  std::vector<float> factors;
  std::vector<float> steps;
  std::vector<int32_t> zero_points;

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

Case make_case(Random &random, Dtype dtype, size_t size, size_t count, int32_t lowest,
               int32_t highest) {
  static constexpr float kFactors[] = {1.0F,     2.0F,   10.0F,    0x1p23F,  3.0F,
                                       1365.33F, 1e-36F, 2.3e-38F, 0x1p-126F};
  std::vector<float> values;
  std::vector<float> factors;
  std::vector<float> steps;
  std::vector<int32_t> zero_points;
  for (size_t n = 0; n < count; ++n) {
    const float factor = random.pick(kFactors);
    const uint64_t kind = random.below(6);
    for (size_t i = 0; i < size; ++i) {
      const float value = code_value(random, kind, factor);
      values.push_back(std::isfinite(value) ? value : std::copysign(3.4e38F, value));
    }
    factors.push_back(factor);
    steps.push_back(random.chance(8) ? 0.0F : 1.0F / factor);
    const auto codes = static_cast<uint64_t>(highest) - static_cast<uint64_t>(lowest) + 1;
    zero_points.push_back(random.chance(2) ? 0
                                           : lowest + static_cast<int32_t>(random.below(codes)));
  }
  return {{dtype, values, random.index(16)}, factors, steps, zero_points};
}

Slack code_slack(const Case &made, size_t size, int32_t lowest, int32_t highest) {
  const std::vector<float> values = made.stored.values();
  Slack slack;
  for (size_t i = 0; i < values.size(); ++i) {
    const quant::Scope scope = made.scopes()[i / size];
    const double y = static_cast<double>(values[i]) * static_cast<double>(scope.factor);
    const double code = std::clamp<double>(std::nearbyint(y), lowest - scope.zero_point,
                                           highest - scope.zero_point);
    // Where y is all but half-way, f32 may have rounded to the other side: the error is the same half step.
    slack.add(y, y - code, static_cast<double>(scope.step));
  }
  return slack;
}

std::string compare_8(const Kernels &expected, const Kernels &actual, Random &random, Dtype dtype,
                      size_t size, size_t count, SumsMatch match) {
  const Case made = make_case(random, dtype, size, count, -128, 127);
  const auto flip = static_cast<uint8_t>(random.chance(2) ? 0x80 : 0);
  const size_t shift = random.index(16);
  Output one(size * count, shift);
  Output other(size * count, shift);
  ErrorSums sums_one{1.0, 2.0, 0.0F}; // kernels add to what is there
  ErrorSums sums_other = sums_one;
  expected.of(dtype).encode_8(made.stored.data(), size, count, made.scopes(), flip, one.data(),
                              sums_one);
  actual.of(dtype).encode_8(made.stored.data(), size, count, made.scopes(), flip, other.data(),
                            sums_other);
  const std::string name = concat("encode_8 of ", dtype_name(dtype));
  std::string text = difference(name, size, count, one, other);
  if (text.empty()) {
    Slack slack = code_slack(made, size, -128, 127);
    slack.signal += sums_one.signal * 0x1p-50;
    slack.noise += sums_one.noise * 0x1p-50;
    text = sums_difference(name, size, count, sums_one, sums_other, match, slack);
  }
  return text;
}

std::string compare_4(const Kernels &expected, const Kernels &actual, Random &random, Dtype dtype,
                      size_t size, size_t count, SumsMatch match) {
  const Case made = make_case(random, dtype, size, count, -8, 7);
  const size_t shift = random.index(16);
  const size_t bytes = (size * count + 1) / 2;
  Output one(bytes, shift);
  Output other(bytes, shift);
  ErrorSums sums_one{1.0, 2.0, 0.0F};
  ErrorSums sums_other = sums_one;
  expected.of(dtype).encode_4(made.stored.data(), size, count, made.scopes(), one.data(), sums_one);
  actual.of(dtype).encode_4(made.stored.data(), size, count, made.scopes(), other.data(),
                            sums_other);
  const std::string name = concat("encode_4 of ", dtype_name(dtype));
  std::string text = difference(name, size, count, one, other);
  if (text.empty()) {
    Slack slack = code_slack(made, size, -8, 7);
    slack.signal += sums_one.signal * 0x1p-50;
    slack.noise += sums_one.noise * 0x1p-50;
    text = sums_difference(name, size, count, sums_one, sums_other, match, slack);
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
  const Case made = make_case(random, Dtype::kF32, size, 1, lowest, -1 - lowest);
  const std::vector<float> values = made.stored.values();
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
  expected.try_codes(values.data(), size, importance, trials.data(), count, one.data());
  actual.try_codes(values.data(), size, importance, trials.data(), count, other.data());
  for (size_t n = 0; n <= count; ++n) {
    quant::FitSums fit_one;
    quant::FitSums fit_other;
    const quant::Trial &trial = trials[std::min(n, count - 1)];
    expected.fit_codes(values.data(), size, importance, trial, fit_one);
    actual.fit_codes(values.data(), size, importance, trial, fit_other);
    double largest = 0; // |x * factor|
    for (size_t i = 0; i < size; ++i) {
      const float y = values[i] * trial.factor;
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

/// Trials of levels on one scope: their sums are exact, and the signal as much too small as documented.
std::string compare_levels(const Kernels &expected, const Kernels &actual, Random &random,
                           size_t size, SumsMatch match) {
  const Case made = make_case(random, Dtype::kF32, size, 1, -8, 7);
  const std::vector<float> values = made.stored.values();
  float largest = 0x1p-100F;
  for (const float value : values) {
    largest = std::max(largest, std::fabs(value));
  }
  const float unit = static_cast<float>(quant::kMostLevel) / largest;
  const auto first = static_cast<int16_t>(static_cast<int32_t>(random.index(41000)) - 9000);
  const quant::LevelTrials trials{random.chance(2) ? unit : -unit, first, random.chance(2)};
  quant::LevelSums one;
  quant::LevelSums other;
  expected.try_levels(values.data(), size, trials, one);
  actual.try_levels(values.data(), size, trials, other);
  bool same = match == SumsMatch::kToTheBit
                  ? other.signal == one.signal
                  : other.signal <= one.signal &&
                        other.signal >= one.signal - 1024.0 * (static_cast<double>(size) + 1) / 2;
  for (size_t n = 0; n < quant::kLevelTrials; ++n) {
    same = same && other.cross[n] == one.cross[n] && other.power[n] == one.power[n];
  }
  return same ? std::string() : concat("levels, a scope of ", size, " differs");
}

/// Products of some rows, to the bit, and nothing else touched.
std::string compare_products(const Kernels &expected, const Kernels &actual, Random &random,
                             size_t width) {
  const size_t rows = random.index(11);
  const size_t count = random.index(20);
  const size_t strides[] = {count + random.index(3), width + random.index(5),
                            width + random.index(5)};
  const auto floats = [&](size_t size) {
    std::vector<float> values(size);
    for (float &value : values) {
      value = random.chance(9)
                  ? 0.0F
                  : std::ldexp(random.weight(), static_cast<int>(random.index(40)) - 20);
    }
    return values;
  };
  const std::vector<float> factors = floats(rows * strides[0] + 1);
  const std::vector<float> matrix = floats(count * strides[1] + 1);
  std::vector<float> one = floats(rows * strides[2] + 1);
  std::vector<float> other = one;
  const quant::Factors by{factors.data(), strides[0], rows, count};
  const quant::Matrix of{matrix.data(), strides[1], width};
  expected.add_products(by, of, {one.data(), strides[2]});
  actual.add_products(by, of, {other.data(), strides[2]});
  const bool same = std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
  return same ? std::string()
              : concat(rows, " rows of ", width, " sums of ", count, " products differ");
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
      for (const Dtype dtype : kSourceTypes) {
        std::vector<float> finite(size * count);
        const uint64_t kind = random.below(4);
        for (float &value : finite) {
          value = random.finite_bits();
          value = kind == 1 ? std::fabs(value) : kind == 2 ? -std::fabs(value) : value;
          value = kind == 3 ? std::copysign(0.0F, value) : value;
        }
        Stored stored(dtype, finite, random.index(16));
        std::vector<Range> low(count + 1, Range{5, 6});
        std::vector<Range> high(count + 1, Range{5, 6});
        expected.of(dtype).ranges(stored.data(), size, count, low.data());
        actual.of(dtype).ranges(stored.data(), size, count, high.data());
        if (std::memcmp(low.data(), high.data(), low.size() * sizeof(Range)) != 0) {
          return concat("ranges of ", dtype_name(dtype), ", ", count, " scopes of ", size,
                        " differ");
        }
        for (size_t i = stored.shift; i < stored.bytes.size(); ++i) { // infinity and NaN, too
          stored.bytes[i] = random.chance(50) ? uint8_t{0xFF} : stored.bytes[i];
        }
        std::vector<uint32_t> one(count + 1, 77);
        std::vector<uint32_t> other(count + 1, 77);
        expected.of(dtype).magnitudes(stored.data(), size, count, one.data());
        actual.of(dtype).magnitudes(stored.data(), size, count, other.data());
        if (one != other) {
          return concat("magnitudes of ", dtype_name(dtype), ", ", count, " scopes of ", size,
                        " differ");
        }
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
      for (const Dtype dtype : kSourceTypes) {
        std::string text = compare_8(expected, actual, random, dtype, size, count, match);
        if (text.empty() && (size % 2 == 0 || count == 1)) {
          text = compare_4(expected, actual, random, dtype, size, count, match);
        }
        if (!text.empty()) {
          return text;
        }
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
      if (text.empty()) {
        text = compare_levels(expected, actual, random, size, match);
      }
      if (text.empty()) {
        text = compare_products(expected, actual, random, size);
      }
      if (!text.empty()) {
        return text;
      }
    }
  }
  return {};
}

} // namespace monoquant::test
