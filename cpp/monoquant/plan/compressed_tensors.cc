#include "monoquant/plan/compressed_tensors.h"

#include <algorithm>
#include <map>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/plan/loaders.h"

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

bool is_recurrent(LayerKind kind) {
  return kind == LayerKind::kLstm || kind == LayerKind::kGru || kind == LayerKind::kRnn;
}

std::string_view format_name(const quant::Scheme &scheme) {
  return scheme.packed ? "pack-quantized" : "int-quantized";
}

void write_weights(JsonWriter &json, const quant::Scheme &scheme) {
  json.begin_object();
  json.member("num_bits", scheme.bits);
  json.member("type", "int");
  json.member("symmetric", scheme.symmetric);
  switch (scheme.strategy) {
  case Strategy::kTensor:
    json.member("strategy", "tensor");
    break;
  case Strategy::kChannel:
    json.member("strategy", "channel");
    break;
  case Strategy::kGroup:
    json.member("strategy", "group");
    json.member("group_size", scheme.group_size);
    break;
  }
  json.member("dynamic", false);
  json.end();
}

/// Embeddings look rows up: their inputs are indices.
bool has_activations(const catalog::Tensor &tensor, const quant::Scheme &scheme) {
  return !scheme.packed && tensor.kind != LayerKind::kEmbedding;
}

void write_activations(JsonWriter &json, const InputPlan *input) {
  json.begin_object();
  json.member("num_bits", 8);
  json.member("type", "int");
  json.member("symmetric", input == nullptr || input->symmetric);
  json.member("strategy", input == nullptr ? "token" : "tensor");
  json.member("dynamic", input == nullptr);
  json.end();
}

/// Tensors of one scheme: one entry of config_groups.
struct ConfigGroup {
  quant::Scheme scheme;
  bool activations = false;         // whether they are quantized, too
  const InputPlan *input = nullptr; // of its first member; all have one, or none has
  std::vector<size_t> members;      // tensors of the catalog

  [[nodiscard]] bool takes(const quant::Scheme &other, bool others_activations,
                           const InputPlan *other_input) const {
    return activations == others_activations && (input == nullptr) == (other_input == nullptr) &&
           scheme.bits == other.bits && scheme.symmetric == other.symmetric &&
           scheme.strategy == other.strategy && scheme.group_size == other.group_size &&
           scheme.packed == other.packed;
  }
};

/// How targets and ignore lists name a tensor: by its module, or by itself where that would not be enough.
class TargetNames {
public:
  TargetNames(const catalog::Catalog &catalog, const std::vector<ConfigGroup> &groups)
      : catalog_(catalog) {
    // A recurrent module has several weights; those of one module may have different schemes.
    std::vector<size_t> group_of(catalog.tensors.size(), groups.size());
    for (size_t g = 0; g < groups.size(); ++g) {
      for (const size_t tensor : groups[g].members) {
        group_of[tensor] = g;
      }
    }
    std::map<std::string_view, size_t> first_group;
    for (size_t i = 0; i < catalog.tensors.size(); ++i) {
      if (is_recurrent(catalog.tensors[i].kind)) {
        const std::string_view module = catalog::module_name(catalog.tensors[i].name);
        if (first_group.try_emplace(module, group_of[i]).first->second != group_of[i]) {
          divided_.insert(module);
        }
      }
    }
  }

  [[nodiscard]] std::string operator()(size_t index) const {
    const catalog::Tensor &tensor = catalog_.tensors[index];
    const std::string_view module = catalog::module_name(tensor.name);
    const bool names_module = tensor.name.ends_with(".weight") || is_recurrent(tensor.kind);
    const bool whole = names_module && !module.empty() && !divided_.contains(module);
    return std::string(whole ? module : std::string_view(tensor.name));
  }

  /// Whether a class name may stand for this tensor.
  [[nodiscard]] bool is_divided(size_t index) const {
    return divided_.contains(catalog::module_name(catalog_.tensors[index].name));
  }

private:
  const catalog::Catalog &catalog_;
  std::set<std::string_view> divided_; // modules whose weights differ
};

/// What is decided about a tensor: for a tied one, about the tensor that it is tied to.
const TensorPlan &decided(const catalog::Catalog &catalog, const std::vector<TensorPlan> &plans,
                          const TensorPlan &entry) {
  return entry.decision == Decision::kTie ? plans[*catalog.tensors[entry.source].tied_to] : entry;
}

/// Classes by names and shapes alone, as whoever has only the output sees them: a pickle may know better.
std::vector<std::string_view> classes_by_name(const catalog::Catalog &catalog) {
  std::vector<catalog::Tensor> tensors = catalog.tensors;
  const bool typed = std::any_of(tensors.begin(), tensors.end(), [](const catalog::Tensor &tensor) {
    return !tensor.module_type.empty();
  });
  if (typed) {
    for (catalog::Tensor &tensor : tensors) {
      tensor.module_type.clear();
    }
    catalog::classify(tensors);
  }
  std::vector<std::string_view> classes;
  classes.reserve(tensors.size());
  for (const catalog::Tensor &tensor : tensors) {
    classes.push_back(catalog::class_name(tensor));
  }
  return classes;
}

bool may_be_linear(const catalog::Tensor &tensor) {
  return tensor.shape.size() == 2 && tensor.name.ends_with(".weight");
}

std::vector<ConfigGroup> collect_groups(const catalog::Catalog &catalog,
                                        const std::vector<TensorPlan> &plans) {
  std::vector<ConfigGroup> groups;
  for (const TensorPlan &entry : plans) {
    const TensorPlan &plan = decided(catalog, plans, entry);
    if (plan.decision != Decision::kQuantize) {
      continue;
    }
    const bool activations = has_activations(catalog.tensors[entry.source], plan.scheme);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const ConfigGroup &candidate) {
      return candidate.takes(plan.scheme, activations, entry.input.get());
    });
    if (group == groups.end()) {
      groups.push_back({plan.scheme, activations, entry.input.get(), {}});
      group = groups.end() - 1;
    }
    group->members.push_back(entry.source);
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

std::vector<std::string> input_names(const catalog::Tensor &tensor, bool symmetric) {
  const std::string_view module = catalog::module_name(tensor.name);
  const std::string stem = concat(module, module.empty() ? "" : ".", "input");
  std::vector<std::string> names{stem + "_scale"};
  if (!symmetric) {
    names.push_back(stem + "_zero_point");
  }
  return names;
}

std::vector<Output> input_outputs(const catalog::Tensor &tensor, const InputPlan &input) {
  const std::vector<std::string> names = input_names(tensor, input.symmetric);
  std::vector<Output> outputs{make_output(Role::kInputScale, names[0], Dtype::kF32, {1})};
  if (!input.symmetric) {
    outputs.push_back(make_output(Role::kInputZeroPoint, names[1], Dtype::kI8, {1}));
  }
  return outputs;
}

std::string quantization_config(const catalog::Catalog &catalog,
                                const std::vector<TensorPlan> &plans) {
  const std::vector<ConfigGroup> groups = collect_groups(catalog, plans);
  const TargetNames target_name(catalog, groups);
  const bool one_group = groups.size() == 1;
  const bool one_format = std::all_of(groups.begin(), groups.end(), [&](const ConfigGroup &group) {
    return group.scheme.packed == groups[0].scheme.packed;
  });

  const std::vector<std::string_view> by_name = classes_by_name(catalog);
  std::set<std::string, std::less<>> targeted;  // by class or by name
  std::set<std::string, std::less<>> own_names; // one may be that of a class
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    own_names.insert(target_name(i));
  }
  JsonWriter json;
  json.begin_object();
  json.member("quant_method", "compressed-tensors");
  json.member("format", one_format ? format_name(groups[0].scheme) : "mixed-precision");
  json.member("quantization_status", "compressed");
  json.key("config_groups").begin_object();
  for (size_t g = 0; g < groups.size(); ++g) {
    // With one scheme, classes say it all; with several, loaders need every module's name.
    std::set<std::string> targets;
    for (const size_t i : groups[g].members) {
      const std::string_view by_class = catalog::class_name(catalog.tensors[i]);
      const bool is_known =
          !by_class.empty() && by_name[i] == by_class && !own_names.contains(by_class);
      if (one_group && is_known && !target_name.is_divided(i)) {
        targets.emplace(by_class);
      } else {
        targets.insert(target_name(i));
      }
    }
    targeted.insert(targets.begin(), targets.end());
    json.key(concat("group_", g)).begin_object();
    json.member("targets", targets);
    json.key("weights");
    write_weights(json, groups[g].scheme);
    json.key("input_activations");
    if (groups[g].activations) {
      write_activations(json, groups[g].input);
    } else {
      json.value(nullptr);
    }
    json.member("output_activations", nullptr);
    if (!one_format) {
      json.member("format", format_name(groups[g].scheme));
    }
    json.end();
  }
  json.end();
  std::set<std::string> ignored; // sorted, so that the order of a file does not matter
  for (const TensorPlan &plan : plans) {
    const catalog::Tensor &tensor = catalog.tensors[plan.source];
    // What looks like an embedding by its name may be a Linear: an entry that fits no layer does no harm.
    const bool is_meant = targeted.contains(catalog::class_name(tensor)) ||
                          targeted.contains(by_name[plan.source]) ||
                          (targeted.contains("Linear") && may_be_linear(tensor));
    if (decided(catalog, plans, plan).decision != Decision::kQuantize && is_meant) {
      for (std::string &name : names_on_loading(catalog, target_name(plan.source))) {
        ignored.insert(std::move(name));
      }
    }
  }
  // A class is the model's, not the file's: what has no tensor of its own would be looked for among the codes.
  if (targeted.contains("Linear")) {
    for (std::string &name : catalog::modules_without_tensors(catalog)) {
      ignored.insert(std::move(name));
    }
  }
  json.member("ignore", ignored);
  json.member("kv_cache_scheme", nullptr);
  json.member("global_compression_ratio", nullptr);
  json.member("version", kFormatVersion);
  json.end();
  return json.take();
}

} // namespace monoquant::plan
