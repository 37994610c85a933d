// The lower triangular factor of a positive definite matrix.
// It exists because error feedback needs one for every layer, as wide as its inputs.
// The same bits everywhere: sums run in one order, in f32.
#pragma once

#include <cstddef>
#include <vector>

namespace monoquant::quant {

/// A = L L^T. `a`: `size` rows of as many values, of which the lower half counts and becomes L; the upper half is
/// left as it is. False if A is not positive definite as far as f32 can tell: then `a` is of no use any more.
[[nodiscard]] bool factorise_cholesky(std::vector<float> &a, size_t size);

} // namespace monoquant::quant
