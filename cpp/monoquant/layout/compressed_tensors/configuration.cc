#include <algorithm>
#include <map>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/compressed_tensors/compressed_tensors.h"
#include "monoquant/layout/loaders.h"

namespace monoquant::layout::compressed_tensors {
namespace {

using catalog::LayerKind;
using quant::Strategy;

// The releases of the format whose rules these files follow: the second where it has to know types of scales.
constexpr std::string_view kFormatVersion = "0.11.0";
constexpr std::string_view kScaleTypesVersion = "0.13.0";

bool is_recurrent(LayerKind kind) {
  return kind == LayerKind::kLstm || kind == LayerKind::kGru || kind == LayerKind::kRnn;
}

std::string_view format_name(const Stored &stored) {
  if (is_paired(stored)) {
    return has_exponents(stored) ? "mxfp4-pack-quantized" : "nvfp4-pack-quantized";
  }
  if (!stored.scheme.has_kernels()) {
    return has_exponents(stored) ? "mxfp8-quantized"
           : stored.weights_only ? "naive-quantized"
                                 : "float-quantized";
  }
  return is_packed(stored) ? "pack-quantized" : "int-quantized";
}

/// What releases before 0.13 do not know, and what follows from the rest but where scales are no floats of their own.
void write_scale_type(JsonWriter &json, const Stored &stored) {
  if (has_exponents(stored)) {
    json.member("scale_dtype", "torch.uint8");
  } else if (stored.has_outer()) {
    json.member("scale_dtype", "torch.float8_e4m3fn");
  }
}

void write_weights(JsonWriter &json, const Stored &stored) {
  const quant::Scheme &scheme = stored.scheme;
  json.begin_object();
  json.member("num_bits", scheme.bits);
  json.member("type", scheme.has_kernels() ? "int" : "float");
  json.member("symmetric", scheme.symmetric);
  switch (scheme.strategy) {
  case Strategy::kTensor:
    json.member("strategy", "tensor");
    break;
  case Strategy::kChannel:
    json.member("strategy", "channel");
    break;
  case Strategy::kGroup:
    json.member("strategy", stored.has_outer() ? "tensor_group" : "group");
    json.member("group_size", scheme.group_size);
    break;
  case Strategy::kBlock:
    json.member("strategy", "block");
    json.key("block_structure").begin_array();
    json.value(scheme.block_rows);
    json.value(scheme.group_size);
    json.end();
    break;
  }
  json.member("dynamic", false);
  write_scale_type(json, stored);
  json.end();
}

/// Embeddings look rows up: their inputs are indices. NVFP4's inputs need a stored number.
bool has_activations(const catalog::Tensor &tensor, const Stored &stored,
                     const StoredInput *input) {
  return !stored.weights_only && tensor.kind != LayerKind::kEmbedding &&
         (!stored.has_outer() || input != nullptr);
}

/// As llm-compressor's schemes of these names have them. Groups of inputs are those of weights.
void write_float_activations(JsonWriter &json, const Stored &stored, const StoredInput *input) {
  const bool is_grouped = stored.scheme.cuts_rows();
  json.member("num_bits", stored.scheme.bits);
  json.member("type", "float");
  json.member("symmetric", true);
  if (stored.has_outer()) {
    json.member("strategy", "tensor_group");
  } else {
    json.member("strategy", is_grouped ? "group" : input == nullptr ? "token" : "tensor");
  }
  if (is_grouped) {
    json.member("group_size", stored.scheme.group_size);
  }
  if (stored.has_outer()) {
    json.member("dynamic", "local");
  } else {
    json.member("dynamic", input == nullptr);
  }
  write_scale_type(json, stored);
}

void write_activations(JsonWriter &json, const Stored &stored, const StoredInput *input) {
  json.begin_object();
  if (!stored.scheme.has_kernels()) {
    write_float_activations(json, stored, input);
  } else {
    json.member("num_bits", 8);
    json.member("type", "int");
    json.member("symmetric", input == nullptr || input->symmetric);
    json.member("strategy", input == nullptr ? "token" : "tensor");
    json.member("dynamic", input == nullptr);
  }
  json.end();
}

/// Tensors of one scheme: one entry of config_groups.
struct ConfigGroup {
  const Stored *stored = nullptr;     // of its first member
  bool activations = false;           // whether they are quantized, too
  const StoredInput *input = nullptr; // of its first member; all have one, or none has
  std::vector<size_t> members;        // tensors of the catalog

  [[nodiscard]] bool takes(const Stored &other, bool others_activations,
                           const StoredInput *other_input) const {
    const quant::Scheme &scheme = stored->scheme;
    return activations == others_activations && (input == nullptr) == (other_input == nullptr) &&
           scheme.bits == other.scheme.bits && scheme.symmetric == other.scheme.symmetric &&
           scheme.codebook == other.scheme.codebook && scheme.outer == other.scheme.outer &&
           scheme.strategy == other.scheme.strategy &&
           scheme.group_size == other.scheme.group_size &&
           format_name(*stored) == format_name(other);
  }
};

/// Whether loaders look for this tensor under the name of its module.
bool is_of_module(const catalog::Tensor &tensor) {
  return (tensor.name.ends_with(".weight") || is_recurrent(tensor.kind)) &&
         !catalog::module_name(tensor.name).empty();
}

/// How targets and ignore lists name a tensor: by its module, or by itself if that name also stands for a tensor that
/// is stored otherwise. What names a tensor itself counts more than what names its module or its class.
class TargetNames {
public:
  TargetNames(const catalog::Catalog &catalog, const std::vector<ConfigGroup> &groups,
              std::span<const std::string_view> by_name)
      : catalog_(catalog), group_of_(catalog.tensors.size(), kNone) {
    for (size_t g = 0; g < groups.size(); ++g) {
      for (const size_t tensor : groups[g].members) {
        group_of_[tensor] = g;
        classes_.insert(catalog::class_name(catalog.tensors[tensor]));
        classes_.insert(by_name[tensor]);
      }
    }
    for (size_t i = 0; i < catalog.tensors.size(); ++i) {
      note(catalog.tensors[i].name, group_of_[i]);
      if (is_of_module(catalog.tensors[i])) {
        note(catalog::module_name(catalog.tensors[i].name), group_of_[i]);
      }
    }
  }

  [[nodiscard]] std::string_view operator()(size_t index) const {
    const catalog::Tensor &tensor = catalog_.tensors[index];
    const std::string_view module = catalog::module_name(tensor.name);
    const bool whole = is_of_module(tensor) && groups_.at(module) == group_of_[index];
    return whole ? module : std::string_view(tensor.name);
  }

  /// Whether the name of its class may stand for this tensor, which no name may contradict.
  [[nodiscard]] bool is_of_class(size_t index, std::string_view name) const {
    const auto module = groups_.find(catalog::module_name(catalog_.tensors[index].name));
    return !groups_.contains(name) &&
           (module == groups_.end() || module->second == group_of_[index]);
  }

  /// Whether this name stands for nothing that is quantized.
  [[nodiscard]] bool may_be_ignored(std::string_view name) const {
    const auto found = groups_.find(name);
    return (found == groups_.end() || found->second == kNone) && !classes_.contains(name);
  }

  /// Whether it stands for nothing in the file.
  [[nodiscard]] bool is_free(std::string_view name) const {
    return !groups_.contains(name) && !classes_.contains(name);
  }

private:
  static constexpr size_t kNone = SIZE_MAX;        // left alone
  static constexpr size_t kSeveral = SIZE_MAX - 1; // groups, or a group and what is left alone

  void note(std::string_view name, size_t group) {
    const auto [noted, is_first] = groups_.try_emplace(name, group);
    noted->second = is_first || noted->second == group ? group : kSeveral;
  }

  const catalog::Catalog &catalog_;
  std::vector<size_t> group_of_;
  std::map<std::string_view, size_t> groups_; // of what a name stands for
  std::set<std::string_view> classes_;        // of what is quantized
};

/// Classes by names and shapes alone, as whoever has only the output sees them: a pickle may know better.
std::vector<std::string_view> classes_by_name(const catalog::Catalog &catalog) {
  const bool typed =
      std::any_of(catalog.tensors.begin(), catalog.tensors.end(),
                  [](const catalog::Tensor &tensor) { return !tensor.module_type.empty(); });
  std::vector<catalog::Tensor> untyped; // only if there are types: there may be many tensors
  if (typed) {
    untyped = catalog.tensors;
    for (catalog::Tensor &tensor : untyped) {
      tensor.module_type.clear();
    }
    catalog::classify(untyped);
  }
  std::vector<std::string_view> classes;
  classes.reserve(catalog.tensors.size());
  for (const catalog::Tensor &tensor : typed ? untyped : catalog.tensors) {
    classes.push_back(catalog::class_name(tensor));
  }
  return classes;
}

bool may_be_linear(const catalog::Tensor &tensor) {
  return tensor.shape.size() == 2 && tensor.name.ends_with(".weight");
}

std::vector<ConfigGroup> collect_groups(const catalog::Catalog &catalog,
                                        std::span<const Described> tensors) {
  std::vector<ConfigGroup> groups;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto [stored, input] = tensors[i];
    if (stored == nullptr) {
      continue;
    }
    const bool activations = has_activations(catalog.tensors[i], *stored, input);
    auto group = groups.begin();
    while (group != groups.end() && !group->takes(*stored, activations, input)) {
      ++group;
    }
    if (group == groups.end()) {
      groups.push_back({stored, activations, input, {}});
      group = groups.end() - 1;
    }
    group->members.push_back(i);
  }
  return groups;
}

} // namespace

std::string target_text(std::string_view name) {
  constexpr std::string_view kExpression = "re:";
  if (!name.starts_with(kExpression)) {
    return std::string(name);
  }
  std::string text(kExpression);
  for (const char c : name) {
    const bool is_plain = c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                          (c >= 'a' && c <= 'z') || (c & 0x80) != 0;
    text.append(is_plain ? 0 : 1, '\\').push_back(c);
  }
  text.push_back('$');
  return text;
}

std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors) {
  const std::vector<ConfigGroup> groups = collect_groups(catalog, tensors);
  const std::vector<std::string_view> by_name = classes_by_name(catalog);
  const TargetNames target_name(catalog, groups, by_name);
  const bool one_group = groups.size() == 1;
  const bool one_format = std::all_of(groups.begin(), groups.end(), [&](const ConfigGroup &group) {
    return format_name(*group.stored) == format_name(*groups[0].stored);
  });

  std::set<std::string_view> targeted; // by class or by name
  JsonWriter json;
  json.begin_object();
  json.member("quant_method", kCompressedTensors.name);
  json.member("format", one_format ? format_name(*groups[0].stored) : "mixed-precision");
  json.member("quantization_status", "compressed");
  json.key("config_groups").begin_object();
  for (size_t g = 0; g < groups.size(); ++g) {
    // With one scheme, classes say it all; with several, loaders need every module's name.
    std::set<std::string_view> targets;
    for (const size_t i : groups[g].members) {
      const std::string_view by_class = catalog::class_name(catalog.tensors[i]);
      const bool is_known = !by_class.empty() && by_name[i] == by_class;
      const bool classed = one_group && is_known && target_name.is_of_class(i, by_class);
      targets.insert(classed ? by_class : target_name(i));
    }
    targeted.insert(targets.begin(), targets.end());
    json.key(concat("group_", g)).begin_object();
    std::set<std::string> texts;
    for (const std::string_view target : targets) {
      for (const std::string &name : names_on_loading(catalog, std::string(target))) {
        if (name == target || target_name.is_free(name)) {
          texts.insert(target_text(name));
        }
      }
    }
    json.member("targets", texts);
    json.key("weights");
    write_weights(json, *groups[g].stored);
    json.key("input_activations");
    if (groups[g].activations) {
      write_activations(json, *groups[g].stored, groups[g].input);
    } else {
      json.value(nullptr);
    }
    json.member("output_activations", nullptr);
    if (!one_format) {
      json.member("format", format_name(*groups[g].stored));
    }
    json.end();
  }
  json.end();
  std::set<std::string> ignored; // sorted, so that the order of a file does not matter
  const auto ignore = [&](std::string_view name, bool is_needed) {
    for (const std::string &other : names_on_loading(catalog, std::string(name))) {
      if (target_name.may_be_ignored(other) || (is_needed && other == name)) {
        ignored.insert(target_text(other));
      }
    }
  };
  for (size_t i = 0; i < tensors.size(); ++i) {
    const catalog::Tensor &tensor = catalog.tensors[i];
    // What looks like an embedding by its name may be a Linear: an entry that fits no layer does no harm.
    const bool is_meant =
        targeted.contains(catalog::class_name(tensor)) || targeted.contains(by_name[i]) ||
        (targeted.contains("Linear") && may_be_linear(tensor)) ||
        (is_of_module(tensor) && targeted.contains(catalog::module_name(tensor.name)));
    if (tensors[i].stored == nullptr && is_meant) {
      const std::string_view name = target_name(i);
      ignore(target_name.may_be_ignored(name) ? name : tensor.name, is_of_module(tensor));
    }
  }
  // A class is the model's, not the file's: what has no tensor of its own would be looked for among the codes.
  if (targeted.contains("Linear")) {
    for (const std::string &name : catalog::modules_without_tensors(catalog)) {
      ignore(name, false);
    }
  }
  json.member("ignore", ignored);
  json.member("kv_cache_scheme", nullptr);
  json.member("global_compression_ratio", nullptr);
  const bool has_scale_types =
      std::any_of(groups.begin(), groups.end(), [](const ConfigGroup &group) {
        return has_exponents(*group.stored) || group.stored->has_outer();
      });
  json.member("version", has_scale_types ? kScaleTypesVersion : kFormatVersion);
  json.end();
  return json.take();
}

} // namespace monoquant::layout::compressed_tensors
