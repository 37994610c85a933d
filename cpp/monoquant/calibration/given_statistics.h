// What the data say of a module's inputs without holding them, added to what is known of these.
// It exists because such numbers are somebody else's: each is looked at before it counts.
// What only some of the data have told is not known afterwards.
#pragma once

#include <cstdint>
#include <span>

#include "monoquant/base/dtype.h"
#include "monoquant/calibration/calibration.h"
#include "monoquant/calibration/statistic.h"

namespace monoquant::calibration {

/// Where some elements of a statistic's tensor lie in it.
struct StatisticPlace {
  Dtype dtype = Dtype::kF32;
  uint64_t first = 0; // of these elements, counted from the module's own first one
  uint64_t block = 1; // columns of a matrix or of its blocks
};

class GivenStatistics {
public:
  /// Adds elements of a tensor, in any pieces; sums go into those of `module` that are kept.
  void add(Statistic statistic, const StatisticPlace &place, std::span<const uint8_t> bytes,
           ModuleStatistics &module);

  /// False once a number cannot be what it is said to be: NaN, a sum that is infinite, a negative square or count.
  [[nodiscard]] bool is_sound() const { return is_sound_; }

  /// At the end of the module, `seen` being what its batches have shown.
  void settle(quant::ObserverState seen, ModuleStatistics &module) const;

private:
  void add_value(Statistic statistic, const StatisticPlace &place, uint64_t element, double value,
                 ModuleStatistics &module);

  bool any_ = false;
  bool is_sound_ = true;
  uint64_t counts_ = 1; // unless they are told
  quant::ObservedRange range_;
};

} // namespace monoquant::calibration
