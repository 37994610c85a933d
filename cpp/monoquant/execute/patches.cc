#include "monoquant/execute/patches.h"

#include <algorithm>
#include <vector>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"

namespace monoquant::execute {
namespace {

constexpr size_t kAxes = 3; // depth, height, width; missing ones are 1 long

struct Axis {
  uint64_t size = 1;   // of the input
  uint64_t kernel = 1; // of the weight

  [[nodiscard]] uint64_t places() const { return size < kernel ? 1 : size - kernel + 1; }
  [[nodiscard]] uint64_t zeros_before() const { return size < kernel ? (kernel - size) / 2 : 0; }
};

/// A captured tensor as [images, channels, axes].
struct Images {
  uint64_t images = 1;
  uint64_t channels = 0;
  Axis axes[kAxes];

  [[nodiscard]] uint64_t channel_size() const { return axes[0].size * axes[1].size * axes[2].size; }
  [[nodiscard]] uint64_t kernel_size() const {
    return axes[0].kernel * axes[1].kernel * axes[2].kernel;
  }
  [[nodiscard]] uint64_t places() const {
    return axes[0].places() * axes[1].places() * axes[2].places();
  }
};

Error wrong_input(std::string message) {
  return {ErrorCode::kInvalidOptions,
          std::move(message),
          "Check that the captured activations are the inputs of this layer.",
          {},
          {}};
}

bool is_convolution(std::span<const uint64_t> weight_shape) {
  return weight_shape.size() >= 3 && weight_shape.size() <= 2 + kAxes &&
         checked_product(weight_shape).value_or(0) != 0;
}

Error no_convolution(std::span<const uint64_t> weight_shape) {
  return {ErrorCode::kInvalidOptions,
          concat("Expected the weight of a convolution with 3 to ", 2 + kAxes,
                 " dimensions, found ", shape_text(weight_shape), "."),
          "Leave this layer out of the run.",
          {},
          {}};
}

Result<Images> images_of(std::span<const float> values, std::span<const uint64_t> shape,
                         std::span<const uint64_t> weight_shape) {
  const size_t axes = weight_shape.size() - 2;
  if (shape.size() != axes + 1 && shape.size() != axes + 2) {
    return wrong_input(concat("Expected captured inputs of a convolution with ", axes + 1, " or ",
                              axes + 2, " dimensions, found ", shape_text(shape), "."));
  }
  if (checked_product(shape) != values.size()) {
    return Error{ErrorCode::kInternal,
                 concat("Expected the values of captured inputs of ", shape_text(shape), ", found ",
                        values.size(), " values."),
                 {},
                 {},
                 {}};
  }
  Images images;
  if (shape.size() == axes + 2) {
    images.images = shape[0];
    shape = shape.subspan(1);
  }
  images.channels = shape[0];
  for (size_t i = 0; i < axes; ++i) {
    images.axes[kAxes - axes + i] = {shape[1 + i], weight_shape[2 + i]};
  }
  return images;
}

/// Copies what the kernel sees of one channel at a place into `to`, which is zero.
void copy_patch(const float *channel, const Images &images, uint64_t place, float *to) {
  const auto &[depth, height, width] = images.axes;
  const uint64_t x = place % width.places();
  const uint64_t y = place / width.places() % height.places();
  const uint64_t z = place / width.places() / height.places();
  for (uint64_t k = 0; k < std::min(depth.kernel, depth.size); ++k) {
    for (uint64_t j = 0; j < std::min(height.kernel, height.size); ++j) {
      const float *from = channel + ((z + k) * height.size + y + j) * width.size + x;
      float *line = to + ((k + depth.zeros_before()) * height.kernel + j + height.zeros_before()) *
                             width.kernel;
      std::copy_n(from, std::min(width.kernel, width.size), line + width.zeros_before());
    }
  }
}

} // namespace

Result<LinearShape> linear_shape(const Convolution &convolution, uint64_t group_size) {
  const std::span<const uint64_t> shape = convolution.weight_shape;
  if (!is_convolution(shape)) {
    return no_convolution(shape);
  }
  const uint64_t channels = convolution.channels == 0 ? shape[1] : convolution.channels;
  if (channels % shape[1] != 0) {
    return wrong_input(concat("Expected a multiple of ", shape[1],
                              " channels in the inputs of a convolution, found ", channels, "."));
  }
  if (shape[0] % (channels / shape[1]) != 0) {
    return wrong_input(concat("Expected channels whose ", channels / shape[1],
                              " groups divide the ", shape[0], " outputs of a convolution, found ",
                              channels, " channels."));
  }
  return LinearShape{shape[0], checked_product(shape.subspan(1)).value_or(0), group_size,
                     channels / shape[1]};
}

Result<void> add_patches(std::span<const float> values, std::span<const uint64_t> shape,
                         const Convolution &convolution, std::string_view layer, size_t count,
                         Inputs &inputs) {
  if (!is_convolution(convolution.weight_shape)) {
    return no_convolution(convolution.weight_shape);
  }
  const Result<Images> found = images_of(values, shape, convolution.weight_shape);
  if (!found) {
    return found.error();
  }
  const Images &images = found.value();
  if (values.empty()) {
    return {};
  }
  const uint64_t kernel_size = images.kernel_size();
  if (inputs.width() % kernel_size != 0 || inputs.width() / kernel_size != images.channels) {
    return wrong_input(concat("Expected captured inputs of a convolution with ",
                              inputs.width() / kernel_size, " channels, found ", images.channels,
                              "."));
  }
  // No overflow: there are no more places than values, which are in memory.
  const uint64_t places = images.places();
  std::vector<float> patch;
  for (const uint64_t position : spread_positions(layer, images.images * places, count)) {
    patch.assign(inputs.width(), 0.0F);
    const float *image =
        values.data() + position / places * images.channels * images.channel_size();
    for (uint64_t channel = 0; channel < images.channels; ++channel) {
      copy_patch(image + channel * images.channel_size(), images, position % places,
                 patch.data() + channel * kernel_size);
    }
    if (const Result<void> added = inputs.add(patch); !added) {
      return added.error();
    }
  }
  return {};
}

} // namespace monoquant::execute
