#include "monoquant/layout/coded/linear_shape.h"

#include <algorithm>
#include <array>

namespace monoquant::layout::coded {
namespace {

using catalog::Tensor;

// Names of layers in models of the family of Llama.
constexpr std::array<std::string_view, 7> kFromWidth = {
    "q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "qkv_proj", "gate_up_proj"};
constexpr std::array<std::string_view, 2> kToWidth = {"o_proj", "down_proj"};

/// The columns of the only embeddings; 0 where there are none, or several widths.
uint64_t width_of(const catalog::Catalog &catalog) {
  uint64_t width = 0;
  for (const Tensor &tensor : catalog.tensors) {
    if (tensor.name.ends_with("embed_tokens.weight") && tensor.shape.size() == 2) {
      width = width == 0 || width == tensor.shape[1] ? tensor.shape[1] : UINT64_MAX;
    }
  }
  return width == UINT64_MAX ? 0 : width;
}

std::optional<std::vector<uint64_t>> rows_of(uint64_t elements, uint64_t outputs, uint64_t group) {
  const bool fits =
      outputs != 0 && group != 0 && elements % outputs == 0 && elements / outputs % group == 0;
  return fits ? std::optional(std::vector<uint64_t>{outputs, elements / outputs}) : std::nullopt;
}

} // namespace

std::optional<std::vector<uint64_t>> shape_of_linear(const Joining &joining,
                                                     std::string_view module, uint64_t elements,
                                                     uint64_t group) {
  if (const auto bias = joining.find(module, ".bias")) {
    return rows_of(elements, joining.tensor(*bias).elements, group);
  }
  const uint64_t width = width_of(joining.catalog());
  const std::string_view name = module.substr(module.rfind('.') + 1); // npos + 1 is 0
  if (width == 0) {
    return std::nullopt;
  }
  if (std::find(kToWidth.begin(), kToWidth.end(), name) != kToWidth.end()) {
    return rows_of(elements, width, group);
  }
  const bool is_from = std::find(kFromWidth.begin(), kFromWidth.end(), name) != kFromWidth.end();
  return is_from && elements % width == 0 ? rows_of(elements, elements / width, group)
                                          : std::nullopt;
}

} // namespace monoquant::layout::coded
