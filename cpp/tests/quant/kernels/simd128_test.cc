// Only in the program whose SIMD kernels are WebAssembly's, translated by SIMDe.
#include <gtest/gtest.h>

#include "monoquant/quant/kernels/kernels.h"
#include "support/kernel_comparison.h"

namespace monoquant::quant {
namespace {

constexpr auto kToTheBit = test::SumsMatch::kToTheBit;

TEST(SimdKernels, are_what_this_program_runs_on) {
  ASSERT_NE(simd_kernels(), nullptr);
  EXPECT_EQ(&kernels(), simd_kernels());
}

TEST(SimdKernels, decode_the_same_bits_as_scalar_ones) {
  EXPECT_EQ(test::compare_decoding(scalar_kernels(), kernels(), kToTheBit), "");
}

TEST(SimdKernels, measure_the_same_bits_as_scalar_ones) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(test::compare_measuring(scalar_kernels(), kernels(), seed), "");
  }
}

TEST(SimdKernels, make_the_same_codes_and_sums_as_scalar_ones) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    ASSERT_EQ(test::compare_codes(scalar_kernels(), kernels(), seed, kToTheBit), "");
  }
}

TEST(SimdKernels, take_every_half_like_scalar_ones) {
  EXPECT_EQ(test::compare_all_halves(scalar_kernels(), kernels(), kToTheBit), "");
}

TEST(SimdKernels, try_codes_with_the_same_sums_as_scalar_ones) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    ASSERT_EQ(test::compare_searching(scalar_kernels(), kernels(), seed, kToTheBit), "");
  }
}

TEST(SimdKernels, narrow_to_the_same_bits_as_scalar_ones) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    ASSERT_EQ(test::compare_narrowing(scalar_kernels(), kernels(), seed, kToTheBit), "");
  }
}

} // namespace
} // namespace monoquant::quant
