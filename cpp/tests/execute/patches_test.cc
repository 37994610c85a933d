#include "monoquant/execute/patches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "support/random.h"

namespace monoquant::execute {
namespace {

using Shape = std::vector<uint64_t>;

/// Multiples of 1/4 and 1/8, so that sums are exact.
std::vector<float> sample_values(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = (static_cast<float>(7 * i % 11) - 5.0F) / 4.0F;
  }
  return values;
}

std::vector<float> sample_weights(size_t count) {
  std::vector<float> weights(count);
  for (size_t i = 0; i < count; ++i) {
    weights[i] = (static_cast<float>(5 * i % 13) - 6.0F) / 8.0F;
  }
  return weights;
}

/// Outputs of the float layer at all places: [places][out].
std::vector<std::vector<double>> convolve(const Shape &weight_shape, const Shape &shape) {
  size_t count = 1;
  for (const uint64_t extent : shape) {
    count *= static_cast<size_t>(extent);
  }
  const bool is_batched = shape.size() == weight_shape.size();
  const Convolution convolution{weight_shape, shape[is_batched ? 1 : 0]};
  const LinearShape linear = linear_shape(convolution, 0).value();
  const auto columns = static_cast<size_t>(linear.columns);
  Inputs inputs = Inputs::of_width(columns * linear.channel_groups).value();
  const std::vector<float> values = sample_values(count);
  EXPECT_TRUE(add_patches(values, shape, convolution, "conv", 64, inputs).has_value());
  LinearRun run = LinearRun::begin(inputs, linear, {ActivationMode::kWeightsOnly}).value();
  const std::vector<float> weights = sample_weights(static_cast<size_t>(linear.rows) * columns);
  const std::vector<int8_t> codes(columns);
  const float scale[] = {1};
  std::vector<std::vector<double>> outputs(inputs.samples());
  for (size_t row = 0; row < linear.rows; ++row) {
    const std::span<const float> weight = std::span(weights).subspan(row * columns, columns);
    EXPECT_TRUE(run.add_rows({weight, {codes, scale, {}}, {}}).has_value());
    for (size_t s = 0; s < outputs.size(); ++s) {
      outputs[s].push_back(run.reference_outputs()[s]);
    }
  }
  return outputs;
}

// The numbers below are torch 1.13's nn.functional.conv1d, conv2d and conv3d of these values and weights, exact in
// f32.

TEST(Patches, give_the_outputs_of_a_grouped_2d_convolution) {
  const double expected[2][4][4] = {{{0.6875, 1.625, 1.6875, -1.5},
                                     {1.4375, -2.375, -2.46875, 0.25},
                                     {1.84375, -2.34375, -2.1875, 0.84375},
                                     {-3.96875, 2.21875, 2.21875, 0.5}},
                                    {{1.6875, -1.5, 2.34375, -0.84375},
                                     {-2.46875, 0.25, 0.5, -1.25},
                                     {-2.1875, 0.84375, 0.65625, -1.46875},
                                     {2.21875, 0.5, -1.5625, 0.5}}};
  const auto outputs = convolve({4, 2, 2, 3}, {2, 4, 3, 4}); // groups = 2
  ASSERT_EQ(outputs.size(), 8U);
  for (size_t s = 0; s < 8; ++s) {
    for (size_t row = 0; row < 4; ++row) {
      EXPECT_EQ(outputs[s][row], expected[s / 4][row][s % 4]) << s << ' ' << row;
    }
  }
}

TEST(Patches, of_an_input_that_is_smaller_than_the_kernel_are_filled_with_zeros) {
  // padding = 1 on both sides: 3 values under a kernel of 5.
  const auto outputs = convolve({2, 2, 5}, {1, 2, 3});
  EXPECT_EQ(outputs, (std::vector<std::vector<double>>{{0.90625, -0.1875}}));
  // An odd zero goes to the end.
  const Shape weight{1, 1, 4};
  Inputs inputs = Inputs::of_width(4).value();
  const float one[] = {5};
  ASSERT_TRUE(add_patches(one, Shape{1, 1}, {weight, 1}, "conv", 64, inputs).has_value());
  EXPECT_EQ(std::vector<float>(inputs.values().begin(), inputs.values().end()),
            (std::vector<float>{0, 5, 0, 0}));
}

TEST(Patches, give_the_outputs_of_a_3d_convolution_with_and_without_a_batch) {
  const std::vector<std::vector<double>> expected{{0.65625}, {0.75}};
  EXPECT_EQ(convolve({1, 1, 2, 2, 2}, {1, 1, 2, 3, 2}), expected);
  EXPECT_EQ(convolve({1, 1, 2, 2, 2}, {1, 2, 3, 2}), expected);
}

TEST(Patches, lie_inside_and_are_found_in_the_input) {
  // Every value tells its place: image, channel, row, column.
  constexpr uint64_t kImages = 3;
  constexpr uint64_t kChannels = 2;
  constexpr uint64_t kHeight = 9;
  constexpr uint64_t kWidth = 8;
  std::vector<float> values(kImages * kChannels * kHeight * kWidth);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i);
  }
  const Shape weight{4, kChannels, 3, 2};
  Inputs inputs = Inputs::of_width(kChannels * 6).value();
  ASSERT_TRUE(add_patches(values, Shape{kImages, kChannels, kHeight, kWidth}, {weight, kChannels},
                          "conv", 20, inputs)
                  .has_value());
  ASSERT_EQ(inputs.samples(), 20U);
  float last = -1;
  for (size_t s = 0; s < 20; ++s) {
    const std::span<const float> patch = inputs.sample(s);
    const auto origin = static_cast<size_t>(patch[0]);
    EXPECT_GT(patch[0], last); // another place each
    last = patch[0];
    EXPECT_LE(origin % kWidth, kWidth - 2);
    EXPECT_LE(origin / kWidth % kHeight, kHeight - 3);
    EXPECT_EQ(origin / kWidth / kHeight % kChannels, 0U);
    size_t i = 0;
    for (size_t channel = 0; channel < kChannels; ++channel) {
      for (size_t y = 0; y < 3; ++y) {
        for (size_t x = 0; x < 2; ++x) {
          EXPECT_EQ(patch[i++], static_cast<float>(origin + (channel * kHeight + y) * kWidth + x));
        }
      }
    }
  }
}

TEST(Patches, of_several_captures_add_up_and_leave_nan_out) {
  const Shape weight{1, 1, 2};
  Inputs inputs = Inputs::of_width(2).value();
  const float first[] = {1, 2, 3};
  const float second[] = {4, std::numeric_limits<float>::quiet_NaN(), 5, 6};
  ASSERT_TRUE(add_patches(first, Shape{1, 1, 3}, {weight, 1}, "conv", 64, inputs).has_value());
  ASSERT_TRUE(add_patches(second, Shape{1, 1, 4}, {weight, 1}, "conv", 64, inputs).has_value());
  EXPECT_EQ(std::vector<float>(inputs.values().begin(), inputs.values().end()),
            (std::vector<float>{1, 2, 2, 3, 5, 6}));
  EXPECT_EQ(inputs.left_out(), 2U);
  ASSERT_TRUE(add_patches({}, Shape{0, 1, 4}, {weight, 1}, "conv", 64, inputs).has_value());
  EXPECT_EQ(inputs.samples(), 3U);
}

TEST(LinearShapeOfConvolution, follows_from_weight_and_channels) {
  const Shape depthwise{8, 1, 3, 3};
  const LinearShape known = linear_shape({depthwise, 8}, 0).value();
  EXPECT_EQ(known.rows, 8U);
  EXPECT_EQ(known.columns, 9U);
  EXPECT_EQ(known.channel_groups, 8U);
  EXPECT_EQ(linear_shape({depthwise, 0}, 0).value().channel_groups, 1U);
  EXPECT_EQ(linear_shape({depthwise, 4}, 9).value().channel_groups, 4U);
  EXPECT_EQ(linear_shape({depthwise, 4}, 9).value().group_size, 9U);
  EXPECT_FALSE(linear_shape({depthwise, 3}, 0).has_value()); // 8 outputs in 3 groups
  EXPECT_FALSE(linear_shape({Shape{8, 2, 3}, 5}, 0).has_value());
}

TEST(Patches, refuse_what_is_no_convolution) {
  EXPECT_FALSE(linear_shape({Shape{8, 4}, 4}, 0).has_value());
  EXPECT_FALSE(linear_shape({Shape{8, 4, 1, 1, 1, 1}, 4}, 0).has_value());
  EXPECT_FALSE(linear_shape({Shape{8, 0, 3}, 0}, 0).has_value());
  EXPECT_FALSE(linear_shape({Shape{8, 1ULL << 63U, 3}, 0}, 0).has_value());
  const Shape weight{1, 2, 3};
  const std::vector<float> values(12);
  const auto adds = [&](const Shape &shape, size_t width, const Shape &of) {
    Inputs inputs = Inputs::of_width(width).value();
    return add_patches(values, shape, {of, 2}, "conv", 64, inputs).has_value();
  };
  EXPECT_TRUE(adds({1, 2, 6}, 6, weight));
  EXPECT_TRUE(adds({2, 6}, 6, weight));
  EXPECT_FALSE(adds({12}, 6, weight));
  EXPECT_FALSE(adds({1, 2, 3, 2}, 6, weight));
  EXPECT_FALSE(adds({1, 2, 5}, 6, weight)); // not as many values
  EXPECT_FALSE(adds({1, 3, 4}, 6, weight)); // 3 channels
  EXPECT_FALSE(adds({1, 2, 6}, 7, weight)); // no whole patches
  EXPECT_FALSE(adds({1, 2, 6}, 6, {2, 3}));
}

} // namespace
} // namespace monoquant::execute
