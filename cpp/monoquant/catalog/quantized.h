// Finds the tensors of a file that belong together: codes, scales, zero points, shapes.
// It exists so that a quantized file can be shown, compared and dequantized by the names that the model knows.
// Known layouts: `P` or `P_packed` with `P_scale`, and `P_zero_point`, `P_shape` where needed (compressed-tensors).
#pragma once

#include <string_view>

#include "monoquant/base/byte_window.h"
#include "monoquant/catalog/catalog.h"

namespace monoquant::catalog {

/// What a quantized tensor may consist of, behind its name.
inline constexpr std::string_view kPartSuffixes[] = {"_packed", "_shape", "_scale", "_zero_point"};

/// What has to be read before `join_quantized`: the shapes that packed tensors carry.
Needs shape_needs(const Catalog &catalog, const ByteWindow &window);

/// Replaces the parts of each quantized tensor by one tensor of its values (F32, Tensor::codes), where the codes
/// were. What seems to be a part, but does not fit together, stays as it is and is noted in Catalog::problems.
/// Metadata that speak of the parts go into Catalog::quantization_metadata, scales and zero points of the inputs of
/// their modules into Catalog::input_parameters.
void join_quantized(Catalog &catalog, const ByteWindow &window);

} // namespace monoquant::catalog
