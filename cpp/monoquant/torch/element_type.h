// PyTorch's names for element types: storage classes, dtypes, and the numbers of torch.export.
// It exists because one type has four spellings in checkpoints.
// What is on no list is nothing: such tensors are left out, never guessed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "monoquant/base/dtype.h"

namespace monoquant::torch {

/// How elements lie in a storage. PyTorch counts a storage in units of `bytes`.
struct ElementType {
  Dtype dtype = Dtype::kF32;
  uint32_t bytes = 4;    // of one unit
  uint32_t per_byte = 1; // elements in a byte, for quantized types that are narrower than one
  bool quantized = false;
  bool pairs = false;   // float4_e2m1fn_x2: a unit is two elements of F4
  bool untyped = false; // bytes whose type the tensor tells
};

/// `torch.FloatStorage`, `torch.cuda.HalfStorage`, `torch.storage.UntypedStorage`, …
std::optional<ElementType> storage_class(std::string_view module, std::string_view name);

/// "float32" as in `torch.float32`; also its old names, such as "half".
std::optional<ElementType> torch_dtype(std::string_view name);

/// The number that torch.export writes (torch/_export/serde/schema.py, ScalarType).
std::optional<ElementType> export_dtype(int64_t number);

} // namespace monoquant::torch
