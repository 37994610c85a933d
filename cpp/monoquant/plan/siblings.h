// Layers that runtimes fuse into one at load time, such as q, k and v, or the experts of a mixture.
// They exist as a notion because a fused layer can only have one scheme: all of its parts or none.
// Differences that defaults make are evened out; differences that the user asked for are kept and warned about.
#pragma once

#include <string>
#include <vector>

#include "monoquant/catalog/catalog.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

/// Leaves alone what would be fused with something that is; true where that has changed a decision. A tied tensor
/// counts as the one that it is tied to. `split`: fused layers whose parts differ because the user wants it so.
bool align_siblings(const catalog::Catalog &catalog, std::vector<TensorPlan> &plans,
                    std::vector<std::string> &split);

} // namespace monoquant::plan
