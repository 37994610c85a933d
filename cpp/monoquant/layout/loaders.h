// What the programs that load a whole model can take, where a configuration beside the file says that it is one.
// transformers and vLLM build the model from its class and look for codes by the class of each layer.
// A file of its own is loaded by code of its owner's, which may take anything.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "monoquant/catalog/catalog.h"

namespace monoquant::layout {

/// False only for weights of a model with a configuration that its loaders take as floats alone: of layers that are
/// no Linear, of routers, which transformers 5 has as parameters, and of Linear layers whose weight is not a parameter
/// of that name.
bool is_loadable(const catalog::Catalog &catalog, const catalog::Tensor &tensor);

/// True for the weight of one expert of a model with a configuration: transformers (since 5.0) stacks the experts of a
/// layer while it loads them, which it can do with packed symmetric codes only; vLLM has kernels for more.
bool is_stacked_on_loading(const catalog::Catalog &catalog, const catalog::Tensor &tensor);

/// Why no packed codes, or no codes at all, of this kind of model can be loaded by transformers; "" where they can.
std::string_view fault_of_loading(const catalog::Catalog &catalog, bool packed);

/// The name of a module, and what transformers calls the module instead where it gives it another name on loading.
std::vector<std::string> names_on_loading(const catalog::Catalog &catalog, std::string name);

/// The tensor's layer, as a sentence about loaders calls it: "Conv2d", "stacked experts".
std::string_view what_it_is(const catalog::Tensor &tensor);

} // namespace monoquant::layout
