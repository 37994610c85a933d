// A Hugging Face model as llama.cpp wants it: the keys of its GGUF file, and what becomes of each tensor.
// It exists so that a folder becomes a file that llama.cpp runs, without Python.
// A pure function of texts and of names and shapes: the same keys in the same order as llama.cpp's converter writes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/base/result.h"
#include "monoquant/container/gguf_writer.h"
#include "monoquant/llama_cpp/side_files.h"
#include "monoquant/llama_cpp/tensor_names.h"

namespace monoquant::llama_cpp {

/// A tensor of the source.
struct SourceTensor {
  std::string_view name;
  std::span<const uint64_t> shape; // the last dimension runs fastest
  Dtype dtype = Dtype::kF32;
  size_t file = 0; // its file's place among the model's, sorted by name
};

struct ModelWishes {
  std::string name;         // general.name; empty: what the folder says
  std::string pretokenizer; // tokenizer.ggml.pre; empty: what tokenizer.json says
  uint32_t file_type = 0;   // general.file_type: llama_ftype, 0 for F32
};

/// A tensor of the file. Its values are those of the source, changed in f32, or its own.
struct ModelTensor {
  std::string name;
  std::vector<uint64_t> shape;
  std::optional<size_t> source; // which; nothing: `values`
  Change change = Change::kNone;
  uint32_t heads = 0; // of Change::kInterleave
  bool is_always_f32 = false;
  std::vector<float> values;
};

struct LeftOutTensor {
  size_t source = 0;
  std::string_view why; // "llama.cpp computes it"
};

struct LlamaModel {
  Hyperparameters hyperparameters;
  container::GgufKeys keys;
  std::vector<ModelTensor> tensors; // in the order of the file
  std::vector<LeftOutTensor> left_out;
};

/// Errors: kUnsupportedFormat (names what has no place in such a file, and what to do), kMalformedFile, kLimitExceeded.
Result<LlamaModel> make_llama_model(const SideFiles &files, std::span<const SourceTensor> tensors,
                                    const ModelWishes &wishes);

} // namespace monoquant::llama_cpp
