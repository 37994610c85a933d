// Cuts samples for a convolution out of its captured input: what its kernel sees at some places.
// It exists because a convolution is a linear layer over such patches, whatever its stride and dilation.
// Places follow from the layer's name and the input's shape alone.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "monoquant/base/result.h"
#include "monoquant/execute/inputs.h"
#include "monoquant/execute/linear_run.h"

namespace monoquant::execute {

/// How a weight [out, in / groups, kernel…] of rank 3 to 5 (1-d, 2-d, 3-d) meets an input.
struct Convolution {
  std::span<const uint64_t> weight_shape;
  uint64_t channels = 0; // of the input; 0: unknown, taken for in / groups (a single group)
};

/// The linear layer that a convolution is: rows = out, columns = in / groups * kernel…, channel_groups = channels /
/// (in / groups). `group_size`: columns that share a scale, as in LinearShape. An error where the channels do not
/// divide, or the shape is none of a convolution. Give seeded inputs columns * channel_groups values a sample; where
/// the channels are unknown, all outputs see the same patch, which is as good a sample.
Result<LinearShape> linear_shape(const Convolution &convolution, uint64_t group_size);

/// Adds `count` patches (fewer where the input has fewer places, or `inputs` gets full) of one captured tensor
/// [N, C, size…] or, unbatched, [C, size…] to `inputs`, whose width must be C * kernel…. A patch is laid out as
/// [C, kernel…], so that each group of channels is a contiguous part of it, in the order of the weight's columns.
///
/// Stride, padding and dilation cannot be seen in weights: patches lie at any place (stride 1), wholly inside
/// (no padding), next to each other (no dilation). Along an axis on which the input is smaller than the kernel it
/// stands in the middle of zeros: (kernel - size) / 2 of them, rounded down, before it.
Result<void> add_patches(std::span<const float> values, std::span<const uint64_t> shape,
                         const Convolution &convolution, std::string_view layer, size_t count,
                         Inputs &inputs);

} // namespace monoquant::execute
