// What stands beside the weights in a model's folder, as the host has read it.
// It exists because the keys of a GGUF file come from there; nothing else of a plan does.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/llama_cpp/side_files.h"

namespace monoquant::plan {

class ModelFolder {
public:
  /// `name`: of the folder, without the way to it.
  explicit ModelFolder(std::string name) : name_(std::move(name)) {}

  /// A file by its path in the folder, "tokenizer.json": room for its bytes, to be filled before anything is asked.
  std::vector<uint8_t> &add(const std::string &path) { return files_[path]; }

  /// Views of the files: valid as long as the folder is.
  [[nodiscard]] llama_cpp::SideFiles side_files() const;

  /// Whether a configuration says which model of transformers this is: "architectures".
  [[nodiscard]] bool names_architectures() const;

private:
  std::string name_;
  std::map<std::string, std::vector<uint8_t>, std::less<>> files_;
};

} // namespace monoquant::plan
