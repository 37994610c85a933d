#include "support/catalog_builder.h"

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

} // namespace monoquant::test
