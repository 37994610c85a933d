// Models that nobody has trained: any names, types, shapes, values, ties and ways of lying in a file.
// It exists because the promises of a plan are about every catalog, not about those that somebody thought of.
// What a reader promises of catalogs holds: names are unique, extents lie in the file, ties lead to owners.
#pragma once

#include <vector>

#include "choices.h"
#include "monoquant/catalog/catalog.h"
#include "support/tensor_file.h"

namespace monoquant::fuzz {

struct Model {
  catalog::Catalog catalog;
  Bytes file;
  /// What each tensor of the catalog is, its elements one after the other; tied ones too.
  std::vector<test::FileTensor> tensors;
};

Model make_model(Choices &choices);

/// So many weights that a file of them with their scales is at its limits. One takes as long as thousands of others.
Model make_many(Choices &choices);

} // namespace monoquant::fuzz
