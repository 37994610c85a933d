// Every tensor of a pickle under the name by which it is reached.
// It exists apart from the choice of a state dict: first all names, then the ones that are wanted.
// Graphs have cycles and shared parts, so there can be more paths than atoms: steps, names and depth are
// limited, and what leads to no tensor is never walked.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "monoquant/base/limits.h"
#include "monoquant/base/result.h"
#include "monoquant/torch/pickle.h"
#include "monoquant/torch/rebuild.h"

namespace monoquant::torch {

inline constexpr size_t kMaxPaths = 2 * kMaxTensors; // a model with its optimizer
inline constexpr size_t kMaxDepth = 1000;

struct FoundTensor {
  std::string path; // keys joined with dots, from the root of the pickle on
  // Where the first parts of the path end: parts may hold dots themselves.
  std::array<uint32_t, 3> part_ends{};
  uint8_t parts = 0; // of those, how many there are
  NodeId node = 0;
  std::optional<NodeId> holder; // the object that has it as a direct member
  bool is_named =
      true; // false: some key on the way is an object, which the path cannot tell from others
  std::optional<uint32_t> optimizer_end; // where the path of the optimizer ends that it belongs to
};

/// A run of tensors that have one container in common.
struct Subtree {
  std::string path;
  size_t begin = 0; // in TensorWalk::tensors
  size_t end = 0;
  size_t rank = 0; // of its key among the well-known ones; the first ones are preferred
  std::optional<size_t> parent; // a subtree of TensorWalk::well_known
};

struct TensorWalk {
  std::vector<FoundTensor> tensors; // in the order of the file's dicts
  std::vector<Subtree> well_known;  // dicts under keys such as "state_dict"
  std::optional<Subtree> wanted;    // what `key` names
};

/// Errors: kLimitExceeded.
Result<TensorWalk> find_tensors(const Pickle &pickle, const Rebuilder &rebuilder,
                                const std::optional<std::string> &key);

} // namespace monoquant::torch
