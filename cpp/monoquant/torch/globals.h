// Which classes and functions a checkpoint may name without anybody having to worry.
// It exists to tell users what a file would do elsewhere: here nothing that a pickle names is ever run.
// Three verdicts, from three lists; what is on none of them is unknown.
#pragma once

#include <string_view>
#include <vector>

#include "monoquant/torch/checkpoint.h"
#include "monoquant/torch/pickle.h"

namespace monoquant::torch {

Danger danger_of(std::string_view module, std::string_view name);

/// The globals of a pickle with their verdicts, the dangerous ones first, else in the order of the file.
std::vector<Global> list_globals(const Pickle &pickle);

} // namespace monoquant::torch
