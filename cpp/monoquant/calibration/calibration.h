// What a model's layers were fed with: the statistics of their inputs, layer by layer.
// It exists so that data are read once and quantized with many times: it is what `calibrate` stores.
// Batches are added in order, whatever file they came from; a layer that has met a NaN has no statistics.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/json_name.h"
#include "monoquant/base/result.h"
#include "monoquant/quant/observers/tensor_observer.h"

namespace monoquant::calibration {

/// Fewer say little about what a layer will meet.
inline constexpr uint64_t kFewSamples = 50;

struct ModuleStatistics {
  uint64_t samples = 0;          // entries along the first dimension, of all batches
  quant::ObserverState observer; // of all values
  uint64_t per_channel = 0;      // values of each input channel
  std::vector<double>
      squares; // their sum of squares, one a channel, added up in the order of the data

  /// Mean of the squares of a channel's values.
  [[nodiscard]] double second_moment(size_t channel) const {
    return per_channel == 0 ? 0.0 : squares[channel] / static_cast<double>(per_channel);
  }
};

struct Calibration {
  std::map<std::string, ModuleStatistics, std::less<>> modules; // by name
  std::set<std::string, std::less<>> left_out;                  // those with NaN among their inputs

  [[nodiscard]] const ModuleStatistics *find(std::string_view module) const {
    const auto found = modules.find(module);
    return found == modules.end() ? nullptr : &found->second;
  }
};

/// Calibration of js/api/calibration.ts. Floats are written so that reading gives the same bits.
std::string calibration_json(const Calibration &calibration);

/// Errors: kInvalidOptions (no calibration, or one that contradicts itself).
Result<Calibration> read_calibration(const Json &document);

} // namespace monoquant::calibration
