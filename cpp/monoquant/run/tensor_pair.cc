#include "monoquant/run/tensor_pair.h"

#include <algorithm>
#include <string>

#include "monoquant/base/text.h"

namespace monoquant::run {
namespace {

const catalog::Tensor *find(const catalog::Catalog &catalog, std::string_view name) {
  const auto found =
      std::find_if(catalog.tensors.begin(), catalog.tensors.end(),
                   [&](const catalog::Tensor &tensor) { return tensor.name == name; });
  return found == catalog.tensors.end() ? nullptr : &*found;
}

/// "Expected …, found … in the model and … in the quantized file."
Error refusal(std::string expected, std::string_view in_reference, std::string_view in_file,
              std::string_view suggestion, std::string_view name) {
  expected += ", found ";
  expected += in_reference;
  expected += " in the model and ";
  expected += in_file;
  expected += " in the quantized file.";
  return {ErrorCode::kInvalidOptions, std::move(expected), std::string(suggestion),
          std::string(name), std::nullopt};
}

} // namespace

Result<TensorPair> pair_of(const catalog::Catalog &file, const catalog::Catalog &reference,
                           std::string_view name) {
  const TensorPair pair{find(file, name), find(reference, name)};
  if (pair.file == nullptr || pair.reference == nullptr) {
    return refusal(concat("Expected a tensor ", name, " in both files"),
                   pair.reference == nullptr ? "none" : "one",
                   pair.file == nullptr ? "none" : "one", "Name a tensor that both files have.",
                   name);
  }
  if (pair.file->shape != pair.reference->shape) {
    return refusal(concat("Expected ", name, " to have one shape in both files"),
                   shape_text(pair.reference->shape), shape_text(pair.file->shape),
                   "Give a quantized file and the model that it was made from.", name);
  }
  if (!dtype_is_quantizable(pair.file->dtype) || !dtype_is_quantizable(pair.reference->dtype)) {
    return refusal(concat("Expected floats in ", name), dtype_name(pair.reference->dtype),
                   dtype_name(pair.file->dtype),
                   "Name a tensor of floats, or one that was quantized from them.", name);
  }
  return pair;
}

} // namespace monoquant::run
