// What is in a checkpoint, read from its metadata alone.
// It exists so that planning and running know one kind of input, whatever container it came in.
// Tensors stand in the order of their bytes in the file, and every extent was checked to lie inside it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/catalog/layer_kind.h"

namespace monoquant::catalog {

struct Tensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  uint64_t elements = 0;
  uint64_t offset = 0; // of its first byte in the file
  uint64_t bytes = 0;
  LayerKind kind = LayerKind::kOther;
};

struct Catalog {
  uint64_t file_bytes = 0;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<Tensor> tensors;
};

/// The catalog as TypeScript's Catalog.
std::string catalog_json(const Catalog &catalog);

} // namespace monoquant::catalog
