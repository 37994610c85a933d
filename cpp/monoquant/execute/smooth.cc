#include "monoquant/execute/smooth.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace monoquant::execute {
namespace {

constexpr double kSmallest = -708.0;
constexpr double kLargest = 709.0;

constexpr double kLog2E = 0x1.71547652b82fep+0;
// ln 2 in two parts. The first has 32 bits, so that its product with an exponent of f64 is exact.
constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

/// e^r - 1 for |r| <= 0.35: r + r^2/2 + … + r^13/13!. What is left out is below 2^-57 of it.
double small_exponential_less_1(double r) {
  constexpr int kTerms = 13;
  double sum = 0;
  for (int n = kTerms; n >= 2; --n) { // Horner: r/2 (1 + r/3 (1 + … r/13))
    sum = (1.0 + sum) * r / n;
  }
  return r + r * sum;
}

/// e^x - 1 for x from 0 to 709, within a few bits of its size.
double exponential_less_1(double x) {
  constexpr double kSmall = 0.35;
  return x < kSmall ? small_exponential_less_1(x) : exponential(x) - 1.0;
}

} // namespace

double exponential(double x) {
  if (std::isnan(x)) {
    return x;
  }
  if (x < kSmallest) {
    return 0;
  }
  if (x > kLargest) {
    return std::numeric_limits<double>::infinity();
  }
  // x = k ln 2 + r with |r| <= ln(2) / 2 and a bit; e^x = 2^k e^r.
  const double k = std::nearbyint(x * kLog2E);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  constexpr int64_t kBias = 1023;
  constexpr uint32_t kFractionBits = 52;
  // k is -1021 to 1023: 2^k is a normal number.
  const auto exponent = static_cast<uint64_t>(static_cast<int64_t>(k) + kBias);
  return (1.0 + small_exponential_less_1(r)) * std::bit_cast<double>(exponent << kFractionBits);
}

double logistic(double x) {
  // The exponential that does not overflow.
  if (x < 0) {
    const double e = exponential(x);
    return e / (1.0 + e);
  }
  return 1.0 / (1.0 + exponential(-x));
}

double hyperbolic_tangent(double x) {
  constexpr double kFlat = 20.0; // from here on tanh rounds to 1
  const double magnitude = std::abs(x);
  if (magnitude > kFlat) {
    return std::copysign(1.0, x);
  }
  const double e = exponential_less_1(2.0 * magnitude); // tanh |x| = (e^2|x| - 1) / (e^2|x| + 1)
  return std::copysign(e / (e + 2.0), x);
}

} // namespace monoquant::execute
