// The shape of a linear layer's weights where a file only says how many there are.
// It exists for tools that store weights as groups and leave the shape to whoever builds the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "monoquant/layout/joining.h"

namespace monoquant::layout::coded {

/// [out, in] of the weights of `module`: by its bias, which has one number an output; else by the width of the model,
/// which its embeddings tell, on that side of the layer that has it in every family that calls layers so. Rows are
/// multiples of `group`. Nothing where neither tells.
std::optional<std::vector<uint64_t>>
shape_of_linear(const Joining &joining, std::string_view module, uint64_t elements, uint64_t group);

} // namespace monoquant::layout::coded
