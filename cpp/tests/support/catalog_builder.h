// Catalogs of models that need no bytes.
// They exist so that rules about names and shapes are tested with the sizes that models really have.
// Tensors lie one after the other, and their kinds are the engine's own guess.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "monoquant/catalog/catalog.h"

namespace monoquant::test {

struct Entry {
  std::string name;
  std::vector<uint64_t> shape;
  Dtype dtype = Dtype::kBF16;
};

catalog::Catalog make_catalog(const std::vector<Entry> &entries);

/// Adds another name for a tensor.
void add_tie(catalog::Catalog &catalog, std::string name, std::string_view owner);

/// The tensor's place in the catalog; it must be there.
size_t index_of(const catalog::Catalog &catalog, std::string_view name);

} // namespace monoquant::test
