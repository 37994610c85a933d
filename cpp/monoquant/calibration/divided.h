// The statistics of inputs that are divided, channel by channel, before their layer gets them.
// It exists because data are of the model as it was: what is stored is a model whose layers trade magnitudes.
#pragma once

#include <span>

#include "monoquant/calibration/calibration.h"

namespace monoquant::calibration {

/// `factors`: one a channel, finite and above zero. How the values are distributed is not known afterwards, and their
/// range only if those of the channels are.
ModuleStatistics divided(const ModuleStatistics &statistics, std::span<const double> factors);

} // namespace monoquant::calibration
