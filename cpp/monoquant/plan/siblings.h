// Layers that runtimes fuse into one at load time, such as q, k and v.
// They exist as a notion because a fused layer can only have one scheme: all of its parts or none.
// Differences that defaults make are evened out; differences that the user asked for are kept and warned about.
#pragma once

#include <vector>

#include "monoquant/catalog/catalog.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

void align_siblings(const catalog::Catalog &catalog, std::vector<TensorPlan> &plans,
                    std::vector<Warning> &warnings);

} // namespace monoquant::plan
