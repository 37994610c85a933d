// Which file of the output each tensor goes to.
// It exists because large models are several files, and runtimes read them one after the other.
#pragma once

#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/plan/options.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

/// Tensors stay in the order of the source, and what comes of one tensor in one file; no file of several holds nothing.
struct Division {
  std::vector<size_t> file_of;              // a tensor of the catalog
  std::vector<std::vector<size_t>> members; // of each file: tensors of the catalog
};

/// By the options: as the source is divided, or by size; one file else. Errors: kLimitExceeded (kMaxFiles).
Result<Division> divide(const Plan &plan, const Options &options);

} // namespace monoquant::plan
