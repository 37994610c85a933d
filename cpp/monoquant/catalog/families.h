// Weights that belong together: those that runtimes fuse into one layer, such as q, k and v, and the experts of a layer.
// It exists because they have one scheme at run time, and those that are fused read one input.
// Names alone say so.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "monoquant/catalog/catalog.h"

namespace monoquant::catalog {

/// Weights of the experts of one layer, by the name that the experts have in common: runtimes compute with all of them
/// at once.
std::map<std::string, std::vector<size_t>> expert_families(const Catalog &catalog);

/// Tensors of the catalog that become one layer, by its name: every family of one or more that fusing speaks of.
std::map<std::string, std::vector<size_t>> fused_families(const Catalog &catalog);

/// Weights that can only have one scheme, by their indices: the experts of each layer, and what is fused elsewhere.
/// Ordered by the first of each; those with nobody beside them are not among them.
std::vector<std::vector<size_t>> shared_schemes(const Catalog &catalog);

} // namespace monoquant::catalog
