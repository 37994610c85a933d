// Which of a file's tensors are the model.
// It exists because a checkpoint often holds optimizer state or two sets of weights, and only one is wanted.
// What is not taken is counted, with the reason: nothing vanishes silently.
#pragma once

#include <string>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/tensor_walk.h"

namespace monoquant::torch {

struct StateDictChoice {
  std::string key;                   // empty: everything
  std::vector<size_t> taken;         // in TensorWalk::tensors
  std::vector<LeftOut> left_out;     // the others, by the place where they stand
  std::vector<Candidate> candidates; // the largest first
};

/// `bytes`: of each found tensor; their sum fits 64 bits. Errors: kInvalidOptions (`choice.key` leads nowhere).
Result<StateDictChoice> choose_state_dict(const TensorWalk &walk,
                                          const std::vector<uint64_t> &bytes, const Choice &choice);

} // namespace monoquant::torch
