#include "support/sample_tensors.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace monoquant::test {

uint64_t element_count(const std::vector<uint64_t> &shape) {
  uint64_t count = 1;
  for (const uint64_t extent : shape) {
    count *= extent;
  }
  return count;
}

FileTensor random_weights(Random &random, std::string name, Dtype dtype,
                          std::vector<uint64_t> shape, double magnitude) {
  const auto count = static_cast<size_t>(element_count(shape));
  if (dtype_bits(dtype) == 8) {
    FileTensor tensor{std::move(name), dtype, std::move(shape), std::vector<uint8_t>(count)};
    const uint32_t finite = dtype == Dtype::kF8E4M3 ? 0x7F : 0x7C;
    for (uint8_t &code : tensor.bytes) {
      code = static_cast<uint8_t>(random.below(finite) | (random.below(2) << 7U));
    }
    return tensor;
  }
  std::vector<double> values(count);
  for (double &value : values) {
    value = static_cast<double>(random.weight()) * magnitude;
  }
  return make_tensor(std::move(name), dtype, std::move(shape), values);
}

FileTensor random_bytes(Random &random, std::string name, Dtype dtype,
                        std::vector<uint64_t> shape) {
  const auto bytes = static_cast<size_t>(element_count(shape) * dtype_bits(dtype) / 8);
  FileTensor tensor{std::move(name), dtype, std::move(shape), std::vector<uint8_t>(bytes)};
  for (uint8_t &byte : tensor.bytes) {
    byte = static_cast<uint8_t>(random.bits());
  }
  return tensor;
}

void set_value(FileTensor &tensor, size_t index, double value) {
  const FileTensor one = make_tensor("", tensor.dtype, {1}, {value});
  std::copy(one.bytes.begin(), one.bytes.end(),
            tensor.bytes.begin() + static_cast<std::ptrdiff_t>(index * one.bytes.size()));
}

} // namespace monoquant::test
