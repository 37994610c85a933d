#include "monoquant/plan/siblings.h"

#include <algorithm>
#include <map>

#include "monoquant/base/text.h"
#include "monoquant/catalog/families.h"
#include "monoquant/plan/rules.h"

namespace monoquant::plan {
namespace {

bool same_scheme(const TensorPlan &a, const TensorPlan &b) {
  const Quantize *first = a.quantize();
  const Quantize *second = b.quantize();
  if (first == nullptr || second == nullptr) {
    return a.decision() == b.decision();
  }
  const quant::Scheme &one = first->stored.scheme;
  const quant::Scheme &other = second->stored.scheme;
  return one.codebook == other.codebook && one.bits == other.bits &&
         one.symmetric == other.symmetric && one.strategy == other.strategy &&
         one.group_size == other.group_size;
}

bool is_explicit(const TensorPlan &plan) {
  return plan.reason == Reason::kOverride || plan.reason == Reason::kOverrideNone ||
         plan.reason == Reason::kIgnored;
}

} // namespace

bool align_siblings(const catalog::Catalog &catalog, std::vector<TensorPlan> &plans,
                    std::vector<std::string> &split) {
  std::map<std::string, std::vector<size_t>> families = catalog::fused_families(catalog);
  families.merge(catalog::expert_families(catalog));
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
