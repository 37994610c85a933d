#include "monoquant/execute/smooth.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/not_finite.h"
#include "support/random.h"

namespace monoquant::execute {
namespace {

using test::kInfinity;
using test::kNan;

// What std's own functions may be wrong by, in long double: nothing that counts here.
constexpr double kExponentialBound = 0x1p-51;
constexpr double kLogisticBound = 0x1p-50;
constexpr double kTangentBound = 0x1p-49;

double relative_error(double value, long double expected) {
  return static_cast<double>(std::fabs(static_cast<long double>(value) - expected) /
                             std::fabs(expected));
}

void check(double x) {
  const long double exact = x;
  EXPECT_LE(relative_error(exponential(x), std::exp(exact)), kExponentialBound) << x;
  EXPECT_LE(relative_error(logistic(x), 1 / (1 + std::exp(-exact))), kLogisticBound) << x;
  if (x != 0) {
    EXPECT_LE(relative_error(hyperbolic_tangent(x), std::tanh(exact)), kTangentBound) << x;
  }
}

TEST(Smooth, functions_are_as_exact_as_they_say) {
  for (int i = -7000; i <= 7000; ++i) {
    check(i / 10.0);
    check(i / 700.0); // and between the places where the series changes
    check(i / 20000.0);
  }
  test::Random random(21);
  for (int i = 0; i < 100'000; ++i) {
    const double unit = static_cast<double>(static_cast<int64_t>(random.bits())) * 0x1p-63;
    check(unit * 20);
    check(std::ldexp(unit, -static_cast<int>(random.below(60))));
  }
}

TEST(Smooth, functions_have_their_values_at_zero_and_far_out) {
  EXPECT_EQ(exponential(0), 1);
  EXPECT_EQ(logistic(0), 0.5);
  EXPECT_EQ(hyperbolic_tangent(0.0), 0.0);
  EXPECT_TRUE(std::signbit(hyperbolic_tangent(-0.0)));
  EXPECT_EQ(exponential(-709), 0);
  EXPECT_EQ(exponential(710), kInfinity);
  for (const double far : {1e3, 1e300, double{kInfinity}}) {
    EXPECT_EQ(exponential(far), kInfinity);
    EXPECT_EQ(exponential(-far), 0);
    EXPECT_EQ(logistic(far), 1);
    EXPECT_EQ(logistic(-far), 0);
    EXPECT_EQ(hyperbolic_tangent(far), 1);
    EXPECT_EQ(hyperbolic_tangent(-far), -1);
  }
  EXPECT_TRUE(std::isnan(exponential(kNan)));
  EXPECT_TRUE(std::isnan(logistic(kNan)));
  EXPECT_TRUE(std::isnan(hyperbolic_tangent(kNan)));
}

} // namespace
} // namespace monoquant::execute
