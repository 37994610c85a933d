// What a model's layers were fed with: the statistics of their inputs, layer by layer.
// It exists so that data are read once and quantized with many times: it is what `calibrate` stores.
// Batches are added in order, whatever file they came from; a layer that has met a NaN has no statistics.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
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

/// What is not known of a module's inputs, because some of them were only given as statistics without it.
struct Lacks {
  bool counts = false;       // how many there were: sums were taken for those of one
  bool range = false;        // the observer knows nothing at all
  bool distribution = false; // it knows their range and no more
  bool sums = false;
  bool squares = false;
  bool outer = false; // how they move together

  bool operator==(const Lacks &) const = default;
};

struct ModuleStatistics {
  uint64_t samples = 0;          // entries along the first dimension, of all batches
  quant::ObserverState observer; // of all values
  uint64_t per_channel = 0;      // values of each input channel
  // One a channel, added up in the order of the data. Empty if not known.
  std::vector<double> sums;
  std::vector<double> squares;
  // Smallest and largest finite value of each channel. Empty if not known.
  std::vector<float> lows = {};
  std::vector<float> highs = {};
  bool lacks_channel_ranges = false; // some of the data have not told them
  Lacks lacks;

  /// Whether it says anything of single channels, and of how many.
  [[nodiscard]] size_t channels() const { return std::max(sums.size(), squares.size()); }
  /// Mean of the squares of a channel's values.
  [[nodiscard]] double second_moment(size_t channel) const {
    return per_channel == 0 ? 0.0 : squares[channel] / static_cast<double>(per_channel);
  }
};

/// What a file of llama-imatrix says of itself, for the files that are weighed by it.
struct Imatrix {
  std::string file; // its name; empty if nobody told it
  std::string dataset;
  uint64_t entries = 0;
  uint64_t chunks = 0;

  bool operator==(const Imatrix &) const = default;
};

struct Calibration {
  std::map<std::string, ModuleStatistics, std::less<>> modules; // by name
  std::set<std::string, std::less<>> left_out;                  // those with NaN among their inputs
  std::optional<Imatrix> imatrix;                               // if all of it is of one such file

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
