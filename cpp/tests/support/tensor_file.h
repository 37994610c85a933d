// Safetensors files in memory: made and taken apart without the engine's own reader and writer.
// It exists so that those two are tested against something else than each other.
// Tensors are written in the order in which they are given, whatever that does to alignment.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/base/json.h"

namespace monoquant::test {

struct FileTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  std::vector<uint8_t> bytes;

  bool operator==(const FileTensor &) const = default;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// Length prefix and JSON.
std::vector<uint8_t> make_header(const std::string &json);
std::vector<uint8_t> make_file(const std::vector<FileTensor> &tensors,
                               const Metadata &metadata = {});

struct TensorFile {
  Json header;
  std::map<std::string, FileTensor> tensors;
};
/// A file that is known to be well-formed.
TensorFile parse_file(const std::vector<uint8_t> &file);

/// Values rounded to a float dtype; those of one byte only where the value is one of the dtype's own.
FileTensor make_tensor(std::string name, Dtype dtype, std::vector<uint64_t> shape,
                       const std::vector<double> &values);

/// The values as the engine sees them: f32.
std::vector<float> values_of(const FileTensor &tensor);

} // namespace monoquant::test
