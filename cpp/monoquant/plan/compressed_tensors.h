// The output layout "compressed-tensors": which tensors a decision produces, and the configuration beside them.
// It exists so that vLLM, SGLang and transformers load what we write; nothing here is our own invention.
// Parameter P becomes P (int8) or P_packed (int32 words) and P_shape, with P_scale and P_zero_point.
#pragma once

#include <string>
#include <vector>

#include "monoquant/catalog/catalog.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {

/// The tensors that stand for one quantized tensor, without offsets.
///
///   unpacked   P            I8   shape of P
///              P_scale      [out,1] ([1] per tensor); rank kept with ones: [out,1,1,1], [experts,out,1]
///              P_zero_point I8   as the scale, only where asymmetric
///   packed     P_packed     I32  [out, words]: row by row, element i in bits [i*b, i*b+b), stored as q + 2^(b-1)
///              P_scale      [out, groups], rank kept with ones
///              P_shape      I64  [rank]: the shape of P
///              P_zero_point I32  [ceil(out*b/32), groups]: packed the same way, along the outputs
///              (I8 [1] where the whole tensor shares one)
std::vector<Output> quantized_outputs(const catalog::Tensor &tensor, const TensorPlan &plan);

/// Names of what is stored about the inputs of the tensor's module X, the scale first:
///
///   X.input_scale       F32 [1]
///   X.input_zero_point  I8  [1], only where asymmetric
std::vector<std::string> input_names(const catalog::Tensor &tensor, bool symmetric);
std::vector<Output> input_outputs(const catalog::Tensor &tensor, const InputPlan &input);

/// The value of `quantization_config` as JSON text.
std::string quantization_config(const catalog::Catalog &catalog,
                                const std::vector<TensorPlan> &plans);

} // namespace monoquant::plan
