#include <algorithm>
#include <map>
#include <tuple>

#include "monoquant/base/checked.h"
#include "monoquant/catalog/sources.h"

namespace monoquant::catalog {
namespace {

/// True where the elements lie one after the other. Dimensions of one element may have any stride.
bool is_contiguous(const torch::Tensor &tensor) {
  uint64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) {
      return false;
    }
    expected *= tensor.shape[i];
  }
  return true;
}

/// Bytes that are swapped together: complex numbers are pairs.
uint32_t swapped_bytes(Dtype dtype) {
  const bool pair = dtype == Dtype::kC32 || dtype == Dtype::kC64 || dtype == Dtype::kC128;
  return dtype_bits(dtype) / 8 / (pair ? 2 : 1);
}

Tensor make_tensor(torch::Tensor tensor, const torch::Checkpoint &checkpoint) {
  const torch::Storage &storage = checkpoint.storages[tensor.storage];
  const uint64_t elements = *checked_product(tensor.shape); // the reader has checked it
  const uint64_t bytes = elements * dtype_bits(tensor.dtype) / 8;
  const uint64_t first_byte = tensor.first * dtype_bits(tensor.dtype) / 8;
  Tensor result{std::move(tensor.name), tensor.dtype, std::move(tensor.shape), elements,
                storage.offset,         bytes};
  result.module_type = std::move(tensor.module_type);
  if (elements == 0) {
    return result;
  }
  tensor.shape = result.shape;
  const bool swapped = checkpoint.big_endian && swapped_bytes(tensor.dtype) > 1;
  const bool plain = is_contiguous(tensor) && !storage.deflated && !swapped &&
                     storage.literal.empty() && !tensor.conjugate && !tensor.negative;
  if (plain) {
    result.offset += first_byte;
    const bool whole = first_byte == 0 && bytes == storage.bytes;
    result.crc32 = whole ? storage.crc32 : std::nullopt;
  } else {
    result.view = std::make_shared<const View>(View{
        storage.stored_bytes, storage.bytes, storage.deflated, swapped, tensor.conjugate,
        tensor.negative, tensor.first, std::move(tensor.strides), storage.literal, storage.crc32});
  }
  return result;
}

/// Tensors that are the same bytes in every respect are tied to the one whose name sorts first, which is the one
/// that safetensors' own `save_model` keeps.
void find_ties(Catalog &catalog, const std::vector<torch::Tensor> &sources) {
  using Identity =
      std::tuple<size_t, uint64_t, Dtype, std::vector<uint64_t>, std::vector<uint64_t>, bool, bool>;
  std::map<Identity, std::vector<size_t>> groups;
  for (size_t i = 0; i < sources.size(); ++i) {
    const torch::Tensor &tensor = sources[i];
    if (catalog.tensors[i].elements > 0) {
      groups[{tensor.storage, tensor.first, tensor.dtype, tensor.shape, tensor.strides,
              tensor.conjugate, tensor.negative}]
          .push_back(i);
    }
  }
  for (const auto &[identity, members] : groups) {
    const size_t kept = *std::min_element(members.begin(), members.end(), [&](size_t a, size_t b) {
      return catalog.tensors[a].name < catalog.tensors[b].name;
    });
    for (const size_t i : members) {
      if (i != kept) {
        catalog.tensors[i].tied_to = kept;
      }
    }
  }
}

} // namespace

Catalog from_checkpoint(torch::Checkpoint checkpoint, uint64_t file_bytes) {
  Catalog catalog;
  catalog.file_bytes = file_bytes;
  catalog.format = checkpoint.format;
  catalog.metadata = std::move(checkpoint.metadata);
  catalog.left_out = std::move(checkpoint.left_out);
  catalog.globals = std::move(checkpoint.globals);
  catalog.opaque = std::move(checkpoint.opaque);
  catalog.code = std::move(checkpoint.code);
  catalog.key = std::move(checkpoint.key);
  catalog.candidates = std::move(checkpoint.candidates);
  catalog.tensors.reserve(checkpoint.tensors.size());
  for (const torch::Tensor &tensor : checkpoint.tensors) {
    catalog.tensors.push_back(make_tensor(tensor, checkpoint));
  }
  find_ties(catalog, checkpoint.tensors);
  return catalog;
}

} // namespace monoquant::catalog
