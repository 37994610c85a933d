#include <algorithm>
#include <set>

#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"

namespace monoquant::layout::compressed_tensors {
namespace {

using catalog::Problem;
using catalog::Tensor;

/// A list of targets: classes, modules or tensors by name, and regular expressions.
class Targets {
public:
  explicit Targets(const Json &list) {
    for (const Json &item : list.is_array() ? list : Json::array()) {
      if (item.is_string()) {
        const auto &text = item.get_ref<const std::string &>();
        has_expressions_ = has_expressions_ || text.starts_with("re:");
        names_.insert(text);
      }
    }
  }

  /// By a name or a class, for certain.
  [[nodiscard]] bool name(const Tensor &tensor) const {
    return names_.contains(target_text(catalog::module_name(tensor.name))) || name_itself(tensor) ||
           names_.contains(std::string(catalog::class_name(tensor)));
  }
  [[nodiscard]] bool may_name(const Tensor &tensor) const {
    return has_expressions_ || name(tensor);
  }
  /// By its own name, which is more than its module's.
  [[nodiscard]] bool name_itself(const Tensor &tensor) const {
    return names_.contains(target_text(tensor.name));
  }

private:
  std::set<std::string> names_;
  bool has_expressions_ = false;
};

struct Group {
  Targets targets;
  std::string format;
  bool is_integer = true;
  uint64_t bits = 0;
  bool symmetric = true;
  std::string strategy;
  uint64_t group_size = 0;
  bool static_inputs = false;
};

template <typename T> T value_or(const Json &object, const char *key, T fallback) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end()) {
    return fallback;
  }
  if constexpr (std::is_same_v<T, std::string>) {
    return found->is_string() ? found->template get<std::string>() : fallback;
  } else if constexpr (std::is_same_v<T, bool>) {
    return found->is_boolean() ? found->template get<bool>() : fallback;
  } else {
    return found->is_number_unsigned() ? found->template get<T>() : fallback;
  }
}

Json member(const Json &object, const char *key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return !object.is_object() || found == object.end() ? Json() : *found;
}

std::vector<Group> read_groups(const Json &config) {
  std::vector<Group> groups;
  const auto format = value_or<std::string>(config, "format", "");
  const Json list = member(config, "config_groups");
  for (const Json &item : list.is_object() ? list : Json::object()) {
    const Json weights = member(item, "weights");
    const Json inputs = member(item, "input_activations");
    groups.push_back(
        {Targets(member(item, "targets")), value_or<std::string>(item, "format", format),
         value_or<std::string>(weights, "type", "int") == "int",
         value_or<uint64_t>(weights, "num_bits", 0), value_or<bool>(weights, "symmetric", true),
         value_or<std::string>(weights, "strategy", "tensor"),
         value_or<uint64_t>(weights, "group_size", 0),
         // "local": scales of groups are found as they come, beside a number that NVFP4 stores.
         inputs.is_object() && !member(inputs, "dynamic").is_string() &&
             !value_or<bool>(inputs, "dynamic", false)});
  }
  return groups;
}

std::string_view strategy_of(const catalog::Codes &codes) {
  if (codes.blocks) {
    return "block";
  }
  if (codes.scope == codes.elements) {
    return "tensor";
  }
  return codes.scope == codes.columns ? "channel" : "group";
}

/// Where there is one scope in all, several strategies mean the same.
bool has_strategy(const catalog::Codes &codes, const Group &group) {
  if (codes.blocks) {
    return group.strategy == "block";
  }
  if (group.strategy == "group" || group.strategy == "tensor_group") {
    return codes.scope == group.group_size;
  }
  if (group.strategy == "channel") {
    return codes.scope == codes.columns;
  }
  return strategy_of(codes) == group.strategy;
}

bool describes(const Group &group, const catalog::Codes &codes) {
  const bool packed_format = group.format == "pack-quantized";
  const bool mixed = group.format == "mixed-precision" || group.format.empty();
  return group.is_integer == codes.is_integer && group.bits == codes.bits &&
         group.symmetric == !codes.zero_point.has_value() && has_strategy(codes, group) &&
         (mixed || packed_format == codes.packed);
}

std::string scheme_text(bool is_integer, uint64_t bits, bool symmetric, std::string_view strategy,
                        uint64_t group) {
  return concat(is_integer ? "INT" : "FP", bits, symmetric ? " symmetric" : " asymmetric", " per ",
                strategy, strategy == "group" ? concat(" of ", group) : std::string());
}

class Check {
public:
  Check(const catalog::Catalog &catalog, std::string_view where)
      : catalog_(catalog), where_(where) {
    for (const Tensor &tensor : catalog.input_parameters) {
      if (tensor.name.ends_with(kInputScale)) {
        has_input_scale_.insert(catalog::module_name(tensor.name));
      }
    }
  }

  std::vector<Problem> run(std::string_view text) {
    const Json config = parse_json(text);
    const std::vector<Group> groups = read_groups(config);
    if (groups.empty()) {
      add("config-invalid",
          concat("Expected config_groups in the quantization_config of ", where_, ", found none."),
          {});
      return std::move(problems_);
    }
    const Targets ignore(member(config, "ignore"));
    for (const Tensor &tensor : catalog_.tensors) {
      if (tensor.codes) {
        check_quantized(tensor, groups, ignore);
      } else {
        check_unquantized(tensor, groups, ignore);
      }
    }
    return std::move(problems_);
  }

private:
  void add(std::string_view code, std::string message, std::string tensor) {
    problems_.push_back({code, std::move(message), std::move(tensor)});
  }

  void check_quantized(const Tensor &tensor, const std::vector<Group> &groups,
                       const Targets &ignore) {
    const catalog::Codes &codes = *tensor.codes;
    const bool named = std::any_of(groups.begin(), groups.end(), [&](const Group &group) {
      return group.targets.name_itself(tensor);
    });
    if (named ? ignore.name_itself(tensor) : ignore.name(tensor)) {
      add("config-mismatch",
          concat("Expected ", tensor.name, " to be no codes, since ", where_, " ignores it."),
          tensor.name);
      return;
    }
    const auto candidate = [&](const Group &group) {
      return named ? group.targets.name_itself(tensor) : group.targets.may_name(tensor);
    };
    const auto first = std::find_if(groups.begin(), groups.end(), candidate);
    if (first == groups.end()) {
      add("config-mismatch",
          concat("Expected a target for ", tensor.name, " in ", where_, ", found none."),
          tensor.name);
      return;
    }
    const auto fitting = [&](const Group &group) {
      return candidate(group) && describes(group, codes);
    };
    const bool fits = std::any_of(groups.begin(), groups.end(), fitting);
    // Of a recurrent module only the first layer's input is the module's.
    const bool is_static = tensor.name.ends_with(".weight") &&
                           std::all_of(groups.begin(), groups.end(), [&](const Group &group) {
                             return !fitting(group) || group.static_inputs;
                           });
    if (fits && is_static && !has_input_scale_.contains(catalog::module_name(tensor.name))) {
      add("missing-input-scale",
          concat("Expected ", catalog::module_name(tensor.name), ".", kInputScale, ", since ",
                 where_, " says that its inputs are static, found none."),
          tensor.name);
    }
    if (!fits) {
      add("config-mismatch",
          concat("Expected ", tensor.name, " to be ",
                 scheme_text(first->is_integer, first->bits, first->symmetric, first->strategy,
                             first->group_size),
                 " as ", where_, " says, found ",
                 scheme_text(codes.is_integer, codes.bits, !codes.zero_point, strategy_of(codes),
                             codes.scope),
                 codes.packed ? " (packed)." : "."),
          tensor.name);
    }
  }

  /// A weight that a target names for certain must be quantized, unless it may be meant to be ignored.
  void check_unquantized(const Tensor &tensor, const std::vector<Group> &groups,
                         const Targets &ignore) {
    const bool is_weight = tensor.name.ends_with(".weight") && tensor.shape.size() > 1;
    const bool targeted = std::any_of(groups.begin(), groups.end(), [&](const Group &group) {
      return group.targets.name(tensor);
    });
    if (!is_weight || !targeted || ignore.may_name(tensor)) {
      return;
    }
    if (tensor.dtype == Dtype::kI8) {
      add("missing-scale", concat("Expected scales in ", tensor.name, kScale, ", found none."),
          tensor.name);
    } else {
      add("config-mismatch",
          concat("Expected ", tensor.name, " to be quantized, as ", where_, " says, found ",
                 dtype_name(tensor.dtype), "."),
          tensor.name);
    }
  }

  const catalog::Catalog &catalog_;
  std::string_view where_;                     // the configuration stands
  std::set<std::string_view> has_input_scale_; // modules
  std::vector<Problem> problems_;
};

} // namespace

/// Scales and the like of weights that are not there.
void find_leftovers(const catalog::Catalog &catalog, std::vector<Problem> &problems) {
  std::set<std::string_view> names;
  for (const Tensor &tensor : catalog.tensors) {
    names.insert(tensor.name);
  }
  for (const Tensor &tensor : catalog.tensors) {
    const std::string_view name = tensor.name;
    for (const std::string_view part : kPartSuffixes) {
      const std::string_view base =
          name.substr(0, name.size() - std::min(name.size(), part.size()));
      const size_t dot = base.rfind('.');
      const bool of_weight =
          name.ends_with(part) &&
          base.substr(dot == std::string_view::npos ? 0 : dot + 1).starts_with("weight");
      const bool fits = part == kShape    ? tensor.dtype == Dtype::kI64
                        : part == kPacked ? tensor.dtype == Dtype::kI32
                                          : dtype_is_quantizable(tensor.dtype) ==
                                                (part == kScale || part == kGlobalScale);
      const bool is_known =
          std::any_of(catalog.problems.begin(), catalog.problems.end(),
                      [&](const Problem &problem) { return problem.tensor == base; });
      if (of_weight && fits && !names.contains(base) && !is_known) {
        problems.push_back({"leftover-part",
                            concat("Expected the codes that ", name, " belongs to, found none."),
                            std::string(name)});
      }
    }
  }
}

void check(const catalog::Catalog &catalog, std::string_view config, std::string_view where,
           std::vector<Problem> &problems) {
  const std::vector<Problem> more = Check(catalog, where).run(config);
  problems.insert(problems.end(), more.begin(), more.end());
}

} // namespace monoquant::layout::compressed_tensors
