// What a calibration means for a plan: scales of inputs, and how much each column of a weight counts.
// It exists so that the other rules need not know that there may be data.
// Layers without data stay as they would be without a calibration, and are named in a warning.
#pragma once

#include <string>
#include <vector>

#include "monoquant/calibration/layers.h"
#include "monoquant/plan/options.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

/// Names that the inputs of this tensor's module would be stored under; none where they are not stored. Also the name
/// of a parameter whose own scale would take one of them.
std::vector<std::string> wanted_input_names(const Plan &plan, const Options &options,
                                            const calibration::SharedInputs &shared, size_t tensor);

/// Fills in TensorPlan::input and ::importance, and warns about data that are missing, few or of no use. After this
/// no decision may change.
void plan_inputs(Plan &plan, const Options &options);

} // namespace monoquant::plan
