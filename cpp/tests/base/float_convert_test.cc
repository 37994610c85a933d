#include "monoquant/base/float_convert.h"

#include <gtest/gtest.h>

#include <cmath>

#include "monoquant/base/bytes.h"
#include "monoquant/quant/kernels/kernels.h"
#include "support/fixture.h"
#include "support/reference_kernels.h"
#include "support/tensor_file.h"

namespace monoquant {
namespace {

using test::FileTensor;

template <typename T> std::vector<T> elements(const FileTensor &tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }

bool is_f16_nan(uint16_t half) { return (half & 0x7FFFU) > 0x7C00U; }
bool is_bf16_nan(uint16_t brain) { return (brain & 0x7FFFU) > 0x7F80U; }

TEST(FloatConvert, every_f16_decodes_as_pytorch_has_it) {
  const auto file = test::parse_file(test::read_fixture("numerics/f16_decode.safetensors"));
  const auto expected = elements<uint32_t>(file.tensors.at("f16_to_f32_bits"));
  ASSERT_EQ(expected.size(), 65536U);
  for (uint32_t half = 0; half < 65536; ++half) {
    const float value = f16_to_f32(static_cast<uint16_t>(half));
    if (is_f16_nan(static_cast<uint16_t>(half))) {
      ASSERT_TRUE(std::isnan(value)) << half;
    } else {
      ASSERT_EQ(bits_of(value), expected[half]) << half;
    }
  }
}

TEST(FloatConvert, every_f16_and_bf16_survives_a_round_trip) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto half = static_cast<uint16_t>(i);
    if (is_f16_nan(half)) {
      ASSERT_EQ(f32_to_f16(f16_to_f32(half)), (half & 0x8000U) | 0x7E00U) << i;
    } else {
      ASSERT_EQ(f32_to_f16(f16_to_f32(half)), half) << i;
    }
    if (is_bf16_nan(half)) {
      ASSERT_EQ(f32_to_bf16(bf16_to_f32(half)), (half & 0x8000U) | 0x7FC0U) << i;
    } else {
      ASSERT_EQ(f32_to_bf16(bf16_to_f32(half)), half) << i;
    }
  }
}

TEST(FloatConvert, narrowing_f32_is_what_pytorch_does) {
  const auto file = test::parse_file(test::read_fixture("numerics/f32_to_narrow.safetensors"));
  const auto x = elements<float>(file.tensors.at("x"));
  const auto f16 = elements<uint16_t>(file.tensors.at("f16"));
  const auto bf16 = elements<uint16_t>(file.tensors.at("bf16"));
  ASSERT_GT(x.size(), 10'000U);
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      EXPECT_TRUE(is_f16_nan(f32_to_f16(x[i]))) << i;
      EXPECT_TRUE(is_bf16_nan(f32_to_bf16(x[i]))) << i;
    } else {
      ASSERT_EQ(f32_to_f16(x[i]), f16[i]) << x[i];
      ASSERT_EQ(f32_to_bf16(x[i]), bf16[i]) << x[i];
    }
  }
}

TEST(FloatConvert, narrowing_f64_goes_through_f32_as_in_pytorch) {
  const auto file = test::parse_file(test::read_fixture("numerics/f64_to_narrow.safetensors"));
  const auto &x = file.tensors.at("x");
  const auto f32 = elements<float>(file.tensors.at("f32"));
  const auto f16 = elements<uint16_t>(file.tensors.at("f16"));
  const auto bf16 = elements<uint16_t>(file.tensors.at("bf16"));
  std::vector<float> decoded(f32.size());
  quant::decode_f64(x.bytes.data(), decoded.size(), decoded.data());
  for (size_t i = 0; i < f32.size(); ++i) {
    if (std::isnan(f32[i])) {
      EXPECT_TRUE(std::isnan(decoded[i])) << i;
      continue;
    }
    ASSERT_EQ(bits_of(decoded[i]), bits_of(f32[i])) << i;
    ASSERT_EQ(f32_to_f16(decoded[i]), f16[i]) << i;
    ASSERT_EQ(f32_to_bf16(decoded[i]), bf16[i]) << i;
  }
}

TEST(FloatConvert, every_f8_decodes_as_pytorch_has_it) {
  const auto file = test::parse_file(test::read_fixture("numerics/fp8_decode_tables.safetensors"));
  const auto e4m3 = elements<float>(file.tensors.at("float8_e4m3fn_to_f32"));
  const auto e5m2 = elements<float>(file.tensors.at("float8_e5m2_to_f32"));
  for (uint32_t code = 0; code < 256; ++code) {
    const auto byte = static_cast<uint8_t>(code);
    if (std::isnan(e4m3[code])) {
      EXPECT_TRUE(std::isnan(f8_e4m3_to_f32(byte))) << code;
    } else {
      EXPECT_EQ(bits_of(f8_e4m3_to_f32(byte)), bits_of(e4m3[code])) << code;
    }
    if (std::isnan(e5m2[code])) {
      EXPECT_TRUE(std::isnan(f8_e5m2_to_f32(byte))) << code;
    } else {
      EXPECT_EQ(bits_of(f8_e5m2_to_f32(byte)), bits_of(e5m2[code])) << code;
    }
  }
}

TEST(FloatConvert, narrowing_rounds_half_to_even_between_all_neighbours) {
  for (uint32_t i = 0; i < 0x7BFF; ++i) { // finite halves and the next larger ones
    const auto half = static_cast<uint16_t>(i);
    const float low = f16_to_f32(half);
    const float high = f16_to_f32(static_cast<uint16_t>(half + 1));
    const float middle = (low + high) / 2;
    ASSERT_EQ(f32_to_f16(middle), i % 2 == 0 ? half : half + 1) << i;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0F)), half) << i;
    ASSERT_EQ(f32_to_f16(-std::nextafter(middle, 1e9F)), 0x8000U | (i + 1)) << i;
  }
  for (uint32_t i = 0; i < 0x7F7F; ++i) {
    const uint32_t middle = (i << 16U) | 0x8000U;
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(middle)), i + i % 2) << i;
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(middle - 1)), i) << i;
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(middle + 1)), i + 1) << i;
  }
}

TEST(FloatConvert, overflow_begins_half_a_step_beyond_the_largest_value) {
  EXPECT_EQ(f32_to_f16(std::nextafter(65520.0F, 0.0F)), 0x7BFFU);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7C00U);
  EXPECT_EQ(f32_to_f16(-65520.0F), 0xFC00U);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x7F7F7FFFU)), 0x7F7FU);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x7F7F8000U)), 0x7F80U);
}

} // namespace
} // namespace monoquant
