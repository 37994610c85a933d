#include "monoquant/catalog/layer_names.h"

#include <algorithm>
#include <array>

namespace monoquant::catalog {
namespace {

/// A row: words like the pattern, in which * at either end stands for anything, belong to layers of this kind. The
/// first row that fits counts.
struct LayerName {
  NamePart part;
  std::string_view pattern;
  LayerKind kind;
};

using enum LayerKind;
using enum NamePart;

constexpr auto kLayerNames = std::to_array<LayerName>({
    // Adapters: PEFT's LoRA, LoHa and LoKr, and those of diffusion models' trainers. A part of the same name that models
    // have of their own (RWKV's `w_lora`, InternLM's `Plora_A`) is none.
    {kAny, "lora_a", kAdapter},
    {kAny, "lora_b", kAdapter},
    {kAny, "lora_up", kAdapter},
    {kAny, "lora_down", kAdapter},
    {kAny, "lora_mid", kAdapter},
    {kAny, "lora_embedding_a", kAdapter},
    {kAny, "lora_embedding_b", kAdapter},
    {kAny, "lora_magnitude_vector", kAdapter},
    {kAny, "lora_linear_layer", kAdapter}, // diffusers before 0.18
    {kAny, "hada_w*", kAdapter},
    {kAny, "lokr_w*", kAdapter},
    {kAny, "oft_r", kAdapter},
    {kAny, "oft_blocks", kAdapter},

    // torch.nn.utils.weight_norm, before and since PyTorch 2.0: weight = g * v / |v|.
    {kParameter, "weight_g", kWeightNorm},
    {kParameter, "weight_v", kWeightNorm},
    {kParameter, "original0", kWeightNorm},
    {kParameter, "original1", kWeightNorm},

    {kParameter, "*bias", kBias},
    {kParameter, "bias_*", kBias},

    // Parameters of torch.nn.MultiheadAttention.
    {kParameter, "in_proj_weight", kLinear},
    {kParameter, "q_proj_weight", kLinear},
    {kParameter, "k_proj_weight", kLinear},
    {kParameter, "v_proj_weight", kLinear},

    {kModule, "*norm", kNorm},
    {kModule, "*layernorm*", kNorm},
    {kModule, "*layer_norm*", kNorm},
    {kModule, "*rmsnorm*", kNorm},
    {kModule, "*batchnorm*", kNorm},
    {kModule, "*batch_norm*", kNorm},
    {kModule, "*groupnorm*", kNorm},
    {kModule, "norm_*", kNorm},
    {kModule, "norm#", kNorm},
    {kModule, "bn#", kNorm},
    {kModule, "ln#", kNorm},
    {kModule, "ln_f", kNorm},
    {kModule, "grn", kNorm}, // ConvNeXt V2: global response

    {kModule, "lm_head", kHead},
    {kModule, "output", kHead},
    {kModule, "embed_out", kHead},
    {kModule, "score", kHead},
    {kModule, "head", kHead},
    {kModule, "classifier", kHead},

    // Routers of mixtures; a gate only beside experts.
    {kAny, "router", kRouter},
    {kModule, "ffn_gate_inp*", kRouter}, // llama.cpp
    {kModule, "gate", kRouter},
    {kModule, "wg", kRouter}, // Hunyuan
    {kModule, "shared_expert_gate", kRouter},

    // Stacks of experts, if they have three dimensions.
    {kAny, "experts", kExperts},
    {kModule, "input_linear", kExperts}, // Granite, JetMoE
    {kModule, "output_linear", kExperts},
    {kModule, "*_exps", kExperts},    // llama.cpp
    {kPile, "experts.mlp", kExperts}, // MegaBlocks: DBRX, Nomic's mixtures

    // The first projections of diffusion transformers: a few weights that everything goes through.
    {kModule, "*embedder", kEmbedding},

    // Linear layers behind or before a table.
    {kTable, "*embedding_projection", kLinear}, // Gemma 3n
    {kTable, "*unembed*", kLinear},
    {kTable, "*embeds_mapper", kLinear},   // aMUSEd
    {kTable, "conditioning_emb", kLinear}, // T5's spectrogram diffusion

    {kTable, "*embed*", kEmbedding},
    {kTable, "*_emb", kEmbedding},
    {kTable, "*_embd", kEmbedding}, // llama.cpp
    {kTable, "emb", kEmbedding},
    {kTable, "emb_*", kEmbedding},
    {kTable, "wte", kEmbedding},
    {kTable, "wpe", kEmbedding},
    {kTable, "shared", kEmbedding}, // T5
    {kTable, "*relative_attention_bias*", kEmbedding},
    {kTable, "*codebook*", kEmbedding},
    {kTable, "*_token", kEmbedding}, // SAM's decoder
    {kTable, "*_tokens", kEmbedding},
    {kTable, "pe_k", kEmbedding}, // SpeechT5
    {kTable, "position_encoding", kEmbedding},
    {kTable, "transformer.w", kEmbedding}, // CTRL
});

// Classes of torch.nn, without their package, and what their parameter `weight` is.
struct ModuleClass {
  std::string_view name;
  LayerKind kind;
};
constexpr auto kClasses = std::to_array<ModuleClass>({
    {"Linear", kLinear},
    {"NonDynamicallyQuantizableLinear", kLinear},
    {"MultiheadAttention", kLinear},
    {"Conv1d", kConv1d},
    {"Conv2d", kConv2d},
    {"Conv3d", kConv3d},
    {"ConvTranspose1d", kConvTranspose},
    {"ConvTranspose2d", kConvTranspose},
    {"ConvTranspose3d", kConvTranspose},
    {"LSTM", kLstm},
    {"LSTMCell", kLstm},
    {"GRU", kGru},
    {"GRUCell", kGru},
    {"RNN", kRnn},
    {"RNNCell", kRnn},
    {"Embedding", kEmbedding},
    {"EmbeddingBag", kEmbedding},
    {"BatchNorm1d", kNorm},
    {"BatchNorm2d", kNorm},
    {"BatchNorm3d", kNorm},
    {"SyncBatchNorm", kNorm},
    {"InstanceNorm1d", kNorm},
    {"InstanceNorm2d", kNorm},
    {"InstanceNorm3d", kNorm},
    {"LayerNorm", kNorm},
    {"GroupNorm", kNorm},
    {"RMSNorm", kNorm},
    {"PReLU", kOther},
    {"Bilinear", kOther},
    {"AdaptiveLogSoftmaxWithLoss", kOther},
});

// What the layers are called that GPT-2 and its kin store as [in, out].
constexpr auto kTransposedModules =
    std::to_array<std::string_view>({"c_attn", "q_attn", "c_proj", "c_fc"});

// Types of models that use transformers' Conv1D.
constexpr auto kTransposedTypes = std::to_array<std::string_view>(
    {"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp"});

/// * at either end stands for anything, # at the end for digits and underscores or nothing. A pattern of several words
/// is held against as many of the name's last ones.
bool matches(std::string_view word, std::string_view pattern) {
  if (pattern.find('.') != std::string_view::npos) { // several words
    const bool is_end = word.ends_with(pattern);
    return is_end &&
           (word.size() == pattern.size() || word[word.size() - pattern.size() - 1] == '.');
  }
  word.remove_prefix(word.rfind('.') + 1); // npos + 1 is 0
  const bool open_start = pattern.starts_with('*');
  pattern.remove_prefix(open_start ? 1 : 0);
  const char last = pattern.back();
  if (last != '*' && last != '#') {
    return open_start ? word.ends_with(pattern) : word == pattern;
  }
  pattern.remove_suffix(1);
  if (last == '*') {
    return open_start ? word.find(pattern) != std::string_view::npos : word.starts_with(pattern);
  }
  return word.starts_with(pattern) &&
         word.find_first_not_of("0123456789_", pattern.size()) == std::string_view::npos;
}

} // namespace

std::optional<LayerKind> kind_by_name(NamePart part, std::string_view word) {
  const auto *row =
      std::find_if(kLayerNames.begin(), kLayerNames.end(), [&](const LayerName &name) {
        return name.part == part && matches(word, name.pattern);
      });
  return row == kLayerNames.end() ? std::nullopt : std::optional(row->kind);
}

std::optional<LayerKind> kind_by_class(std::string_view name) {
  const auto *row = std::find_if(kClasses.begin(), kClasses.end(),
                                 [&](const ModuleClass &entry) { return entry.name == name; });
  return row == kClasses.end() ? std::nullopt : std::optional(row->kind);
}

bool may_be_transposed(std::string_view module) {
  return std::find(kTransposedModules.begin(), kTransposedModules.end(), module) !=
         kTransposedModules.end();
}

bool stores_transposed(std::string_view model_type) {
  return std::find(kTransposedTypes.begin(), kTransposedTypes.end(), model_type) !=
         kTransposedTypes.end();
}

} // namespace monoquant::catalog
