#include "monoquant/plan/loaders.h"

namespace monoquant::plan {
namespace {

using catalog::LayerKind;

bool names_its_class(const catalog::Catalog &catalog) {
  return catalog.model && !catalog.model->architectures.empty();
}

bool is_linear_weight(const catalog::Tensor &tensor) {
  return catalog::class_name(tensor) == "Linear" && tensor.shape.size() == 2 &&
         (tensor.name == "weight" || tensor.name.ends_with(".weight"));
}

} // namespace

bool is_loadable(const catalog::Catalog &catalog, const catalog::Tensor &tensor) {
  return !names_its_class(catalog) || is_linear_weight(tensor);
}

bool is_stacked_on_loading(const catalog::Catalog &catalog, const catalog::Tensor &tensor) {
  return names_its_class(catalog) && is_linear_weight(tensor) &&
         tensor.name.find(".experts.") != std::string::npos;
}

std::string_view what_it_is(const catalog::Tensor &tensor) {
  if (tensor.kind == LayerKind::kExperts) {
    return "stacked experts";
  }
  const std::string_view name = catalog::class_name(tensor);
  if (name.empty()) {
    return "parameter of this kind";
  }
  return name == "Linear" ? "parameter that is no layer's `weight`" : name;
}

} // namespace monoquant::plan
