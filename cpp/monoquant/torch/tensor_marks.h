// Which objects of a pickle lead to tensors.
// It exists because only those are worth walking: a graph of a thousand objects can have 10^30 paths.
// Linear in the size of the graph, whatever its cycles.
#pragma once

#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/torch/object_graph.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/rebuild.h"

namespace monoquant::torch {

/// One for each node: true for tensors and for everything from which one can be reached.
/// Errors: kLimitExceeded.
Result<std::vector<bool>> mark_tensors(const Pickle &pickle, const Rebuilder &rebuilder);

} // namespace monoquant::torch
