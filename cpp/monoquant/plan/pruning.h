// Which tensors lose weights, and how many of each row.
// It exists so that pruning is planned before anything is read: counts of zeros follow from shapes alone.
#pragma once

#include "monoquant/base/result.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

/// Before inputs are planned, which say how much each column counts. Errors: kInvalidOptions (no data for the method, or
/// codes that cannot stand for exactly zero).
Result<void> plan_pruning(Plan &plan, const Options &options);

/// Says in each plan what becomes of its weights, when it is known by what they are chosen.
void explain_pruning(Plan &plan, const Options &options);

/// Weights of a tensor that become zeros.
uint64_t zeros_of(const Plan &plan, size_t tensor);

} // namespace monoquant::plan
