#include "monoquant/quant/search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "support/deep.h"
#include "support/random.h"
#include "support/reference_kernels.h"

namespace monoquant::quant {
namespace {

using test::Random;
using Floats = std::vector<float>;

Scheme searched_scheme(uint32_t bits, bool symmetric, Dtype scale_dtype = Dtype::kF32) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.symmetric = symmetric;
  scheme.scale_dtype = scale_dtype;
  scheme.method = Method::kMse;
  return scheme;
}

std::vector<Scheme> all_schemes() {
  std::vector<Scheme> schemes;
  for (const uint32_t bits : {4U, 8U}) {
    for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
      schemes.push_back(searched_scheme(bits, false, dtype));
      schemes.push_back(searched_scheme(bits, true, dtype));
      schemes.push_back(schemes.back());
      schemes.back().signed_scales = true;
    }
  }
  return schemes;
}

std::string title(const Scheme &scheme) {
  return std::to_string(scheme.bits) + (scheme.symmetric ? " symmetric " : " asymmetric ") +
         (scheme.signed_scales ? "signed " : "") + std::string(dtype_name(scheme.scale_dtype));
}

Qparams search(const Floats &values, const Floats &importance, const Scheme &scheme) {
  return search_qparams(values, importance, scheme, scalar_kernels());
}

Qparams rtn(const Floats &values, const Scheme &scheme) {
  Range range;
  for (const float value : values) {
    range.min = std::min(range.min, value);
    range.max = std::max(range.max, value);
  }
  return choose_qparams(range, scheme);
}

/// The weighted error of what is stored, in double precision.
double error_of(const Floats &values, const Floats &importance, const Scheme &scheme,
                const Qparams &params) {
  double sum = 0;
  const float factor = 1.0F / params.scale;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto rounded = static_cast<int32_t>(std::nearbyint(values[i] * factor));
    const int32_t code = std::clamp(params.zero_point + rounded, scheme.lowest(), scheme.highest());
    const double error = static_cast<double>(values[i]) -
                         static_cast<double>(params.scale) * (code - params.zero_point);
    sum += error * error * (importance.empty() ? 1.0 : static_cast<double>(importance[i]));
  }
  return sum;
}

void expect_sound(const Qparams &params, const Scheme &scheme, const std::string &what) {
  EXPECT_TRUE(std::isfinite(params.scale)) << what;
  EXPECT_GE(std::fabs(params.scale), kSmallestScale) << what;
  EXPECT_EQ(params.scale, round_scale(params.scale, scheme.scale_dtype)) << what;
  EXPECT_GE(params.zero_point, scheme.lowest()) << what;
  EXPECT_LE(params.zero_point, scheme.highest()) << what;
  if (!scheme.signed_scales) {
    EXPECT_GT(params.scale, 0.0F) << what;
  }
  if (scheme.symmetric) {
    EXPECT_EQ(params.zero_point, 0) << what;
  }
}

float gaussian(Random &random) {
  const double radius =
      std::sqrt(-2.0 * std::log((static_cast<double>(random.bits() >> 11U) + 0.5) * 0x1p-53));
  const double angle = 2.0 * std::numbers::pi * static_cast<double>(random.bits() >> 11U) * 0x1p-53;
  return static_cast<float>(0.02 * radius * std::cos(angle));
}

/// One value of a few kinds of distributions, about 0.02 large.
float draw(Random &random, uint64_t kind) {
  switch (kind) {
  case 0:
    return gaussian(random);
  case 1: // outliers
    return random.weight() * 0.02F;
  case 2: // flat
    return random.signed_unit() * 0.02F;
  case 3: // one tail only
    return std::fabs(random.weight()) * 0.02F;
  case 4: // heavy tails
    return gaussian(random) / (0.1F + std::fabs(random.signed_unit()));
  default: // few different values
    return static_cast<float>(random.below(5)) * 0.01F - 0.03F;
  }
}

Floats draw_many(Random &random, size_t count, uint64_t kind) {
  Floats values(count);
  for (float &value : values) {
    value = draw(random, kind);
  }
  return values;
}

/// Second moments as activations have them: some columns matter hundreds of times more.
Floats draw_importance(Random &random, size_t count) {
  Floats importance(count);
  for (float &weight : importance) {
    const float activation = random.chance(8) ? 20.0F : random.signed_unit();
    weight = activation * activation;
  }
  return importance;
}

/// The search measures in f32: differences below its roundings do not count.
double with_roundings(double error, const Floats &values, const Floats &importance) {
  double signal = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<double>(values[i]);
    signal += value * value * (importance.empty() ? 1.0 : static_cast<double>(importance[i]));
  }
  return error * (1 + 0x1p-14) + signal * 0x1p-44;
}

TEST(Search, is_never_worse_than_rtn) {
  Random random(60);
  for (const Scheme &scheme : all_schemes()) {
    for (uint64_t round = 0; round < 120; ++round) {
      const size_t size = round % 4 == 0 ? 128 : 1 + random.index(300);
      const Floats values = draw_many(random, size, round % 6);
      const Floats importance = random.chance(2) ? Floats() : draw_importance(random, size);
      const Qparams found = search(values, importance, scheme);
      expect_sound(found, scheme, title(scheme));
      EXPECT_LE(error_of(values, importance, scheme, found),
                with_roundings(error_of(values, importance, scheme, rtn(values, scheme)), values,
                               importance))
          << title(scheme) << ", distribution " << round % 6 << ", " << size << " values";
    }
  }
}

/// SQNR in dB of normally distributed weights in scopes of `size`.
double gaussian_db(const Scheme &scheme, size_t size, bool searched) {
  Random random(61);
  double signal = 0;
  double noise = 0;
  for (size_t scope = 0; scope < (size_t{1} << 19U) / size; ++scope) {
    const Floats values = draw_many(random, size, 0);
    for (const float value : values) {
      signal += static_cast<double>(value) * static_cast<double>(value);
    }
    noise +=
        error_of(values, {}, scheme, searched ? search(values, {}, scheme) : rtn(values, scheme));
  }
  return 10 * std::log10(signal / noise);
}

TEST(Search, gains_what_was_measured_on_gaussian_weights) {
  struct Row {
    uint32_t bits;
    bool symmetric;
    bool signed_scales;
    size_t size;
    double rtn;
    double gain;
  };
  for (const Row &row :
       {Row{4, true, false, 128, 19.1, 0.82}, Row{4, true, true, 128, 19.1, 1.20},
        Row{4, false, false, 128, 19.95, 0.51}, Row{8, true, false, 128, 43.7, 0.44},
        Row{8, true, false, 2048, 41.7, 0.12}, Row{8, false, false, 2048, 42.1, 0.09}}) {
    Scheme scheme = searched_scheme(row.bits, row.symmetric);
    scheme.signed_scales = row.signed_scales;
    const double before = gaussian_db(scheme, row.size, false);
    const double after = gaussian_db(scheme, row.size, true);
    EXPECT_NEAR(before, row.rtn, row.size == 128 ? 0.1 : 0.2) << title(scheme);
    EXPECT_NEAR(after - before, row.gain, 0.03) << title(scheme);
  }
}

/// The smallest error of all scales, two percent apart, and of both signs.
double least_error(const Floats &values, const Scheme &scheme) {
  const float start = std::fabs(rtn(values, scheme).scale);
  double least = HUGE_VAL;
  for (float scale = start * 1.1F; scale > start * 0.05F; scale *= 0.98F) {
    least = std::min({least, error_of(values, {}, scheme, {scale, 0}),
                      error_of(values, {}, scheme, {-scale, 0})});
  }
  return least;
}

TEST(Search, of_few_scales_loses_little_against_all) {
  Scheme scheme = searched_scheme(4, true);
  scheme.signed_scales = true;
  const size_t values_of_all = test::is_deep() ? 40000 : 9000;
  Random random(67);
  for (const size_t size : {32U, 128U, 1000U, 9000U}) {
    for (const uint64_t kind : {0U, 1U, 3U, 4U}) {
      double found = 0;
      double least = 0;
      for (size_t i = 0; i < values_of_all / size; ++i) {
        Floats values = draw_many(random, size, kind);
        values[0] *= i % 8 == 7 ? 10.0F : 1.0F; // an outlier
        found += error_of(values, {}, scheme, search(values, {}, scheme));
        least += least_error(values, scheme);
      }
      EXPECT_LT(10 * std::log10(found / least), 0.03) << size << ", distribution " << kind;
    }
  }
}

TEST(Search, finds_exact_scales) {
  // Floats that some scale stores exactly, though not that of their extremes.
  Random random(62);
  for (const uint32_t bits : {4U, 8U}) {
    Scheme scheme = searched_scheme(bits, true);
    scheme.signed_scales = true;
    size_t exact = 0;
    for (int round = 0; round < 50; ++round) {
      const float scale = 0.01F * (random.chance(2) ? 1.0F : -1.0F);
      Floats values(128);
      for (float &value : values) {
        const auto codes = static_cast<uint64_t>(scheme.highest()) * 2 + 2;
        value =
            scale * static_cast<float>(scheme.lowest() + static_cast<int32_t>(random.below(codes)));
      }
      const Qparams found = search(values, {}, scheme);
      const double error = error_of(values, {}, scheme, found);
      const double steps = std::sqrt(error / 128) / std::fabs(static_cast<double>(found.scale));
      exact += steps < 1e-3 ? 1U : 0U;
    }
    EXPECT_GE(exact, bits == 4 ? 45U : 30U) << bits;
  }
}

TEST(Search, signs_let_the_lowest_code_serve_the_longer_tail) {
  Scheme scheme = searched_scheme(4, true);
  scheme.signed_scales = true;
  Floats values(128);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i % 16) - 7.0F; // -7 to 8
  }
  EXPECT_EQ(search(values, {}, scheme).scale, -1.0F);
  EXPECT_EQ(error_of(values, {}, scheme, search(values, {}, scheme)), 0.0);
  for (float &value : values) {
    value = -value;
  }
  EXPECT_EQ(search(values, {}, scheme).scale, 1.0F);
}

TEST(Search, honours_importance) {
  Random random(63);
  for (const Scheme &scheme : all_schemes()) {
    double weighted = 0;
    double unweighted = 0;
    for (int round = 0; round < 60; ++round) {
      const Floats values = draw_many(random, 128, 0);
      const Floats importance = draw_importance(random, 128);
      weighted += error_of(values, importance, scheme, search(values, importance, scheme));
      unweighted += error_of(values, importance, scheme, search(values, {}, scheme));
    }
    EXPECT_LT(weighted, unweighted * (scheme.bits == 4 ? 0.9 : 0.97)) << title(scheme);
  }
}

TEST(Search, follows_what_counts_far_below_the_extremes) {
  // Nobody reads the largest value: the others get all codes.
  Random random(64);
  for (const uint32_t bits : {4U, 8U}) {
    Floats values = draw_many(random, 128, 2);
    Floats importance(128, 1.0F);
    values[5] = 0.06F;
    importance[5] = 0.0F;
    const Scheme scheme = searched_scheme(bits, true);
    const Qparams found = search(values, importance, scheme);
    const double alone = error_of(values, importance, scheme, rtn(values, scheme));
    EXPECT_LT(error_of(values, importance, scheme, found), alone / 8) << bits;
  }
}

TEST(Search, only_ratios_of_importance_count) {
  Random random(65);
  for (const Scheme &scheme : all_schemes()) {
    const Floats values = draw_many(random, 100, 1);
    const Floats importance = draw_importance(random, 100);
    const Qparams expected = search(values, importance, scheme);
    for (const float factor : {0x1p-100F, 0x1p20F, 0x1p110F}) {
      Floats scaled = importance;
      for (float &weight : scaled) {
        weight *= factor;
      }
      const Qparams found = search(values, scaled, scheme);
      EXPECT_EQ(found.scale, expected.scale) << title(scheme) << factor;
      EXPECT_EQ(found.zero_point, expected.zero_point) << title(scheme) << factor;
    }
    const Qparams unweighted = search(values, {}, scheme);
    for (const float same : {0.0F, 1.0F, 0x1p-140F}) {
      EXPECT_EQ(search(values, Floats(100, same), scheme).scale, unweighted.scale)
          << title(scheme) << same;
    }
  }
}

TEST(Search, degenerate_scopes_have_usable_scales) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const std::vector<Floats> cases = {{0.0F},
                                     {-0.0F, 0.0F},
                                     Floats(128, 0.0F),
                                     {1.0F},
                                     {-1.0F},
                                     Floats(64, 0.1F),
                                     {0x1p-149F, -0x1p-140F},
                                     {1e-6F, 1e-7F},
                                     {0x1p-20F, -0x1p-22F},
                                     {60000.0F, -65504.0F},
                                     {65504.0F, 1.0F}};
  const std::vector<Floats> huge = {
      {kLargest, -kLargest}, {kLargest}, {-kLargest, 1.0F}, Floats(128, kLargest)};
  for (const Scheme &scheme : all_schemes()) {
    for (const Floats &values : cases) {
      const Qparams found = search(values, {}, scheme);
      expect_sound(found, scheme, title(scheme) + " " + std::to_string(values[0]));
      EXPECT_LE(error_of(values, {}, scheme, found),
                with_roundings(error_of(values, {}, scheme, rtn(values, scheme)), values, {}));
      expect_sound(search(values, Floats(values.size(), 3e38F), scheme), scheme, title(scheme));
    }
    for (const Floats &values : huge) {
      if (scheme.scale_dtype != Dtype::kF16) { // which no tensor with such values has
        expect_sound(search(values, {}, scheme), scheme, title(scheme) + " huge");
      }
    }
  }
  const Scheme scheme = searched_scheme(4, true);
  EXPECT_EQ(search(Floats(32, 0.0F), {}, scheme).scale, kSmallestScale);
}

TEST(Search, scalar_and_simd_kernels_find_the_same) {
  if (simd_kernels() == nullptr) {
    GTEST_SKIP() << "no SIMD in this build";
  }
  Random random(66);
  for (const Scheme &scheme : all_schemes()) {
    for (uint64_t round = 0; round < 100; ++round) {
      const size_t size = 1 + random.index(round % 10 == 0 ? 3000 : 140);
      const Floats values = draw_many(random, size, round % 6);
      const Floats importance = random.chance(2) ? Floats() : draw_importance(random, size);
      const Qparams one = search_qparams(values, importance, scheme, scalar_kernels());
      const Qparams other = search_qparams(values, importance, scheme, *simd_kernels());
      ASSERT_EQ(std::bit_cast<uint32_t>(one.scale), std::bit_cast<uint32_t>(other.scale))
          << title(scheme);
      ASSERT_EQ(one.zero_point, other.zero_point) << title(scheme);
    }
  }
}

} // namespace
} // namespace monoquant::quant
