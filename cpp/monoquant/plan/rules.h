// Which tensors are quantized, and how: the rules, without any file layout.
// They exist in one place because users see them as one list of reasons.
// Explicit wishes (overrides, ignore patterns) come before defaults.
#pragma once

#include <vector>

#include "monoquant/catalog/catalog.h"
#include "monoquant/plan/options.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

/// One TensorPlan a tensor, without outputs; each decided on its own.
std::vector<TensorPlan> decide(const catalog::Catalog &catalog, const Options &options);

/// Turns a decision back into a copy.
void leave_alone(TensorPlan &tensor, Reason reason, std::string explanation);

} // namespace monoquant::plan
