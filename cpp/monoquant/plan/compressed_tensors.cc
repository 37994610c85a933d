#include "monoquant/plan/compressed_tensors.h"

#include <algorithm>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/text.h"

namespace monoquant::plan {
namespace {

using catalog::LayerKind;
using quant::Strategy;

// The release of the format whose rules these files follow.
constexpr std::string_view kFormatVersion = "0.11.0";

uint64_t elements(const std::vector<uint64_t> &shape) { return *checked_product(shape); }

Output make_output(Role role, std::string name, Dtype dtype, std::vector<uint64_t> shape) {
  const uint64_t bytes = elements(shape) * dtype_bits(dtype) / 8;
  return {role, std::move(name), dtype, std::move(shape), 0, bytes};
}

/// [out, last], with the experts in front or the kernel's dimensions behind as ones.
std::vector<uint64_t> row_shape(const catalog::Tensor &tensor, uint64_t rows, uint64_t last) {
  const size_t rank = tensor.shape.size();
  if (tensor.kind == LayerKind::kExperts) {
    return {tensor.shape[0], rows, last};
  }
  std::vector<uint64_t> shape(rank, 1);
  shape[0] = rows;
  shape[1] = last;
  return shape;
}

/// The class that PyTorch has for a kind; "" where modules must be named one by one.
std::string_view class_name(LayerKind kind) {
  switch (kind) {
  case LayerKind::kLinear:
  case LayerKind::kHead:
  case LayerKind::kRouter:
    return "Linear";
  case LayerKind::kConv1d:
    return "Conv1d";
  case LayerKind::kConv2d:
    return "Conv2d";
  case LayerKind::kConv3d:
    return "Conv3d";
  case LayerKind::kLstm:
    return "LSTM";
  case LayerKind::kGru:
    return "GRU";
  case LayerKind::kRnn:
    return "RNN";
  case LayerKind::kEmbedding:
    return "Embedding";
  default:
    return "";
  }
}

std::string target_name(const catalog::Tensor &tensor) {
  const std::string_view module = catalog::module_name(tensor.name);
  const bool is_weight = tensor.name.ends_with(".weight") || tensor.kind == LayerKind::kLstm ||
                         tensor.kind == LayerKind::kGru || tensor.kind == LayerKind::kRnn;
  return std::string(is_weight && !module.empty() ? module : std::string_view(tensor.name));
}

std::string_view format_name(const quant::Scheme &scheme) {
  return scheme.packed ? "pack-quantized" : "int-quantized";
}

Json weights_json(const quant::Scheme &scheme) {
  Json weights{{"num_bits", scheme.bits}, {"type", "int"}, {"symmetric", scheme.symmetric}};
  switch (scheme.strategy) {
  case Strategy::kTensor:
    weights["strategy"] = "tensor";
    break;
  case Strategy::kChannel:
    weights["strategy"] = "channel";
    break;
  case Strategy::kGroup:
    weights["strategy"] = "group";
    weights["group_size"] = scheme.group_size;
    break;
  }
  weights["dynamic"] = false;
  return weights;
}

Json activations_json(const quant::Scheme &scheme) {
  if (scheme.packed) {
    return nullptr; // weights only
  }
  return {{"num_bits", 8},
          {"type", "int"},
          {"symmetric", true},
          {"strategy", "token"},
          {"dynamic", true}};
}

/// Tensors of one scheme: one entry of config_groups.
struct ConfigGroup {
  quant::Scheme scheme;
  std::vector<size_t> members; // indices of plans

  [[nodiscard]] bool takes(const quant::Scheme &other) const {
    return scheme.bits == other.bits && scheme.symmetric == other.symmetric &&
           scheme.strategy == other.strategy && scheme.group_size == other.group_size &&
           scheme.packed == other.packed;
  }
};

std::vector<ConfigGroup> collect_groups(const std::vector<TensorPlan> &plans) {
  std::vector<ConfigGroup> groups;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].decision != Decision::kQuantize) {
      continue;
    }
    auto group = std::find_if(groups.begin(), groups.end(), [&](const ConfigGroup &candidate) {
      return candidate.takes(plans[i].scheme);
    });
    if (group == groups.end()) {
      groups.push_back({plans[i].scheme, {}});
      group = groups.end() - 1;
    }
    group->members.push_back(i);
  }
  return groups;
}

} // namespace

std::vector<Output> quantized_outputs(const catalog::Tensor &tensor, const TensorPlan &plan) {
  const quant::Scheme &scheme = plan.scheme;
  std::vector<Output> outputs;
  const std::vector<uint64_t> scale_shape = scheme.strategy == Strategy::kTensor
                                                ? std::vector<uint64_t>{1}
                                                : row_shape(tensor, plan.rows, plan.groups());
  if (scheme.packed) {
    std::vector<uint64_t> packed_shape{plan.rows, plan.row_bytes() / 4};
    if (tensor.kind == LayerKind::kExperts) {
      packed_shape.insert(packed_shape.begin(), plan.matrices);
    }
    outputs.push_back(
        make_output(Role::kData, tensor.name + "_packed", Dtype::kI32, std::move(packed_shape)));
    outputs.push_back(
        make_output(Role::kShape, tensor.name + "_shape", Dtype::kI64, {tensor.shape.size()}));
  } else {
    outputs.push_back(make_output(Role::kData, tensor.name, Dtype::kI8, tensor.shape));
  }
  outputs.push_back(
      make_output(Role::kScale, tensor.name + "_scale", scheme.scale_dtype, scale_shape));
  if (!scheme.symmetric) {
    const std::string name = tensor.name + "_zero_point";
    if (scheme.packs_zero_points()) {
      const uint64_t words = divide_up(plan.rows * scheme.bits, 32);
      outputs.push_back(make_output(Role::kZeroPoint, name, Dtype::kI32,
                                    row_shape(tensor, words, plan.groups())));
    } else {
      outputs.push_back(make_output(Role::kZeroPoint, name, Dtype::kI8, scale_shape));
    }
  }
  return outputs;
}

std::string quantization_config(const catalog::Catalog &catalog,
                                const std::vector<TensorPlan> &plans) {
  const std::vector<ConfigGroup> groups = collect_groups(plans);
  const bool one_group = groups.size() == 1;
  const bool one_format = std::all_of(groups.begin(), groups.end(), [&](const ConfigGroup &group) {
    return group.scheme.packed == groups[0].scheme.packed;
  });

  std::set<std::string> classes; // that some target names
  Json config_groups = Json::object();
  for (size_t g = 0; g < groups.size(); ++g) {
    // With one scheme, classes say it all; with several, loaders need every module's name.
    std::set<std::string> targets;
    for (const size_t i : groups[g].members) {
      const catalog::Tensor &tensor = catalog.tensors[plans[i].source];
      const std::string_view by_class = one_group ? class_name(tensor.kind) : "";
      targets.insert(by_class.empty() ? target_name(tensor) : std::string(by_class));
      classes.insert(std::string(by_class));
    }
    Json group{{"targets", targets},
               {"weights", weights_json(groups[g].scheme)},
               {"input_activations", activations_json(groups[g].scheme)},
               {"output_activations", nullptr}};
    if (!one_format) {
      group["format"] = format_name(groups[g].scheme);
    }
    config_groups[concat("group_", g)] = std::move(group);
  }

  Json ignore = Json::array();
  for (const TensorPlan &plan : plans) {
    const catalog::Tensor &tensor = catalog.tensors[plan.source];
    const bool targeted = classes.contains(std::string(class_name(tensor.kind)));
    if (plan.decision != Decision::kQuantize && targeted && !class_name(tensor.kind).empty()) {
      ignore.push_back(target_name(tensor));
    }
  }
  const std::string_view format = one_format ? format_name(groups[0].scheme) : "mixed-precision";
  return json_text({{"quant_method", "compressed-tensors"},
                    {"format", format},
                    {"quantization_status", "compressed"},
                    {"config_groups", std::move(config_groups)},
                    {"ignore", std::move(ignore)},
                    {"kv_cache_scheme", nullptr},
                    {"global_compression_ratio", nullptr},
                    {"version", kFormatVersion}});
}

} // namespace monoquant::plan
