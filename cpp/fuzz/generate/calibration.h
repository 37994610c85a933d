// Calibrations that nobody has captured, for the layers of a model and for some that it lacks.
// It exists because static inputs and weighted searches follow from them.
// Each is valid: made by the observers themselves, from a few values.
#pragma once

#include "choices.h"
#include "monoquant/base/json.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::fuzz {

/// Calibration of js/api/calibration.ts.
Json make_calibration(Choices &choices, const catalog::Catalog &catalog);

} // namespace monoquant::fuzz
