#include "support/given_means.h"

#include "monoquant/calibration/calibration.h"
#include "monoquant/calibration/layers.h"
#include "support/random.h"

namespace monoquant::test {

Json with_means(const catalog::Catalog &model, Json options) {
  constexpr uint64_t kInputs = 2;
  Random random(77);
  calibration::Calibration calibration;
  for (const auto &[name, layer] : calibration::layers_of(model)) {
    calibration::ModuleStatistics &module = calibration.modules[std::string(name)];
    module.samples = kInputs;
    module.per_channel = kInputs;
    const uint64_t channels = layer.width * (layer.is_convolution ? 2 : 1);
    for (uint64_t i = 0; i < channels; ++i) {
      const double mean = static_cast<double>(random.below(3000)) / 1000 - 1;
      module.sums.push_back(mean * kInputs);
      module.squares.push_back((mean * mean + 0.3) * kInputs);
    }
    quant::TensorObserver observer;
    std::vector<float> values(static_cast<size_t>(channels * kInputs), 0.5F);
    values.front() = -3.0F;
    values.back() = 4.0F;
    observer.begin_batch();
    observer.look(values);
    observer.count(values);
    (void)observer.end_batch();
    module.observer = observer.state();
  }
  options["calibration"] = parse_json(calibration::calibration_json(calibration));
  return options;
}

std::vector<double> means_of(const Json &options, std::string_view module) {
  const auto calibration = calibration::read_calibration(options["calibration"]);
  const calibration::ModuleStatistics *found =
      calibration ? calibration.value().find(module) : nullptr;
  std::vector<double> means;
  for (size_t i = 0; found != nullptr && i < found->sums.size(); ++i) {
    means.push_back(found->sums[i] / static_cast<double>(found->per_channel));
  }
  return means;
}

} // namespace monoquant::test
