#include "monoquant/llama_cpp/tensor_names.h"

#include <algorithm>
#include <array>

#include "monoquant/base/text.h"
#include "monoquant/catalog/gguf_names.h"

namespace monoquant::llama_cpp {
namespace {

struct NameRow {
  std::string_view module; // behind the number of its layer, or all of it
  std::string_view name;
};

constexpr std::array<NameRow, 3> kOutside = {{
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
}};

constexpr std::array<NameRow, 4> kNorms = {{
    {"input_layernorm", "attn_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"self_attn.q_norm", "attn_q_norm"}, // these two in Qwen 3 only
    {"self_attn.k_norm", "attn_k_norm"},
}};

/// Gemma 2 and 3 have norms behind attention and feed-forward, too; Gemma 2 none of queries and keys.
constexpr std::array<NameRow, 6> kGemmaNorms = {{
    {"input_layernorm", "attn_norm"},
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
}};

/// The matrices that a layer of these families has.
constexpr std::array<std::string_view, 7> kMatrices = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

constexpr std::array<std::string_view, 10> kOtherBeginnings = {
    "mlp",     "vit.",       "vpm.",           "siglip2.",          "conformer.",
    "merger.", "resampler.", "sound_encoder.", "sound_projection.", "speech_embeddings."};

constexpr std::array<std::string_view, 16> kOtherParts = {
    "visual.",         "vision.",        "vision_",     "audio.",        "audio_",
    "talker.",         "token2wav.",     "code2wav.",   "projector.",    "pre_mm_projector_norm",
    "image_newline",   "view_seperator", "patch_embed", "patch_merger.", "patch_merge_mlp.",
    "model.connector."};

constexpr std::array<std::string_view, 3> kBuffers = {".attention.masked_bias", ".attention.bias",
                                                      ".rotary_emb.inv_freq"};

constexpr std::string_view kLayers = "model.layers.";

/// Why a tensor is left out; empty if it is not.
std::string_view why_left_out(std::string_view name, Family family) {
  if ((family == Family::kGemma || family == Family::kGemma2) && name == "lm_head.weight") {
    return "llama.cpp takes the embedding in its place";
  }
  const auto begins = [&](std::string_view part) { return name.starts_with(part); };
  const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  const auto ends = [&](std::string_view part) { return name.ends_with(part); };
  if (std::any_of(kOtherBeginnings.begin(), kOtherBeginnings.end(), begins) ||
      std::any_of(kOtherParts.begin(), kOtherParts.end(), has)) {
    return "it belongs to a part for images or sound, which llama.cpp keeps in another file";
  }
  if (std::any_of(kBuffers.begin(), kBuffers.end(), ends)) {
    return "llama.cpp computes it";
  }
  return {};
}

std::string without(std::string name, std::string_view part) {
  size_t at = name.find(part);
  while (at != std::string::npos) {
    name.erase(at, part.size());
    at = name.find(part, at);
  }
  return name;
}

std::optional<std::string> name_of(std::span<const NameRow> rows, std::string_view module) {
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const NameRow &entry) { return entry.module == module; });
  return row == rows.end() ? std::nullopt : std::optional(std::string(row->name));
}

/// "model.layers.3.mlp.up_proj" → "blk.3.ffn_up".
std::optional<std::string> name_in_layer(std::string_view module, const Hyperparameters &model) {
  const std::string_view behind = module.substr(kLayers.size());
  const size_t digits = std::min(behind.size(), behind.find_first_not_of("0123456789"));
  if (digits == 0 || digits > 5 || digits + 1 >= behind.size() || behind[digits] != '.' ||
      (digits > 1 && behind[0] == '0')) {
    return std::nullopt;
  }
  uint32_t layer = 0;
  for (const char digit : behind.substr(0, digits)) {
    layer = layer * 10 + static_cast<uint32_t>(digit - '0');
  }
  if (layer >= model.layers) {
    return std::nullopt;
  }
  const std::string block = concat("blk.", layer, ".");
  const std::string_view rest = behind.substr(digits + 1);
  const bool is_sandwich = model.family == Family::kGemma2 || model.family == Family::kGemma3;
  const bool has_head_norms = model.family == Family::kQwen3 || model.family == Family::kGemma3;
  const auto norm = is_sandwich ? name_of(kGemmaNorms, rest) : name_of(kNorms, rest);
  if (norm) {
    const bool is_head_norm = rest.starts_with("self_attn.");
    return is_head_norm && !has_head_norms ? std::nullopt : std::optional(block + *norm);
  }
  const auto matrix = catalog::gguf_name(module);
  const bool is_known =
      matrix && std::any_of(kMatrices.begin(), kMatrices.end(), [&](std::string_view known) {
        return *matrix == block + std::string(known);
      });
  return is_known ? matrix : std::nullopt;
}

Fate with_change(Fate fate, std::string_view source, const Hyperparameters &model) {
  const auto is_of = [&](std::string_view part) {
    return source.ends_with(concat(part, ".weight")) || source.ends_with(concat(part, ".bias"));
  };
  if (model.family == Family::kLlama && (is_of("q_proj") || is_of("k_proj"))) {
    fate.change = Change::kInterleave;
    fate.heads = is_of("q_proj") ? model.heads : model.kv_heads;
  } else if (model.family >= Family::kGemma && source.ends_with("norm.weight")) {
    fate.change = Change::kAddOne;
  }
  return fate;
}

} // namespace

Result<Fate> fate_of(std::string_view tensor, const Hyperparameters &model) {
  std::string source(tensor);
  if (model.family == Family::kLlama) {
    source = without(std::move(source), "text_model.");
  }
  if (const std::string_view why = why_left_out(source, model.family); !why.empty()) {
    return Fate{{}, why, Change::kNone, 0};
  }
  source = without(std::move(source), "language_model.");
  if (model.lacks_model_prefix) {
    source.insert(0, "model.");
  }
  const size_t dot = source.rfind('.');
  const std::string_view suffix =
      dot == std::string::npos ? std::string_view() : std::string_view(source).substr(dot);
  const std::string_view module = std::string_view(source).substr(0, dot);
  const bool has_suffix = suffix == ".weight" || suffix == ".bias";
  const auto name = !has_suffix                   ? std::nullopt
                    : module.starts_with(kLayers) ? name_in_layer(module, model)
                                                  : name_of(kOutside, module);
  if (!name) {
    return Error{ErrorCode::kUnsupportedFormat,
                 concat("A GGUF file of llama.cpp's architecture \"", family_name(model.family),
                        "\" has no place for the tensor \"", tensor, "\"."),
                 concat("Check that the tensors are those of a ", model.architecture, " with ",
                        model.layers, " layers, or ignore the tensor."),
                 std::string(tensor),
                 {}};
  }
  return with_change({*name + std::string(suffix), {}, Change::kNone, 0}, source, model);
}

bool is_always_f32(std::string_view name, size_t dimensions) {
  return dimensions <= 1 || name.ends_with("_norm.weight") || !name.ends_with(".weight");
}

} // namespace monoquant::llama_cpp
