#include "monoquant/run/layer_inputs.h"

#include <algorithm>
#include <cmath>

#include "monoquant/base/checked.h"
#include "monoquant/execute/patches.h"

namespace monoquant::run {

using execute::Inputs;
using execute::most_samples;

LayerInputs::LayerInputs(const LayerSpec &layer, const catalog::Catalog *data)
    : layer_(layer), data_(data) {
  if (auto begun = begin(); !begun) {
    error_ = begun.error();
  }
}

Result<void> LayerInputs::begin() {
  const LayerMatrix &matrix = layer_.matrices[0];
  shape_ = {matrix.rows, matrix.columns, matrix.group(), 1};
  if (layer_.form == LayerForm::kConvolution) {
    channels_ = layer_.batches.empty() ? 0 : layer_.batches[0].shape.channels;
    auto shape = execute::linear_shape({matrix.weight->shape, channels_}, matrix.group());
    if (!shape) {
      return shape.error();
    }
    shape_ = shape.value();
  }
  const uint64_t width =
      checked_mul(shape_.columns, shape_.channel_groups).value_or(execute::kMostInputValues + 1);
  auto inputs = Inputs::of_width(width);
  if (!inputs) {
    return inputs.error();
  }
  inputs_ = std::move(inputs.value());
  return {};
}

/// Of linear layers. How large inputs are matters to a stored scale: then how many they were has to be known, too.
bool LayerInputs::uses_statistics() const {
  const auto is_readable = [&](const std::optional<calibration::StatisticPart> &part) {
    return part && dtype_is_quantizable(data_->tensors[part->tensor].dtype);
  };
  return layer_.form == LayerForm::kLinear && layer_.batches.empty() &&
         is_readable(layer_.squares) && layer_.squares->count == inputs_->width() &&
         (layer_.mode != execute::ActivationMode::kStatic || is_readable(layer_.counts));
}

/// The squares, and then the number.
std::optional<ElementRange> LayerInputs::next_statistic() const {
  const bool wants_counts =
      layer_.counts && dtype_is_quantizable(data_->tensors[layer_.counts->tensor].dtype);
  const size_t read = batch_; // so far
  if (read > (wants_counts ? 1U : 0U)) {
    return std::nullopt;
  }
  const calibration::StatisticPart &part = read == 0 ? *layer_.squares : *layer_.counts;
  return ElementRange{2, &data_->tensors[part.tensor], part.first, part.first + part.count};
}

std::optional<ElementRange> LayerInputs::next() {
  if (error_) {
    return std::nullopt;
  }
  if (uses_statistics()) {
    return next_statistic();
  }
  if (is_recurrent()) {
    return next_sequence();
  }
  return layer_.form == LayerForm::kConvolution ? next_images() : next_rows();
}

/// The first rows of each batch, until there are enough.
std::optional<ElementRange> LayerInputs::next_rows() {
  if (inputs_->is_full() || batch_ == std::min(layer_.batches.size(), execute::kMostSamples)) {
    return std::nullopt;
  }
  const uint64_t wanted = most_samples(inputs_->width()) - inputs_->samples();
  const uint64_t rows = std::min<uint64_t>(captured().elements / inputs_->width(), wanted);
  return ElementRange{2, &captured(), 0, rows * inputs_->width()};
}

/// The first images of the first batches.
std::optional<ElementRange> LayerInputs::next_images() {
  const size_t batches = std::min(layer_.batches.size(), kMostImageBatches);
  while (batch_ < batches && !inputs_->is_full()) {
    const calibration::BatchShape &shape = layer_.batches[batch_].shape;
    const uint64_t one = shape.channels * shape.inner; // divides the elements of the tensor
    const uint64_t patches =
        divide_up(most_samples(inputs_->width()) - inputs_->samples(), batches - batch_);
    images_ = std::min({captured().elements / one, patches, kMostImageValues / one});
    if (images_ > 0) {
      return ElementRange{2, &captured(), 0, images_ * one};
    }
    ++batch_; // an image that is too large
  }
  return std::nullopt;
}

/// The first steps of each sequence: the values along the last dimension but one, as they lie.
std::optional<ElementRange> LayerInputs::next_sequence() {
  const uint64_t width = inputs_->width();
  for (; batch_ < layer_.batches.size() && tries_ < execute::kMostSamples;
       ++batch_, position_ = 0) {
    const std::vector<uint64_t> &shape = captured().shape;
    const uint64_t length = shape.size() < 2 ? 1 : shape[shape.size() - 2];
    if (steps_ == 0) {
      steps_ = static_cast<size_t>(std::min<uint64_t>({length, kMostSteps, most_samples(width)}));
    }
    const size_t most = std::min(kMostSequences, most_samples(width) / steps_);
    if (sequences_ == most) {
      return std::nullopt;
    }
    if (length >= steps_ && position_ < captured().elements / width / length) {
      const uint64_t begin = position_ * length * width;
      return ElementRange{2, &captured(), begin, begin + steps_ * width};
    }
  }
  return std::nullopt;
}

Result<void> LayerInputs::take(const Elements &elements) {
  const std::span<const float> values = elements.values;
  if (uses_statistics()) {
    if (batch_++ == 0) {
      squares_.assign(values.begin(), values.end());
    } else {
      counts_ = values[0];
    }
    return {};
  }
  if (is_recurrent()) {
    ++position_;
    ++tries_;
    // A sequence is of use as a whole.
    if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
      return {};
    }
    ++sequences_;
    return inputs_->add(values);
  }
  Result<void> taken =
      layer_.form == LayerForm::kConvolution ? take_images(values) : inputs_->add(values);
  ++batch_;
  return taken;
}

Result<void> LayerInputs::take_images(std::span<const float> values) {
  const size_t batches = std::min(layer_.batches.size(), kMostImageBatches);
  const uint64_t patches =
      divide_up(most_samples(inputs_->width()) - inputs_->samples(), batches - batch_);
  const std::vector<uint64_t> &weight = layer_.matrices[0].weight->shape;
  std::vector<uint64_t> shape = captured().shape;
  if (shape.size() == weight.size()) {
    shape[0] = images_;
  }
  return execute::add_patches(values, shape, {weight, channels_}, captured().name,
                              static_cast<size_t>(patches), *inputs_);
}

Result<Inputs> LayerInputs::finish() {
  if (error_) {
    return *error_;
  }
  if (inputs_->samples() > 0) {
    kind_ = "captured";
    return std::move(*inputs_);
  }
  const uint64_t width = inputs_->width();
  size_t samples = most_samples(width);
  if (is_recurrent()) {
    steps_ = std::min(kMostSteps, samples);
    sequences_ = std::min(kMostSequences, samples / steps_);
    samples = steps_ * sequences_;
  }
  Result<Inputs> seeded = Inputs::seeded(layer_.name(), width, samples);
  if (seeded && !squares_.empty() && counts_ > 0) {
    kind_ = "statistics";
    for (float &square : squares_) {
      const float mean = square / counts_;
      square = std::isfinite(mean) && mean > 0 ? std::sqrt(mean) : 0.0F;
    }
    seeded.value().scale(squares_);
  }
  return seeded;
}

} // namespace monoquant::run
