// The pickle of a state dict: what torch.save writes as data.pkl.
// It exists so that quantized tensors go back to PyTorch; `torch.load(weights_only=True)` takes it.
// Protocol 2, only opcodes and globals of PyTorch's own safe list, contiguous tensors.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "monoquant/base/dtype.h"
#include "monoquant/base/result.h"

namespace monoquant::torch {

struct SavedTensor {
  std::string_view name;
  Dtype dtype = Dtype::kF32;
  std::span<const uint64_t> shape;
  size_t storage = 0; // its record is data/<storage>; tied tensors share one
  uint64_t elements = 0;
};

/// Whether PyTorch has the dtype. F4 is its float4_e2m1fn_x2 (the last dimension halved); F6 types are not.
bool torch_has(Dtype dtype);

/// Every dtype must be one that `torch_has`. Errors: kLimitExceeded, before `read_pickle` would.
Result<std::string> state_dict_pickle(std::span<const SavedTensor> tensors);

} // namespace monoquant::torch
