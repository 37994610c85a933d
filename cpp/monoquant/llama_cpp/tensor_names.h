// What becomes of each tensor of a Hugging Face model in llama.cpp's file: its name, and what is done to its values.
// It exists because the two projects order the rows of queries and keys, and count Gemma's norms, differently.
// Source: llama.cpp's conversion/, filter_tensors and modify_tensors of the models' classes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "monoquant/base/result.h"
#include "monoquant/llama_cpp/hyperparameters.h"

namespace monoquant::llama_cpp {

/// What is done to the values of a tensor before they are stored, in f32.
enum class Change : uint8_t {
  kNone,
  kInterleave, // rows of each head: the first half's and the second half's take turns
  kAddOne,     // 1.0 to every value
  kCut,        // only the first rows are kept
};

struct Fate {
  std::string name;     // in the GGUF file; empty: it is left out
  std::string_view why; // it is left out
  Change change = Change::kNone;
  uint32_t heads = 0; // of kInterleave
};

/// kCut is not among the answers: how many rows there are is for the vocabulary to say.
/// Errors: kUnsupportedFormat for a name that llama.cpp's files of this family have no place for.
Result<Fate> fate_of(std::string_view tensor, const Hyperparameters &model);

/// Whether a tensor is stored as F32 whatever is asked for: rows by themselves, norms, and what is no weight.
bool is_always_f32(std::string_view name, size_t dimensions);

} // namespace monoquant::llama_cpp
