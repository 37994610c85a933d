// What becomes of each tensor in a GGUF file: its name, its type of blocks, and what is changed in its values before.
// It exists because such a file is no copy with other codes: runtimes find a model by its keys and by names of theirs.
// A folder that names an architecture of transformers gets llama.cpp's names and keys, or is refused by name; the weights
// of anything else (diffusion models, for instance) keep theirs.
#pragma once

#include "monoquant/base/result.h"
#include "monoquant/container/gguf_writer.h"
#include "monoquant/plan/options.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

/// The keys of a file, and its tensors in their order.
struct GgufContents {
  container::GgufKeys keys;
  std::vector<size_t> order; // indices of the catalog's tensors, and behind these of Plan::added
  size_t longest_name = container::kMaxGgufName;
};

/// Decides about every tensor, and lays out the file. Errors: kUnsupportedFormat (an architecture, a tokenizer or a tensor
/// that such a file has no place for), kMalformedFile (of what stands beside the weights), kInvalidOptions,
/// kLimitExceeded.
Result<void> plan_gguf(Plan &plan, const Options &options);

} // namespace monoquant::plan
