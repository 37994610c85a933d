#include <algorithm>
#include <map>

#include "monoquant/base/checked.h"
#include "monoquant/catalog/sources.h"

namespace monoquant::catalog {
namespace {

/// Names that were dropped because they shared their bytes with another: the format's `save_model` notes in the
/// metadata which one. They come back as tied tensors, and their notes are taken out.
void restore_ties(Catalog &catalog) {
  std::map<std::string, size_t> by_name;
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    by_name.emplace(catalog.tensors[i].name, i);
  }
  std::erase_if(catalog.metadata, [&](const auto &entry) {
    const auto &[name, kept] = entry;
    const auto found = by_name.find(kept);
    if (found == by_name.end() || by_name.contains(name) || is_of_file(name)) {
      return false;
    }
    Tensor tied = catalog.tensors[found->second];
    tied.name = name;
    tied.tied_to = found->second;
    catalog.tensors.push_back(std::move(tied));
    return true;
  });
}

} // namespace

bool is_of_file(std::string_view key) { return key == "format" || is_of_quantization(key); }

Catalog from_safetensors(container::SafetensorsFile file, uint64_t file_bytes) {
  Catalog catalog;
  catalog.file_bytes = file_bytes;
  catalog.metadata = std::move(file.metadata);
  catalog.tensors.reserve(file.entries.size());
  for (container::SafetensorsEntry &entry : file.entries) {
    const uint64_t elements = *checked_product(entry.shape); // the reader has checked it
    catalog.tensors.push_back({std::move(entry.name), entry.dtype, std::move(entry.shape), elements,
                               entry.offset, entry.bytes});
  }
  restore_ties(catalog);
  return catalog;
}

} // namespace monoquant::catalog
