#include "monoquant/run/unit_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/quant/search.h"
#include "support/not_finite.h"
#include "support/observer_fixture.h"
#include "support/random.h"
#include "support/reference_kernels.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::kInfinity;
using test::kNan;

using quant::Strategy;

struct Scheme : quant::Scheme {
  bool packed = false;

  Scheme() = default;
  Scheme(const quant::Scheme &base) : quant::Scheme(base) {}
};

/// As compressed-tensors stores it.
UnitResult encode_unit(const Values &values, const Scheme &scheme, UnitShape shape,
                       quant::QparamsArrays qparams, uint8_t *to) {
  layout::Stored stored;
  stored.scheme = scheme;
  stored.weights_only = scheme.packed;
  stored.columns = shape.write;
  const auto codec = layout::kCompressedTensors.make_codec(stored);
  return encode_unit(values, scheme, *codec, shape, qparams, to);
}

constexpr uint32_t kInfinityBits = 0x7F800000U;

/// A unit's codes, one a value.
std::vector<int32_t> signed_codes(const std::vector<uint8_t> &bytes, size_t count,
                                  const Scheme &scheme) {
  std::vector<int32_t> codes;
  for (size_t i = 0; i < count; ++i) {
    if (scheme.bits == 4) {
      codes.push_back(static_cast<int32_t>(bytes[i / 2] >> (i % 2 * 4) & 0xFU) - 8);
    } else {
      codes.push_back(scheme.packed ? bytes[i] - 128 : static_cast<int8_t>(bytes[i]));
    }
  }
  return codes;
}

TEST(UnitEncoder, makes_pytorchs_codes_and_qparams_to_the_bit) {
  const std::vector<float> &weight = test::observed_weight();
  for (const test::Observed &observed : test::observed_schemes()) {
    for (const bool packed : {false, true}) {
      Scheme scheme = observed.scheme;
      if (scheme.strategy == Strategy::kTensor) { // as one row: a unit chooses qparams a row
        scheme.strategy = Strategy::kChannel;
      }
      scheme.packed = packed || scheme.bits == 4;
      const bool whole = observed.scheme.strategy == Strategy::kTensor;
      const size_t write = whole ? weight.size() : test::kObservedColumns;
      std::vector<uint8_t> bytes(weight.size());
      std::vector<float> scales(observed.scales.size());
      std::vector<int32_t> zero_points(observed.scales.size());
      encode_unit(weight, scheme, {write, false}, {scales, zero_points}, bytes.data());
      EXPECT_EQ(scales, observed.scales) << observed.name;
      EXPECT_EQ(zero_points, observed.zero_points) << observed.name;
      EXPECT_EQ(signed_codes(bytes, weight.size(), scheme), observed.codes) << observed.name;
    }
  }
}

TEST(UnitEncoder, uses_qparams_that_are_known) {
  const std::vector<float> values = {1.0F, -2.0F, 0.5F, 100.0F, 1.5F, -1000.0F};
  for (const Strategy strategy : {Strategy::kChannel, Strategy::kTensor}) {
    Scheme scheme;
    scheme.symmetric = false;
    scheme.strategy = strategy;
    std::vector<float> scales = {1.0F, 2.0F};
    std::vector<int32_t> zero_points = {3, -4};
    std::vector<uint8_t> bytes(6);
    encode_unit(values, scheme, {3, true}, {scales, zero_points}, bytes.data());
    const std::vector<int32_t> expected = strategy == Strategy::kTensor
                                              ? std::vector<int32_t>{4, 1, 3, 103, 5, -128}
                                              : std::vector<int32_t>{4, 1, 3, 46, -3, -128};
    EXPECT_EQ(signed_codes(bytes, 6, scheme), expected);
    EXPECT_EQ(scales, (std::vector<float>{1.0F, 2.0F}));
  }
}

TEST(UnitEncoder, packed_rows_are_filled_up_to_words_with_zeros) {
  for (const uint32_t bits : {4U, 8U}) {
    for (size_t columns = 1; columns <= 20; ++columns) {
      Scheme scheme;
      scheme.bits = bits;
      scheme.packed = true;
      const size_t row_bytes = (columns * bits + 31) / 32 * 4;
      std::vector<float> values(columns * 3, 1.0F);
      std::vector<uint8_t> bytes(row_bytes * 3, 0xEE);
      std::vector<float> scales(3);
      std::vector<int32_t> zero_points(3);
      encode_unit(values, scheme, {columns, false}, {scales, zero_points}, bytes.data());
      for (size_t row = 0; row < 3; ++row) {
        for (size_t bit = columns * bits; bit < row_bytes * 8; ++bit) {
          ASSERT_EQ(bytes[row * row_bytes + bit / 8] >> (bit % 8) & 1U, 0U)
              << columns << " " << bit;
        }
        // Of equal values each has the largest code that is in use: 127 or 7 steps of 127.5 or 7.5.
        const uint32_t first = bytes[row * row_bytes] & (bits == 4 ? 0xFU : 0xFFU);
        ASSERT_GE(first, bits == 4 ? 15U : 255U);
      }
    }
  }
}

TEST(UnitEncoder, stops_at_what_is_not_finite) {
  for (const float poison : {kInfinity, -kInfinity, kNan, -kNan}) {
    for (const size_t at : {size_t{0}, size_t{70}, size_t{299}}) {
      std::vector<float> values(300, 0.5F);
      values[at] = poison;
      for (const bool symmetric : {true, false}) {
        Scheme scheme;
        scheme.symmetric = symmetric;
        std::vector<uint8_t> bytes(300);
        std::vector<float> scales(3);
        std::vector<int32_t> zero_points(3);
        const UnitResult result =
            encode_unit(values, scheme, {100, false}, {scales, zero_points}, bytes.data());
        EXPECT_GE(result.magnitude, kInfinityBits);
      }
      EXPECT_GE(measure(values).magnitude, kInfinityBits);
    }
  }
}

TEST(UnitEncoder, measures_magnitude_and_range) {
  const UnitResult result = measure(std::vector<float>{0.5F, -3.0F, 2.0F});
  EXPECT_EQ(std::bit_cast<float>(result.magnitude), 3.0F);
  EXPECT_EQ(result.range.min, -3.0F);
  EXPECT_EQ(result.range.max, 2.0F);
  const UnitResult positive = measure(std::vector<float>{0.5F, 3.0F});
  EXPECT_EQ(positive.range.min, 0.0F) << "zero is always among the values";
}

TEST(UnitEncoder, decodes_every_float_type) {
  test::Random random(10);
  for (const Dtype dtype :
       {Dtype::kF64, Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kF8E4M3, Dtype::kF8E5M2}) {
    const test::FileTensor tensor = test::random_weights(random, "x", dtype, {77});
    std::vector<float> scratch(100);
    const auto values = quant::decode_values(dtype, tensor.bytes, scratch);
    EXPECT_EQ(std::vector<float>(values.begin(), values.end()), test::values_of(tensor))
        << dtype_name(dtype);
  }
}

TEST(UnitEncoder, converts_what_fits_and_reports_what_does_not) {
  struct Row {
    Dtype target;
    float largest; // that fits
    float smallest_misfit;
  };
  for (const Row &row :
       {Row{Dtype::kF16, std::bit_cast<float>(0x477FEFFFU), 65520.0F},
        Row{Dtype::kBF16, std::bit_cast<float>(0x7F7F7FFFU), std::bit_cast<float>(0x7F7F8000U)}}) {
    EXPECT_EQ(std::bit_cast<float>(overflow_magnitude(row.target)), row.smallest_misfit);
    const std::vector<float> fits = {0.25F, -row.largest, 1e-30F};
    uint8_t bytes[6];
    const UnitResult good = convert(fits, row.target, bytes);
    EXPECT_LT(good.magnitude, overflow_magnitude(row.target));
    const uint32_t second = static_cast<uint32_t>(bytes[2]) | static_cast<uint32_t>(bytes[3]) << 8U;
    EXPECT_EQ(second, row.target == Dtype::kF16 ? 0xFBFFU : 0xFF7FU);
    EXPECT_GE(convert(std::vector<float>{row.smallest_misfit}, row.target, bytes).magnitude,
              overflow_magnitude(row.target));
    EXPECT_GE(convert(std::vector<float>{kNan}, row.target, bytes).magnitude, kInfinityBits);
  }
}

TEST(UnitEncoder, conversion_errors_are_right_for_all_magnitudes) {
  test::Random random(11);
  for (int exponent = -140; exponent <= 126; exponent += 7) {
    std::vector<float> values(500);
    double signal = 0;
    double noise = 0;
    for (float &value : values) {
      value = std::ldexp(random.signed_unit(), exponent);
      const double exact = static_cast<double>(value);
      const uint32_t bits = test::round_to_format(std::fabs(exact), 7, -126);
      const double error = std::fabs(exact) - test::value_of_format(bits, 8, 7);
      signal += exact * exact;
      noise += error * error;
    }
    std::vector<uint8_t> bytes(1000);
    const UnitResult result = convert(values, Dtype::kBF16, bytes.data());
    EXPECT_NEAR(result.sums.signal / signal, 1.0, 1e-5) << exponent;
    if (noise > 0) {
      EXPECT_NEAR(result.sums.noise / noise, 1.0, 1e-5) << exponent;
    }
  }
}

TEST(UnitEncoder, negative_scales_store_what_they_say) {
  test::Random random(12);
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kBF16}) {
    Scheme scheme;
    scheme.bits = 4;
    scheme.packed = true;
    scheme.strategy = Strategy::kGroup;
    scheme.group_size = 32;
    scheme.scale_dtype = dtype;
    scheme.method = quant::Method::kMse;
    scheme.signed_scales = true;
    std::vector<float> values(64 * 256);
    for (float &value : values) {
      value = random.weight();
    }
    std::vector<uint8_t> bytes(values.size() / 2);
    std::vector<float> scales(values.size() / 32);
    std::vector<int32_t> zero_points(scales.size());
    const UnitResult result =
        encode_unit(values, scheme, {256, false}, {scales, zero_points}, bytes.data());
    const auto negative =
        std::count_if(scales.begin(), scales.end(), [](float scale) { return scale < 0; });
    EXPECT_GT(negative, 150);
    EXPECT_LT(negative, 362);
    const std::vector<int32_t> codes = signed_codes(bytes, values.size(), scheme);
    quant::ErrorSums expected;
    for (size_t i = 0; i < values.size(); ++i) {
      const auto exact = static_cast<double>(values[i]);
      const double error = exact - static_cast<double>(scales[i / 32]) * codes[i];
      expected.add({exact * exact, error * error, static_cast<float>(std::fabs(error))});
    }
    EXPECT_NEAR(result.sums.signal, expected.signal, expected.signal * 1e-5);
    EXPECT_NEAR(result.sums.noise, expected.noise, expected.noise * 1e-5);
    EXPECT_NEAR(result.sums.peak, expected.peak, expected.peak * 1e-4F);
  }
}

TEST(UnitEncoder, gives_each_scope_the_importance_of_its_columns) {
  test::Random random(13);
  std::vector<float> values(4 * 128);
  std::vector<float> importance(128);
  for (float &value : values) {
    value = random.weight();
  }
  for (float &weight : importance) {
    weight = random.chance(4) ? 100.0F : 0.01F;
  }
  Scheme scheme;
  scheme.bits = 4;
  scheme.strategy = Strategy::kGroup;
  scheme.group_size = 32;
  scheme.packed = true;
  scheme.method = quant::Method::kMse;
  std::vector<uint8_t> bytes(values.size() / 2);
  std::vector<float> scales(16);
  std::vector<int32_t> zero_points(16);
  encode_unit(values, scheme, {128, false, importance}, {scales, zero_points}, bytes.data());
  for (size_t scope = 0; scope < 16; ++scope) {
    const quant::Qparams expected = quant::search_qparams(
        std::span(values).subspan(scope * 32, 32),
        std::span(importance).subspan(scope % 4 * 32, 32), scheme, quant::scalar_kernels());
    EXPECT_EQ(scales[scope], expected.scale) << scope;
  }
}

} // namespace
} // namespace monoquant::run
