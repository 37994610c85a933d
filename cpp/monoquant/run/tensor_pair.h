// One tensor as two files have it.
// It exists so that a stage which looks at values of both begins with something that can be looked at.
// Both tensors of a pair are floats (codes count as their values) and of one shape.
#pragma once

#include <string_view>

#include "monoquant/base/result.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::run {

struct TensorPair {
  const catalog::Tensor *file = nullptr;
  const catalog::Tensor *reference = nullptr;
};

/// Both catalogs must outlive the pair. Errors: kInvalidOptions (one of the files has no such tensor, the shapes
/// differ, or one of the two is not of a float type).
Result<TensorPair> pair_of(const catalog::Catalog &file, const catalog::Catalog &reference,
                           std::string_view name);

} // namespace monoquant::run
