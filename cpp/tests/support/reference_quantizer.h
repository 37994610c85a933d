// What the engine must make of one tensor, in the plainest code: whole tensor in memory, one loop a step.
// It exists as the other opinion: written from the documented formulas (README of the formats, PyTorch's
// observer), it shares no code with the engine but the rounding of a scale to F16 or BF16, and the search, which
// tests of its own check.
// All values must be finite.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "monoquant/layout/stored.h"
#include "monoquant/quant/error_sums.h"
#include "support/tensor_file.h"

namespace monoquant::test {

/// A tensor as a stack of matrices.
struct Matrices {
  uint64_t count = 1;
  uint64_t rows = 0;
  uint64_t columns = 0;
};
Matrices as_matrices(const std::vector<uint64_t> &shape, bool is_stack);

struct ReferenceCodes {
  std::vector<int32_t> codes;       // signed, in the order of the tensor
  std::vector<float> scales;        // one a scope, in the order of the tensor
  std::vector<int32_t> zero_points; // as many
  size_t scope_size = 0;            // elements that share a scale

  [[nodiscard]] double stored(size_t index) const {
    const size_t scope = index / scope_size;
    return static_cast<double>(codes[index] - zero_points[scope]) *
           static_cast<double>(scales[scope]);
  }
};

/// `importance` is empty or one for each column.
ReferenceCodes reference_codes(std::span<const float> values, const Matrices &shape,
                               const quant::Scheme &scheme, std::span<const float> importance = {});

/// The tensors that stand for `source` in the file, by name.
std::map<std::string, FileTensor> reference_outputs(const FileTensor &source, bool is_stack,
                                                    const layout::Stored &stored,
                                                    std::span<const float> importance = {});

/// The same of codes that are known.
std::map<std::string, FileTensor> reference_outputs(const FileTensor &source, bool is_stack,
                                                    const layout::Stored &stored,
                                                    const ReferenceCodes &codes);

/// `source` as F16 or BF16.
FileTensor reference_float(const FileTensor &source, Dtype target);

/// Errors in double precision from the values and what is stored for them.
quant::ErrorSums reference_errors(std::span<const float> values, const ReferenceCodes &codes);

} // namespace monoquant::test
