// What every checkpoint that a reader accepts must hold, whatever its bytes.
// It exists for the fuzzers of the readers: a promise of checkpoint.h that is broken ends the program.
// A refusal must come with a reason, and no need may be outside of the file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "monoquant/torch/checkpoint.h"
#include "property.h"

namespace monoquant::fuzz {

using Reader = Result<Parsed<torch::Checkpoint>> (*)(const ByteWindow &, const torch::Choice &);

/// Every element of every tensor inside its storage, and every storage inside the file.
inline void check_checkpoint(const torch::Checkpoint &checkpoint, uint64_t file_size) {
  require(!checkpoint.tensors.empty() && !checkpoint.format.empty());
  for (const torch::Storage &storage : checkpoint.storages) {
    require(storage.literal.empty() || storage.literal.size() == storage.bytes);
    require(storage.offset <= file_size && storage.stored_bytes <= file_size - storage.offset);
    require(storage.deflated || !storage.literal.empty() || storage.bytes == storage.stored_bytes);
  }
  std::set<std::string> names;
  for (const torch::Tensor &tensor : checkpoint.tensors) {
    require(names.insert(tensor.name).second);
    require(tensor.storage < checkpoint.storages.size());
    require(tensor.shape.size() == tensor.strides.size() && tensor.shape.size() <= 64);
    if (std::find(tensor.shape.begin(), tensor.shape.end(), 0U) != tensor.shape.end()) {
      continue;
    }
    unsigned __int128 last = tensor.first;
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      last += static_cast<unsigned __int128>(tensor.shape[i] - 1) * tensor.strides[i];
    }
    const uint64_t bytes = checkpoint.storages[tensor.storage].bytes;
    require((last + 1) * dtype_bits(tensor.dtype) <= static_cast<unsigned __int128>(bytes) * 8);
  }
}

/// Reads a file as a host would, with and without a choice.
inline void read_checkpoint(const Bytes &file, Reader read) {
  for (const torch::Choice &choice : {torch::Choice{}, torch::Choice{""}, torch::Choice{"a.b"}}) {
    ByteWindow window(file.size());
    for (int round = 0;; ++round) {
      constexpr int kMostRounds = 3000;
      require(round < kMostRounds);
      auto step = read(window, choice);
      if (!step) {
        require(!step.error().message.empty() && step.error().code != ErrorCode::kInternal);
        break;
      }
      if (const auto *checkpoint = std::get_if<torch::Checkpoint>(&step.value())) {
        check_checkpoint(*checkpoint, file.size());
        break;
      }
      const auto &needs = *std::get_if<Needs>(&step.value());
      require(!needs.empty());
      for (const Need &need : needs) {
        require(need.length > 0 && window.contains(need.offset, need.length));
        const auto *begin = file.data() + need.offset;
        window.add(need.offset, Bytes(begin, begin + need.length));
      }
    }
  }
}

} // namespace monoquant::fuzz
