// What a module of TorchScript calls beyond arithmetic.
// It exists because such a program is run when a model is loaded or called: by an interpreter of its own, which has
// no way to Python, but operators that write and read files, and those of libraries.
#pragma once

#include <string_view>

#include "monoquant/torch/globals.h"

namespace monoquant::torch {

/// Adds operators that reach files (dangerous), those of libraries other than PyTorch and torchvision, and uses of
/// operators that do not show which one (unknown). PyTorch's own are harmless and are not listed.
void list_operators(std::string_view code, GlobalList &globals);

/// The verdict on a name below "__torch__": a class of a program in the archive, which is harmless, or one in native code,
/// such as "__torch__.torch.classes.quantized.LinearPackedParamsBase". `path`: module and name.
Danger danger_of_script_class(std::string_view path);

} // namespace monoquant::torch
