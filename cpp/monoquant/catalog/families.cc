#include "monoquant/catalog/families.h"

#include <algorithm>
#include <array>

#include "monoquant/base/text.h"

namespace monoquant::catalog {
namespace {

// The last part of a module's name → the layer it is fused into. Source: vLLM's packed modules.
struct Fusion {
  std::string_view part;
  std::string_view whole;
};
constexpr std::array<Fusion, 12> kFusions = {{{"q_proj", "qkv_proj"},
                                              {"k_proj", "qkv_proj"},
                                              {"v_proj", "qkv_proj"},
                                              {"query", "qkv"},
                                              {"key", "qkv"},
                                              {"value", "qkv"},
                                              {"gate_proj", "gate_up_proj"},
                                              {"up_proj", "gate_up_proj"},
                                              {"w1", "w13"},
                                              {"w3", "w13"},
                                              {"in_proj_qkv", "in_proj"},
                                              {"in_proj_z", "in_proj"}}};

/// The name of the fused layer that this weight becomes part of, or "".
std::string fused_name(const Tensor &tensor) {
  const std::string_view module = module_name(tensor.name);
  if (tensor.shape.size() != 2 || !tensor.name.ends_with(".weight")) {
    return {};
  }
  const size_t dot = module.rfind('.');
  const std::string_view part = dot == std::string_view::npos ? module : module.substr(dot + 1);
  const auto *fusion = std::find_if(kFusions.begin(), kFusions.end(),
                                    [&](const Fusion &entry) { return entry.part == part; });
  if (fusion == kFusions.end()) {
    return {};
  }
  return concat(module.substr(0, module.size() - part.size()), fusion->whole);
}

/// What the experts of its layer are called together: "mlp.experts" for "mlp.experts.3.up_proj.weight". "" if it is no
/// weight of one.
std::string_view experts_name(const Tensor &tensor) {
  if (tensor.kind != LayerKind::kLinear && tensor.kind != LayerKind::kExperts) {
    return {};
  }
  constexpr std::string_view kExperts = ".experts.";
  const std::string_view name = tensor.name;
  const size_t at = name.find(kExperts);
  if (at != std::string_view::npos) {
    return name.substr(0, at + kExperts.size() - 1);
  }
  return tensor.kind == LayerKind::kExperts ? module_name(module_name(name)) : std::string_view();
}

} // namespace

std::map<std::string, std::vector<size_t>> fused_families(const Catalog &catalog) {
  std::map<std::string, std::vector<size_t>> families;
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    std::string name = fused_name(catalog.tensors[i]);
    if (!name.empty()) {
      families[std::move(name)].push_back(i);
    }
  }
  return families;
}

std::map<std::string, std::vector<size_t>> expert_families(const Catalog &catalog) {
  std::map<std::string, std::vector<size_t>> families;
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    const std::string_view name = experts_name(catalog.tensors[i]);
    if (!name.empty()) {
      families[std::string(name)].push_back(i);
    }
  }
  return families;
}

std::vector<std::vector<size_t>> shared_schemes(const Catalog &catalog) {
  std::vector<std::vector<size_t>> shared;
  std::vector<bool> is_expert(catalog.tensors.size());
  for (auto &[name, members] : expert_families(catalog)) {
    for (const size_t member : members) {
      is_expert[member] = true;
    }
    shared.push_back(std::move(members));
  }
  for (auto &[name, members] : fused_families(catalog)) {
    if (!is_expert[members.front()]) { // else it is a part of that family
      shared.push_back(std::move(members));
    }
  }
  std::erase_if(shared, [](const auto &members) { return members.size() < 2; });
  std::sort(shared.begin(), shared.end());
  return shared;
}

} // namespace monoquant::catalog
