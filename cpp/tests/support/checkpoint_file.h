// PyTorch checkpoints in memory: opened as a host would, and their tensors taken out element by element.
// It exists so that what the readers say about places and strides is checked against the bytes themselves.
// Gathering is written for plainness; it shares nothing with the engine but the inflater.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/torch/checkpoint.h"

namespace monoquant::test {

struct OpenedCheckpoint {
  Result<torch::Checkpoint> checkpoint;
  size_t rounds = 0;    // of reading
  uint64_t fetched = 0; // bytes
};

/// Chooses the reader by the first bytes, as an inspector would.
OpenedCheckpoint open_checkpoint(const std::vector<uint8_t> &file, const torch::Choice &choice);

/// The elements of a tensor without gaps, little-endian, conjugated and negated where it says so. Nothing where
/// the file does not hold them, or with another checksum.
std::optional<std::vector<uint8_t>> tensor_bytes(const std::vector<uint8_t> &file,
                                                 const torch::Checkpoint &checkpoint,
                                                 const torch::Tensor &tensor);

/// The verdict on a name; nothing where it is not listed.
std::optional<torch::Danger> danger_in(const torch::Checkpoint &checkpoint, std::string_view module,
                                       std::string_view name);

} // namespace monoquant::test
