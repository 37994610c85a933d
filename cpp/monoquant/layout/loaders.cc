#include "monoquant/layout/loaders.h"

#include <algorithm>
#include <array>

#include "monoquant/base/text.h"

namespace monoquant::layout {
namespace {

using catalog::LayerKind;

/// Models whose classes transformers cannot load from codes. Source: loading tiny random models of each type with
/// transformers 5.23 (docs/conformance.md).
struct LoadingFault {
  const char *model_type;
  bool packed_only;
};
constexpr std::array<LoadingFault, 27> kLoadingFaults = {{
    // Conversions of its checkpoints split a tensor in two, which refuses every tensor beside it.
    {"dinov2", false},
    {"dinov2_with_registers", false},
    // Its initialization reads the weights of Linear layers, which packed ones have not.
    {"dinov3_vit", true},
    {"falcon", true},
    {"falcon_mamba", true},
    {"gpt_bigcode", true},
    {"longt5", true},
    {"mamba", true},
    {"mamba2", true},
    {"modernbert", true},
    {"mt5", true},
    {"pop2piano", true},
    {"recurrent_gemma", true},
    {"resnet", true},
    {"rwkv", true},
    {"siglip", true},
    {"siglip2", true},
    {"switch_transformers", true},
    {"t5", true},
    {"udop", true},
    {"umt5", true},
    {"wav2vec2", true},
    {"wavlm", true},
    // Conversions of its checkpoints split fused weights, and with them the two numbers of a packed shape.
    {"gte", true},
    {"jina_embeddings_v3", true},
    {"nomic_bert", true},
    {"radio", true},
}};

/// Parts of names in files, and what transformers 5 calls them instead. Source: its conversion_mapping.
struct Renaming {
  std::string_view in_file;
  std::string_view on_loading;
};
constexpr std::array<Renaming, 3> kRenamings = {{
    {".block_sparse_moe.gate", ".mlp.router"},
    {".block_sparse_moe.", ".mlp."},
    {"language_model.lm_head", "lm_head"},
}};

/// The same for what a name begins with: parts of models that see and speak.
constexpr std::array<Renaming, 3> kPrefixes = {{
    {"language_model.model.", "model.language_model."},
    {"multi_modal_projector.", "model.multi_modal_projector."},
    {"vision_tower.", "model.vision_tower."},
}};

/// Models of pictures whose layers transformers 5 gives the names of the second table, one replacement after the other.
/// Source: its conversion_mapping, "ViTModel" and what maps to it.
constexpr std::array<std::string_view, 8> kVisionTypes = {
    "audio-spectrogram-transformer", "beit", "deit", "ijepa", "vit", "vit_mae", "vit_msn", "vivit"};
constexpr std::array<Renaming, 7> kVisionRenamings = {{
    {"encoder.layer.", "layers."},
    {"attention.query", "q_proj"},
    {"attention.key", "k_proj"},
    {"attention.value", "v_proj"},
    {"attention.output.dense", "attention.o_proj"},
    {"intermediate.dense", "mlp.fc1"},
    {"output.dense", "mlp.fc2"},
}};

bool names_its_class(const catalog::Catalog &catalog) {
  return catalog.model && !catalog.model->architectures.empty();
}

std::string in_vision(std::string name) {
  for (const Renaming &renaming : kVisionRenamings) {
    if (const size_t at = name.find(renaming.in_file); at != std::string::npos) {
      name.replace(at, renaming.in_file.size(), renaming.on_loading);
    }
  }
  return name;
}

bool is_linear_weight(const catalog::Tensor &tensor) {
  return catalog::class_name(tensor) == "Linear" && tensor.shape.size() == 2 &&
         (tensor.name == "weight" || tensor.name.ends_with(".weight"));
}

} // namespace

bool is_loadable(const catalog::Catalog &catalog, const catalog::Tensor &tensor) {
  return !names_its_class(catalog) ||
         (is_linear_weight(tensor) && tensor.kind != LayerKind::kRouter);
}

bool is_stacked_on_loading(const catalog::Catalog &catalog, const catalog::Tensor &tensor) {
  return names_its_class(catalog) && is_linear_weight(tensor) &&
         tensor.name.find(".experts.") != std::string::npos;
}

std::string_view fault_of_loading(const catalog::Catalog &catalog, bool packed) {
  if (!names_its_class(catalog)) {
    return {};
  }
  const auto *fault =
      std::find_if(kLoadingFaults.begin(), kLoadingFaults.end(), [&](const LoadingFault &entry) {
        return entry.model_type == catalog.model->model_type && (packed || !entry.packed_only);
      });
  return fault == kLoadingFaults.end() ? std::string_view()
         : fault->packed_only          ? "packed codes"
                                       : "codes";
}

std::vector<std::string> names_on_loading(const catalog::Catalog &catalog, std::string name) {
  std::vector<std::string> names{std::move(name)};
  for (const Renaming &renaming : kRenamings) {
    const size_t at = names[0].find(renaming.in_file);
    if (names_its_class(catalog) && at != std::string::npos) {
      std::string other = names[0];
      other.replace(at, renaming.in_file.size(), renaming.on_loading);
      names.push_back(std::move(other));
    }
  }
  for (const Renaming &renaming : kPrefixes) {
    if (names_its_class(catalog) && names[0].starts_with(renaming.in_file)) {
      names.push_back(
          concat(renaming.on_loading, std::string_view(names[0]).substr(renaming.in_file.size())));
    }
  }
  const bool is_vision =
      names_its_class(catalog) && std::find(kVisionTypes.begin(), kVisionTypes.end(),
                                            catalog.model->model_type) != kVisionTypes.end();
  if (std::string other = is_vision ? in_vision(names[0]) : names[0]; other != names[0]) {
    names.push_back(std::move(other));
  }
  return names;
}

std::string_view what_it_is(const catalog::Tensor &tensor) {
  if (tensor.kind == LayerKind::kExperts) {
    return "stacked experts";
  }
  if (tensor.kind == LayerKind::kRouter) {
    return "router";
  }
  const std::string_view name = catalog::class_name(tensor);
  if (name.empty()) {
    return "parameter of this kind";
  }
  return name == "Linear" ? "parameter that is no layer's `weight`" : name;
}

} // namespace monoquant::layout
