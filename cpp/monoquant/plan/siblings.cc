#include "monoquant/plan/siblings.h"

#include <algorithm>
#include <array>
#include <map>

#include "monoquant/base/text.h"
#include "monoquant/plan/rules.h"

namespace monoquant::plan {
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
std::string fused_name(const catalog::Tensor &tensor) {
  const std::string_view module = catalog::module_name(tensor.name);
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
std::string_view experts_name(const catalog::Tensor &tensor) {
  using catalog::LayerKind;
  if (tensor.kind != LayerKind::kLinear && tensor.kind != LayerKind::kExperts) {
    return {};
  }
  constexpr std::string_view kExperts = ".experts.";
  const std::string_view name = tensor.name;
  const size_t at = name.find(kExperts);
  if (at != std::string_view::npos) {
    return name.substr(0, at + kExperts.size() - 1);
  }
  return tensor.kind == LayerKind::kExperts ? catalog::module_name(catalog::module_name(name))
                                            : std::string_view();
}

bool same_scheme(const TensorPlan &a, const TensorPlan &b) {
  const Quantize *first = a.quantize();
  const Quantize *second = b.quantize();
  if (first == nullptr || second == nullptr) {
    return a.decision() == b.decision();
  }
  const quant::Scheme &one = first->stored.scheme;
  const quant::Scheme &other = second->stored.scheme;
  return one.bits == other.bits && one.symmetric == other.symmetric &&
         one.strategy == other.strategy && one.group_size == other.group_size;
}

bool is_explicit(const TensorPlan &plan) {
  return plan.reason == Reason::kOverride || plan.reason == Reason::kOverrideNone ||
         plan.reason == Reason::kIgnored;
}

} // namespace

std::map<std::string, std::vector<size_t>> fused_families(const catalog::Catalog &catalog) {
  std::map<std::string, std::vector<size_t>> families;
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    std::string name = fused_name(catalog.tensors[i]);
    if (!name.empty()) {
      families[std::move(name)].push_back(i);
    }
  }
  return families;
}

std::map<std::string, std::vector<size_t>> expert_families(const catalog::Catalog &catalog) {
  std::map<std::string, std::vector<size_t>> families;
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    const std::string_view name = experts_name(catalog.tensors[i]);
    if (!name.empty()) {
      families[std::string(name)].push_back(i);
    }
  }
  return families;
}

bool align_siblings(const catalog::Catalog &catalog, std::vector<TensorPlan> &plans,
                    std::vector<std::string> &split) {
  std::map<std::string, std::vector<size_t>> families = fused_families(catalog);
  families.merge(expert_families(catalog));
  for (auto &[name, members] : families) {
    for (size_t &member : members) { // those who decide
      const bool tie = plans[member].decision() == Decision::kTie;
      member = tie ? *catalog.tensors[member].tied_to : member;
    }
  }
  bool changed = false;
  split.clear();
  for (const auto &[name, members] : families) {
    const TensorPlan &first = plans[members[0]];
    if (std::all_of(members.begin(), members.end(),
                    [&](size_t i) { return same_scheme(plans[i], first); })) {
      continue;
    }
    if (std::any_of(members.begin(), members.end(),
                    [&](size_t i) { return is_explicit(plans[i]); })) {
      split.push_back(name);
      continue;
    }
    const auto culprit = std::find_if(members.begin(), members.end(), [&](size_t i) {
      return plans[i].decision() == Decision::kCopy;
    });
    const std::string why = culprit == members.end()
                                ? "its siblings would need another group size"
                                : concat("one layer at run time with ",
                                         catalog.tensors[*culprit].name, ", which is left alone");
    for (const size_t i : members) {
      if (plans[i].decision() == Decision::kQuantize) {
        leave_alone(plans[i], Reason::kSibling, why);
        changed = true;
      }
    }
  }
  return changed;
}

} // namespace monoquant::plan
