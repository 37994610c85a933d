// Whether a file's quantization_config and its tensors say the same.
// It exists because loaders believe the config: where it is wrong, they fail, or compute nonsense.
// Targets and ignore lists that are regular expressions are taken to match whatever they might.
#pragma once

#include <vector>

#include "monoquant/catalog/catalog.h"

namespace monoquant::plan {

/// `catalog` has its quantized tensors joined. Without a config only leftover parts are looked for.
std::vector<catalog::Problem> check_config(const catalog::Catalog &catalog);

} // namespace monoquant::plan
