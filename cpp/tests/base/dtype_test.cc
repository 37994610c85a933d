#include "monoquant/base/dtype.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace monoquant {
namespace {

TEST(Dtype, all_names_in_the_formats_order_with_their_widths) {
  const std::vector<std::pair<std::string_view, uint32_t>> expected = {
      {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
      {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
      {"I64", 64},        {"U64", 64},    {"C32", 32},    {"C128", 128}};
  ASSERT_EQ(expected.size(), static_cast<size_t>(kDtypeCount));
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    EXPECT_EQ(dtype_name(dtype), expected[i].first);
    EXPECT_EQ(dtype_bits(dtype), expected[i].second) << expected[i].first;
    EXPECT_EQ(dtype_from_name(expected[i].first), dtype) << expected[i].first;
    EXPECT_EQ(dtype_is_in_safetensors(dtype), i < 22) << expected[i].first;
  }
}

TEST(Dtype, names_are_case_sensitive_and_closed) {
  for (const std::string_view name : {"f32", "F32 ", "", "I4", "C16", "BF16\n", "FLOAT"}) {
    EXPECT_EQ(dtype_from_name(name), std::nullopt) << name;
  }
}

TEST(Dtype, quantizable_are_the_floats_that_can_be_decoded) {
  const std::set<std::string_view> expected = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"};
  for (int i = 0; i < kDtypeCount; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    EXPECT_EQ(dtype_is_quantizable(dtype), expected.contains(dtype_name(dtype)))
        << dtype_name(dtype);
  }
}

} // namespace
} // namespace monoquant
