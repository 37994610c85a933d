// Tensors with random values.
// They exist so that each test says only what matters to it: name, dtype, shape.
// All values are finite unless a test puts others in.
#pragma once

#include "support/random.h"
#include "support/tensor_file.h"

namespace monoquant::test {

uint64_t element_count(const std::vector<uint64_t> &shape);

/// Values shaped like weights, up to about 32 times `magnitude`; for the one-byte floats any finite codes.
FileTensor random_weights(Random &random, std::string name, Dtype dtype,
                          std::vector<uint64_t> shape, double magnitude = 0.05);

/// Any bytes.
FileTensor random_bytes(Random &random, std::string name, Dtype dtype, std::vector<uint64_t> shape);

/// Overwrites one value of a float tensor.
void set_value(FileTensor &tensor, size_t index, double value);

} // namespace monoquant::test
