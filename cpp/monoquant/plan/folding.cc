#include "monoquant/plan/folding.h"

#include <cmath>
#include <memory>

#include "monoquant/base/text.h"
#include "monoquant/plan/plan.h"
#include "monoquant/plan/rules.h"

namespace monoquant::plan {
namespace {

using catalog::Tensor;

Error wrong_fold(const Plan &plan, size_t tensor, std::string_view expected) {
  return Error{ErrorCode::kInvalidOptions,
               concat("Expected ", expected, " for folding a BatchNorm."),
               "Fold no BatchNorm layers.",
               plan.catalog->tensors[tensor].name,
               {}};
}

/// What was met in the values of an earlier run: then the layer and its BatchNorm stay as they are.
bool is_broken(const Plan &plan, const Fold &fold) {
  const auto has = [&](size_t tensor, Reason reason) {
    return plan.tensors[tensor].reason == reason;
  };
  for (const size_t tensor : {fold.gamma, fold.beta, fold.mean, fold.variance}) {
    if (has(tensor, Reason::kNonFinite) || has(tensor, Reason::kOverflow)) {
      return true;
    }
  }
  return has(fold.layer, Reason::kNonFinite) ||
         has(fold.bias.value_or(fold.layer), Reason::kNonFinite);
}

bool has_channels(const Fold &fold, size_t channels) {
  const bool has_bias = fold.bias_values.size() == (fold.bias ? channels : 0);
  return has_bias && fold.gamma_values.size() == channels && fold.beta_values.size() == channels &&
         fold.mean_values.size() == channels && fold.variance_values.size() == channels;
}

/// Channels of a weight that come out, and how the factors of its values follow from theirs.
struct Channels {
  uint64_t count = 0;
  uint64_t plane = 0;          // values that have one factor and lie together
  std::vector<size_t> of = {}; // the channel of each plane
};

/// Nothing if the numbers do not go together.
std::optional<Channels> channels_of(const Tensor &tensor, const Fold &fold) {
  const uint64_t count = fold.gamma_values.size();
  if (tensor.shape.size() < 2 || tensor.elements == 0 || count == 0) {
    return std::nullopt;
  }
  Channels channels{count, 0, {}};
  if (!fold.is_transposed) {
    if (tensor.shape.front() != count) {
      return std::nullopt;
    }
    channels.plane = tensor.elements / count;
    for (size_t i = 0; i < count; ++i) {
      channels.of.push_back(i);
    }
    return channels;
  }
  // [inputs, outputs / groups, kernel...]: the inputs of a group follow one another.
  const uint64_t inputs = tensor.shape[0];
  const uint64_t of_group = tensor.shape[1];
  if (count % of_group != 0 || inputs % (count / of_group) != 0) {
    return std::nullopt;
  }
  const uint64_t in_group = inputs / (count / of_group);
  channels.plane = tensor.elements / inputs / of_group;
  for (uint64_t input = 0; input < inputs; ++input) {
    for (uint64_t output = 0; output < of_group; ++output) {
      channels.of.push_back(static_cast<size_t>(input / in_group * of_group + output));
    }
  }
  return channels;
}

/// As it is otherwise, with other values.
void replace(TensorPlan &entry, const Tensor &tensor, ValueChange change, std::string why) {
  if (entry.decision() == Decision::kCopy) {
    entry.action = Convert{tensor.dtype};
  }
  entry.change = std::make_shared<const ValueChange>(std::move(change));
  entry.explanation = std::move(why);
}

class Folder {
public:
  Folder(Plan &plan, const Options &options) : plan_(plan), drops_(options.drops_norms) {}

  Result<void> fold(const Fold &fold) {
    const Tensor &weight = tensor(fold.layer);
    const auto channels = channels_of(weight, fold);
    if (!channels || !has_channels(fold, static_cast<size_t>(channels->count))) {
      return wrong_fold(plan_, fold.layer, "a layer with as many outputs as the BatchNorm has");
    }
    const auto count = static_cast<size_t>(channels->count);
    std::vector<double> a(count);
    std::vector<float> bias(count);
    for (size_t i = 0; i < count; ++i) {
      a[i] = fold.gamma_values[i] / std::sqrt(fold.variance_values[i] + fold.epsilon);
      const double own = fold.bias ? fold.bias_values[i] : 0.0;
      bias[i] = static_cast<float>(fold.beta_values[i] + (own - fold.mean_values[i]) * a[i]);
      if (!std::isfinite(a[i]) || !std::isfinite(bias[i])) {
        return wrong_fold(plan_, fold.variance, "a variance above zero");
      }
    }
    ValueChange change;
    change.plane = channels->plane;
    change.folded = catalog::module_name(tensor(fold.gamma).name);
    auto factors = std::make_shared<std::vector<double>>();
    for (const size_t channel : channels->of) {
      factors->push_back(a[channel]);
    }
    change.factors = std::move(factors);
    TensorPlan &layer = plan_.tensors[fold.layer];
    std::string why = concat(layer.explanation, ", ", change.folded, " folded in");
    replace(layer, weight, std::move(change), std::move(why));
    drops_ ? drop_norm(fold, std::move(bias)) : keep_identity(fold, std::move(bias));
    return {};
  }

private:
  [[nodiscard]] const Tensor &tensor(size_t index) const { return plan_.catalog->tensors[index]; }

  void set(size_t index, std::vector<float> values, std::string why) {
    ValueChange change;
    change.values = std::make_shared<const std::vector<float>>(std::move(values));
    replace(plan_.tensors[index], tensor(index), std::move(change), std::move(why));
  }

  void keep_identity(const Fold &fold, std::vector<float> bias) {
    const size_t count = bias.size();
    const std::string why =
        concat("an identity: it is folded into ", catalog::module_name(tensor(fold.layer).name));
    const auto one = static_cast<float>(std::sqrt(1.0 + fold.epsilon));
    set(fold.gamma, std::vector<float>(count, one), why);
    set(fold.beta, std::move(bias), "what the folded BatchNorm adds");
    set(fold.mean, std::vector<float>(count, 0.0F), why);
    set(fold.variance, std::vector<float>(count, 1.0F), why);
    if (fold.bias) {
      set(*fold.bias, std::vector<float>(count, 0.0F), "zeros: the BatchNorm adds it");
    }
  }

  void drop_norm(const Fold &fold, std::vector<float> bias) {
    const std::string module(catalog::module_name(tensor(fold.layer).name));
    const auto drop = [&](size_t index) {
      leave_alone(plan_.tensors[index], Reason::kFolded, concat("folded into ", module));
      plan_.tensors[index].action = Drop{};
    };
    for (const size_t index : {fold.gamma, fold.mean, fold.variance}) {
      drop(index);
    }
    if (fold.count) {
      drop(*fold.count);
    }
    if (fold.bias) {
      drop(fold.beta);
      set(*fold.bias, std::move(bias), "with what the folded BatchNorm added");
    } else {
      set(fold.beta, std::move(bias), concat("the bias of ", module, ", of the folded BatchNorm"));
      plan_.tensors[fold.beta].name = concat(module, ".bias");
    }
  }

  Plan &plan_;
  bool drops_;
};

} // namespace

Result<void> plan_folding(Plan &plan, const Options &options) {
  Folder folder(plan, options);
  for (const Fold &fold : options.folds) {
    if (is_broken(plan, fold)) {
      continue;
    }
    if (auto folded = folder.fold(fold); !folded) {
      return folded;
    }
  }
  return {};
}

} // namespace monoquant::plan
