#include "monoquant/quant/output_errors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "monoquant/quant/search.h"
#include "support/random.h"

namespace monoquant::quant {
namespace {

using test::Random;

TEST(OutputErrors, are_weighted_sums_over_what_codes_stand_for) {
  Random random(81);
  for (const bool symmetric : {true, false}) {
    Scheme scheme;
    scheme.bits = 4;
    scheme.symmetric = symmetric;
    scheme.strategy = Strategy::kGroup;
    scheme.group_size = 16;
    scheme.signed_scales = symmetric;
    std::vector<float> values(48);
    std::vector<float> importance(48);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = random.weight();
      importance[i] = static_cast<float>(random.index(100)) / 50;
    }
    std::vector<float> scales(3);
    std::vector<int32_t> zero_points(3);
    const QparamsArrays qparams{scales, zero_points};
    double signal = 0;
    double noise = 0;
    for (size_t scope = 0; scope < 3; ++scope) {
      const auto some = std::span(values).subspan(scope * 16, 16);
      const Qparams chosen = search_qparams(some, {}, scheme, scalar_kernels());
      qparams.set(scope, chosen);
      for (size_t i = scope * 16; i < scope * 16 + 16; ++i) {
        // The nearest of all codes.
        double least = INFINITY;
        for (int32_t code = scheme.lowest(); code <= scheme.highest(); ++code) {
          const double error = static_cast<double>(values[i]) -
                               static_cast<double>(chosen.scale) * (code - chosen.zero_point);
          least = std::min(least, error * error);
        }
        noise += least * static_cast<double>(importance[i]);
        signal += static_cast<double>(importance[i]) * static_cast<double>(values[i]) *
                  static_cast<double>(values[i]);
      }
    }
    const OutputErrors found = output_errors(values, 16, 3, scheme, qparams, importance);
    EXPECT_NEAR(found.signal / signal, 1, 1e-6);
    EXPECT_NEAR(found.noise / noise, 1, 1e-4);
  }
}

} // namespace
} // namespace monoquant::quant
