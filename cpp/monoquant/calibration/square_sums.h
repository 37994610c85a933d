// The sum of squares of every input channel: how much each column of a weight is used.
// It exists because an error in a weight costs as much as its input is large.
// Each sum adds up its channel's values one after the other in f64, so that no cut of the data shows.
#pragma once

#include <cstdint>
#include <span>

namespace monoquant::calibration {

/// Adds values of a batch in which `inner` consecutive values belong to one channel. `position`: of the first value,
/// counted in the batch. Infinities are left out; NaN must be noticed elsewhere.
void add_squares(std::span<const float> values, uint64_t position, uint64_t inner,
                 std::span<double> squares);

} // namespace monoquant::calibration
