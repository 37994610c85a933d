#include "monoquant/execute/products.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace monoquant::execute {
namespace {

TEST(Products, of_integers_are_exact_at_every_block) {
  for (const size_t count :
       std::initializer_list<size_t>{0, 1, 32767, 32768, 32769, 65536, 65537, 200'000}) {
    const std::vector<int16_t> low(count, -255);
    const std::vector<int16_t> high(count, 255);
    const auto n = static_cast<int64_t>(count);
    EXPECT_EQ(dot(low.data(), low.data(), count), 65025 * n);
    EXPECT_EQ(dot(low.data(), high.data(), count), -65025 * n);
  }
}

TEST(Products, of_floats_are_added_from_the_first_column_to_the_last) {
  // 2^53 + 1 is not a number of f64: in any other order the ones would count.
  const float values[] = {0x1p53F, 1, 1, -0x1p53F};
  const float weights[] = {1, 1, 1, 1};
  for (size_t samples = 1; samples <= 17; ++samples) {
    std::vector<float> all;
    for (size_t s = 0; s < samples; ++s) {
      all.insert(all.end(), values, values + 4);
    }
    std::vector<double> sums(samples, -1);
    FloatSamples(all, 4).multiply(weights, 0, sums);
    EXPECT_EQ(sums, std::vector<double>(samples, 0.0));
    FloatSamples(all, 4).multiply(std::span(weights).first(2), 1, sums);
    EXPECT_EQ(sums, std::vector<double>(samples, 2.0));
  }
}

} // namespace
} // namespace monoquant::execute
