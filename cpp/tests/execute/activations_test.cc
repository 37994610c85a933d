#include "monoquant/execute/activations.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/random.h"

namespace monoquant::execute {
namespace {

std::vector<int16_t> steps_of(const CodedSamples &samples, size_t sample) {
  const std::span<const int16_t> steps = samples.steps(sample);
  return {steps.begin(), steps.end()};
}

TEST(CodedSamples, dynamic_ones_reach_127_and_have_a_scale_each) {
  const float values[] = {1.0F, -254.0F, 3.0F, 5.0F, /* next */ 0.0F, 0.5F, -0.25F, 0.0F};
  const CodedSamples samples(values, 4, {ActivationMode::kDynamic});
  ASSERT_EQ(samples.samples(), 2U);
  EXPECT_EQ(samples.scale(0), 2.0F);
  EXPECT_EQ(steps_of(samples, 0), (std::vector<int16_t>{0, -127, 2, 2})); // halves to even
  EXPECT_EQ(samples.scale(1), 0.5F / 127.0F);
  EXPECT_EQ(steps_of(samples, 1), (std::vector<int16_t>{0, 127, -64, 0})); // -63.5
}

TEST(CodedSamples, dynamic_ones_err_by_half_a_step_at_most) {
  test::Random random(3);
  for (int round = 0; round < 2000; ++round) {
    float values[16];
    const float size = std::ldexp(1.0F, static_cast<int>(random.below(230)) - 118);
    for (float &value : values) {
      value = random.signed_unit() * size;
    }
    values[random.index(16)] = size; // scales stay normal numbers
    const CodedSamples samples(values, 16, {ActivationMode::kDynamic});
    const double scale = samples.scale(0);
    for (size_t i = 0; i < 16; ++i) {
      const double error = std::abs(scale * samples.steps(0)[i] - static_cast<double>(values[i]));
      EXPECT_LE(error, scale * 0.5001) << round;
    }
  }
}

TEST(CodedSamples, of_zeros_and_of_next_to_nothing_are_zeros) {
  for (const float tiny : {0.0F, std::numeric_limits<float>::denorm_min(), 0x1p-126F}) {
    const float values[] = {tiny, -tiny};
    const CodedSamples samples(values, 2, {ActivationMode::kDynamic});
    EXPECT_EQ(samples.scale(0), 0.0F);
    EXPECT_EQ(steps_of(samples, 0), (std::vector<int16_t>{0, 0}));
  }
  const float most = std::numeric_limits<float>::max();
  const float values[] = {most, -most};
  EXPECT_EQ(steps_of(CodedSamples(values, 2, {ActivationMode::kDynamic}), 0),
            (std::vector<int16_t>{127, -127}));
}

TEST(CodedSamples, static_ones_are_clamped_around_the_zero_point) {
  const float most = std::numeric_limits<float>::max();
  const float values[] = {0.0F, 0.25F, 0.75F, 100.0F, -100.0F, most, -most, -1.25F};
  const CodedSamples samples(values, 8, {ActivationMode::kStatic, 0.5F, 100});
  EXPECT_EQ(samples.scale(0), 0.5F);
  EXPECT_EQ(steps_of(samples, 0), (std::vector<int16_t>{0, 0, 2, 27, -200, 27, -228, -2}));
  // The quotient overflows f32.
  EXPECT_EQ(steps_of(CodedSamples(values, 8, {ActivationMode::kStatic, 0x1p-20F, -128}), 0),
            (std::vector<int16_t>{0, 255, 255, 255, 0, 255, 0, 0}));
}

} // namespace
} // namespace monoquant::execute
