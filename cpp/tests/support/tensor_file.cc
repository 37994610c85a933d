#include "support/tensor_file.h"

#include <cstdlib>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"

namespace monoquant::test {
namespace {

template <typename T> void append_le(std::vector<uint8_t> &bytes, T value) {
  const size_t at = bytes.size();
  bytes.resize(at + sizeof(T));
  store_le(bytes.data() + at, value);
}

float decode(Dtype dtype, const uint8_t *from) {
  switch (dtype) {
  case Dtype::kF64:
    return static_cast<float>(load_le<double>(from));
  case Dtype::kF32:
    return load_le<float>(from);
  case Dtype::kF16:
    return f16_to_f32(load_le<uint16_t>(from));
  case Dtype::kBF16:
    return bf16_to_f32(load_le<uint16_t>(from));
  case Dtype::kF8E4M3:
    return f8_e4m3_to_f32(*from);
  case Dtype::kF8E5M2:
    return f8_e5m2_to_f32(*from);
  default:
    std::abort(); // no float
  }
}

/// The code of a value that the one-byte dtype has.
uint8_t code_of(Dtype dtype, double value) {
  for (uint32_t code = 0; code < 256; ++code) {
    const auto byte = static_cast<uint8_t>(code);
    if (static_cast<double>(decode(dtype, &byte)) == value) {
      return byte;
    }
  }
  std::abort();
}

} // namespace

std::vector<uint8_t> make_header(const std::string &json) {
  std::vector<uint8_t> bytes;
  append_le<uint64_t>(bytes, json.size());
  bytes.insert(bytes.end(), json.begin(), json.end());
  return bytes;
}

std::vector<uint8_t> make_file(const std::vector<FileTensor> &tensors, const Metadata &metadata) {
  Json header = Json::object();
  if (!metadata.empty()) {
    header["__metadata__"] = Json::object();
    for (const auto &[key, value] : metadata) {
      header["__metadata__"][key] = value;
    }
  }
  uint64_t position = 0;
  for (const FileTensor &tensor : tensors) {
    const uint64_t end = position + tensor.bytes.size();
    header[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {position, end}}};
    position = end;
  }
  std::vector<uint8_t> file = make_header(header.dump());
  for (const FileTensor &tensor : tensors) {
    file.insert(file.end(), tensor.bytes.begin(), tensor.bytes.end());
  }
  return file;
}

TensorFile parse_file(const std::vector<uint8_t> &file) {
  const auto length = static_cast<std::ptrdiff_t>(load_le<uint64_t>(file.data()));
  TensorFile result;
  result.header = Json::parse(file.begin() + 8, file.begin() + 8 + length);
  const auto data = file.begin() + 8 + length;
  for (const auto &[name, value] : result.header.items()) {
    if (name == "__metadata__") {
      continue;
    }
    const auto begin = value["data_offsets"][0].get<std::ptrdiff_t>();
    const auto end = value["data_offsets"][1].get<std::ptrdiff_t>();
    result.tensors[name] = {name, *dtype_from_name(value["dtype"].get<std::string>()),
                            value["shape"].get<std::vector<uint64_t>>(),
                            std::vector<uint8_t>(data + begin, data + end)};
  }
  return result;
}

FileTensor make_tensor(std::string name, Dtype dtype, std::vector<uint64_t> shape,
                       const std::vector<double> &values) {
  FileTensor tensor{std::move(name), dtype, std::move(shape), {}};
  tensor.bytes.reserve(values.size() * dtype_bits(dtype) / 8);
  for (const double value : values) {
    const auto narrow = static_cast<float>(value);
    switch (dtype) {
    case Dtype::kF64:
      append_le(tensor.bytes, value);
      break;
    case Dtype::kF32:
      append_le(tensor.bytes, narrow);
      break;
    case Dtype::kF16:
      append_le(tensor.bytes, f32_to_f16(narrow));
      break;
    case Dtype::kBF16:
      append_le(tensor.bytes, f32_to_bf16(narrow));
      break;
    default:
      tensor.bytes.push_back(code_of(dtype, value));
      break;
    }
  }
  return tensor;
}

std::vector<float> values_of(const FileTensor &tensor) {
  const size_t width = dtype_bits(tensor.dtype) / 8;
  std::vector<float> values;
  values.reserve(tensor.bytes.size() / width);
  for (size_t at = 0; at < tensor.bytes.size(); at += width) {
    values.push_back(decode(tensor.dtype, tensor.bytes.data() + at));
  }
  return values;
}

} // namespace monoquant::test
