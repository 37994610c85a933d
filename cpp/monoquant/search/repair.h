// What the bytes that are left between two corners of the hull are good for.
// It exists because the next step of the hull may be a large layer, and smaller ones fit in front of it.
// Always: the error is at most the corner's, and never larger for a larger budget. For this, what is tried does not
// depend on the budget, only which of it fits.
#pragma once

#include "monoquant/search/hull.h"

namespace monoquant::search {

/// `corner`: the choice whose next step on the hull is `next`, which does not fit into `budget` any more.
[[nodiscard]] Choice repair(const Table &table, Choice corner, const Segment &next,
                            uint64_t budget);

} // namespace monoquant::search
