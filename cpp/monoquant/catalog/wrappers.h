// What wrappers of PyTorch put into the names of tensors: "module." of DataParallel, "_orig_mod." of torch.compile.
// It exists because no loader knows such names: the model that it builds is not wrapped.
// DataParallel wraps whole models only: "module." is a word of models, too, so it counts only before all names.
#pragma once

#include <string>

#include "monoquant/base/result.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::catalog {

/// All that wrappers have put into the names, one word after the other, as `strip_names` takes it off: what every name
/// begins with, then what stands elsewhere. "" if there is nothing.
std::string wrapper_prefix(const Catalog &catalog);

/// Takes `prefix` off every name. One that is made of wrappers' words goes wherever it stands in a name, apart from
/// "module.". Errors: kInvalidOptions (a name that does not begin with it, a wrapper that no name has, or names that
/// would become the same).
Result<void> strip_names(Catalog &catalog, const std::string &prefix);

} // namespace monoquant::catalog
