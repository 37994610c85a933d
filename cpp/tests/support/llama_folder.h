// Folders of wasm-tests/fixtures/llama_cpp, and GGUF files made of them in memory.
// It exists so that whole files can be compared with what llama.cpp's own converter wrote.
// Values are changed and rounded here, one by one, without the engine.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "monoquant/llama_cpp/mixture.h"
#include "monoquant/llama_cpp/model.h"
#include "support/tensor_file.h"

namespace monoquant::test {

/// A folder's files; a test may change any of them.
struct LlamaFolder {
  std::string name;
  std::map<std::string, std::string> texts; // by the name of the file
  TensorFile weights;

  [[nodiscard]] llama_cpp::SideFiles files() const;
  [[nodiscard]] std::vector<llama_cpp::SourceTensor> sources() const;
  [[nodiscard]] Result<llama_cpp::LlamaModel>
  model(const llama_cpp::ModelWishes &wishes = {}) const;
  /// config.json with a member set; null takes it away.
  void configure(const std::string &member, const Json &value,
                 const std::string &file = "config.json");
};

LlamaFolder read_llama_folder(const std::string &name);

/// A model of nothing but two numbers: a configuration with these members over that of a small Llama.
LlamaFolder small_folder(const Json &config = Json::object());

/// The tensor's values as they are stored.
std::vector<float> changed_values(const llama_cpp::ModelTensor &tensor, const LlamaFolder &folder);

/// Header and data, all tensors as F32 or as BF16 where the model does not want F32.
std::vector<uint8_t> gguf_of(const llama_cpp::LlamaModel &model, const LlamaFolder &folder,
                             llama_cpp::GgmlType type);

/// Bytes of a tensor of that type.
uint64_t ggml_bytes(llama_cpp::GgmlType type, std::span<const uint64_t> shape);

} // namespace monoquant::test
