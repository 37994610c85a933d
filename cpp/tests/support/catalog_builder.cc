#include "support/catalog_builder.h"

#include <algorithm>
#include <cstdlib>

#include "support/sample_tensors.h"

namespace monoquant::test {

catalog::Catalog make_catalog(const std::vector<Entry> &entries) {
  catalog::Catalog catalog;
  catalog.file_bytes = 1024; // a header of some size
  for (const Entry &entry : entries) {
    const uint64_t elements = element_count(entry.shape);
    const uint64_t bytes = elements * dtype_bits(entry.dtype) / 8;
    catalog.tensors.push_back({entry.name, entry.dtype, entry.shape, elements, catalog.file_bytes,
                               bytes, catalog::LayerKind::kOther});
    catalog.file_bytes += bytes;
  }
  catalog::classify(catalog.tensors);
  return catalog;
}

void add_tie(catalog::Catalog &catalog, std::string name, std::string_view owner) {
  const size_t index = index_of(catalog, owner);
  catalog::Tensor tied = catalog.tensors[index];
  tied.name = std::move(name);
  tied.tied_to = index;
  catalog.tensors.push_back(std::move(tied));
  catalog::classify(catalog.tensors);
}

size_t index_of(const catalog::Catalog &catalog, std::string_view name) {
  const auto found =
      std::find_if(catalog.tensors.begin(), catalog.tensors.end(),
                   [&](const catalog::Tensor &tensor) { return tensor.name == name; });
  if (found == catalog.tensors.end()) {
    std::abort();
  }
  return static_cast<size_t>(found - catalog.tensors.begin());
}

} // namespace monoquant::test
