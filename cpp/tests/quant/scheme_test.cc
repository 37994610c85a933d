#include "monoquant/quant/scheme.h"

#include <gtest/gtest.h>

namespace monoquant::quant {
namespace {

TEST(Scheme, codes_are_all_that_the_width_holds) {
  Scheme scheme;
  scheme.bits = 8;
  EXPECT_EQ(scheme.lowest(), -128);
  EXPECT_EQ(scheme.highest(), 127);
  scheme.bits = 4;
  EXPECT_EQ(scheme.lowest(), -8);
  EXPECT_EQ(scheme.highest(), 7);
}

} // namespace
} // namespace monoquant::quant
