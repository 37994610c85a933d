#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "monoquant/quant/kernels/kernels.h"
#include "support/fixture.h"
#include "support/kernel_comparison.h"
#include "support/reference_kernels.h"
#include "support/tensor_file.h"

namespace monoquant::quant {
namespace {

constexpr auto kWithinRounding = test::SumsMatch::kWithinRounding;

TEST(ScalarKernels, decode_every_value_as_documented) {
  EXPECT_EQ(test::compare_decoding(test::reference_kernels(), scalar_kernels(), kWithinRounding),
            "");
}

TEST(ScalarKernels, measure_as_documented) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(test::compare_measuring(test::reference_kernels(), scalar_kernels(), seed), "");
  }
}

TEST(ScalarKernels, make_codes_as_documented) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    ASSERT_EQ(
        test::compare_codes(test::reference_kernels(), scalar_kernels(), seed, kWithinRounding),
        "");
  }
}

TEST(ScalarKernels, try_codes_as_documented) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    ASSERT_EQ(
        test::compare_searching(test::reference_kernels(), scalar_kernels(), seed, kWithinRounding),
        "");
  }
}

TEST(ScalarKernels, narrow_floats_as_documented) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    ASSERT_EQ(
        test::compare_narrowing(test::reference_kernels(), scalar_kernels(), seed, kWithinRounding),
        "");
  }
}

TEST(ScalarKernels, take_every_half_as_documented) {
  EXPECT_EQ(test::compare_all_halves(test::reference_kernels(), scalar_kernels(), kWithinRounding),
            "");
}

TEST(ScalarKernels, round_ties_as_pytorch_does) {
  struct Row {
    std::string name;
    float scale;
    int32_t zero_point;
  };
  const std::vector<Row> rows = {{"s1_z0", 1.0F, 0},
                                 {"s1_z1", 1.0F, 1},
                                 {"s1_z-3", 1.0F, -3},
                                 {"s0.1_z5", 0.1F, 5},
                                 {"s0.333333_z7", 1.0F / 3.0F, 7},
                                 {"s0.0078125_z0", 0.0078125F, 0}};
  const auto file = test::parse_file(test::read_fixture("observers/rounding_ties.safetensors"));
  const std::vector<float> x = test::values_of(file.tensors.at("x"));
  size_t compared = 0;
  for (const Row &row : rows) {
    const auto &expected = file.tensors.at(row.name + ".per_tensor").bytes;
    for (size_t i = 0; i < x.size(); ++i) {
      const Scope scope{1.0F / row.scale, row.scale, row.zero_point};
      if (!(std::fabs(x[i] * scope.factor) < 4194304.0F)) {
        continue; // beyond what a scale for this tensor would allow
      }
      uint8_t code = 0;
      ErrorSums sums;
      scalar_kernels().f32.encode_8(&x[i], 1, 1, {&scope.factor, &scope.step, &scope.zero_point}, 0,
                                    &code, sums);
      EXPECT_EQ(code, expected[i]) << row.name << ": " << x[i];
      ++compared;
    }
  }
  EXPECT_GT(compared, 250U);
}

TEST(ScalarKernels, f8_and_f64_decode_one_by_one) {
  std::vector<uint8_t> codes(256);
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<uint8_t>(i);
  }
  std::vector<float> values(256);
  decode_f8_e4m3(codes.data(), codes.size(), values.data());
  for (uint32_t i = 0; i < 256; ++i) {
    const double expected = (i & 0x7FU) == 0x7FU   ? NAN // the only codes that IEEE would not have
                            : (i & 0x78U) == 0x78U ? std::copysign((8.0 + (i & 7U)) * 32.0,
                                                                   (i & 0x80U) != 0 ? -1.0 : 1.0)
                                                   : test::value_of_format(i, 4, 3);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(values[i])) << i;
    } else {
      EXPECT_EQ(static_cast<double>(values[i]), expected) << i;
    }
  }
  decode_f8_e5m2(codes.data(), codes.size(), values.data());
  for (uint32_t i = 0; i < 256; ++i) {
    const double expected = test::value_of_format(i, 5, 2);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(values[i])) << i;
    } else {
      EXPECT_EQ(static_cast<double>(values[i]), expected) << i;
    }
  }
  // F64 at an odd address: exact, rounded to even, out of range.
  const double wide[] = {0.1, -0.0, 1.0 + 0x1p-24, 1.0 + 0x1.8p-23, 1e300, -1e-300};
  std::vector<uint8_t> bytes(sizeof(wide) + 1);
  std::memcpy(bytes.data() + 1, wide, sizeof(wide));
  float narrow[6];
  decode_f64(bytes.data() + 1, 6, narrow);
  EXPECT_EQ(narrow[0], 0.1F);
  EXPECT_TRUE(std::signbit(narrow[1]));
  EXPECT_EQ(narrow[2], 1.0F);
  EXPECT_EQ(narrow[3], 1.0F + 0x1p-22F);
  EXPECT_TRUE(std::isinf(narrow[4]));
  EXPECT_EQ(narrow[5], 0.0F);
}

} // namespace
} // namespace monoquant::quant
