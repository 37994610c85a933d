#include "monoquant/plan/bias_correction.h"

#include <cmath>
#include <limits>

#include "monoquant/calibration/layers.h"

namespace monoquant::plan {
namespace {

using catalog::LayerKind;
using catalog::Tensor;

/// Whether rows are outputs, and columns what the input of the module is multiplied with.
bool has_rows_of_outputs(const Tensor &weight, const layout::Stored &stored) {
  const bool is_transposed =
      weight.kind == LayerKind::kConvTranspose || weight.kind == LayerKind::kGpt2Conv1d;
  return weight.name.ends_with(".weight") && calibration::takes_module_input(weight) &&
         !is_transposed && !stored.blocks && stored.matrices == 1 && stored.scheme.rotation == 0 &&
         stored.rows == weight.shape[0] && stored.rows <= kMostCorrectedRows &&
         stored.rows * stored.columns == weight.elements;
}

bool has_correctable_type(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16;
}

} // namespace

BiasCorrector::BiasCorrector(Plan &plan) : plan_(plan) {
  const std::vector<Tensor> &tensors = plan.catalog->tensors;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name.ends_with(".bias")) {
      biases_.emplace(catalog::module_name(tensors[i].name), i);
    }
    if (tensors[i].tied_to) {
      shared_.insert(*tensors[i].tied_to);
    }
  }
}

std::optional<size_t> BiasCorrector::bias_of(size_t weight) const {
  const Tensor &tensor = plan_.catalog->tensors[weight];
  const Quantize *quantize = plan_.tensors[weight].quantize();
  if (quantize == nullptr || !has_rows_of_outputs(tensor, quantize->stored)) {
    return std::nullopt;
  }
  const auto found = biases_.find(catalog::module_name(tensor.name));
  if (found == biases_.end()) {
    return std::nullopt;
  }
  const Tensor &bias = plan_.catalog->tensors[found->second];
  const bool is_alone = !bias.tied_to && !shared_.contains(found->second);
  if (bias.shape != std::vector<uint64_t>{quantize->stored.rows} || bias.codes || !is_alone ||
      !has_correctable_type(bias.dtype) ||
      plan_.tensors[found->second].decision() != Decision::kCopy) {
    return std::nullopt;
  }
  return found->second;
}

bool BiasCorrector::correct(size_t weight, size_t bias,
                            const calibration::ModuleStatistics &statistics) {
  Quantize &quantize = *plan_.tensors[weight].quantize();
  const uint64_t width = plan_.catalog->tensors[weight].shape[1]; // channels of one group
  const uint64_t channels = statistics.sums.size();
  if (channels == 0 || statistics.per_channel == 0 || statistics.lacks.sums ||
      statistics.lacks.counts || width == 0 || channels % width != 0 ||
      quantize.stored.columns % width != 0 || quantize.stored.rows % (channels / width) != 0) {
    return false;
  }
  const auto kernel = static_cast<size_t>(quantize.stored.columns / width);
  std::vector<float> means;
  means.reserve(static_cast<size_t>(channels) * kernel);
  for (const double sum : statistics.sums) {
    const double mean = sum / static_cast<double>(statistics.per_channel);
    if (!(std::fabs(mean) <= static_cast<double>(std::numeric_limits<float>::max()))) {
      return false;
    }
    means.insert(means.end(), kernel, static_cast<float>(mean));
  }
  quantize.correction =
      BiasCorrection{bias, std::make_shared<const std::vector<float>>(std::move(means)),
                     quantize.stored.rows / (channels / width)};
  TensorPlan &corrected = plan_.tensors[bias];
  corrected.action = Correct{weight};
  corrected.reason = Reason::kRequested;
  corrected.explanation = "takes back what codes of its weight do to the mean of its outputs";
  return true;
}

} // namespace monoquant::plan
