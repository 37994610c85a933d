#include "monoquant/llama_cpp/mixture.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"

namespace monoquant::llama_cpp {
namespace {

struct MixtureRow {
  Mixture mixture;
  std::string_view name;
  GgmlType type; // of what no rule speaks of
};

constexpr std::array<MixtureRow, 21> kMixtures = {{
    {Mixture::kF32, "F32", GgmlType::kF32},
    {Mixture::kF16, "F16", GgmlType::kF16},
    {Mixture::kBf16, "BF16", GgmlType::kBf16},
    {Mixture::kQ40, "Q4_0", GgmlType::kQ40},
    {Mixture::kQ41, "Q4_1", GgmlType::kQ41},
    {Mixture::kQ50, "Q5_0", GgmlType::kQ50},
    {Mixture::kQ51, "Q5_1", GgmlType::kQ51},
    {Mixture::kQ80, "Q8_0", GgmlType::kQ80},
    {Mixture::kQ2K, "Q2_K", GgmlType::kQ2K},
    {Mixture::kQ2KS, "Q2_K_S", GgmlType::kQ2K},
    {Mixture::kQ3KS, "Q3_K_S", GgmlType::kQ3K},
    {Mixture::kQ3KM, "Q3_K_M", GgmlType::kQ3K},
    {Mixture::kQ3KL, "Q3_K_L", GgmlType::kQ3K},
    {Mixture::kQ4KS, "Q4_K_S", GgmlType::kQ4K},
    {Mixture::kQ4KM, "Q4_K_M", GgmlType::kQ4K},
    {Mixture::kQ5KS, "Q5_K_S", GgmlType::kQ5K},
    {Mixture::kQ5KM, "Q5_K_M", GgmlType::kQ5K},
    {Mixture::kQ6K, "Q6_K", GgmlType::kQ6K},
    {Mixture::kIq4Nl, "IQ4_NL", GgmlType::kIq4Nl},
    {Mixture::kIq4Xs, "IQ4_XS", GgmlType::kIq4Xs},
    {Mixture::kMxfp4Moe, "MXFP4_MOE", GgmlType::kMxfp4},
}};

const MixtureRow &row_of(Mixture mixture) {
  return *std::find_if(kMixtures.begin(), kMixtures.end(),
                       [&](const MixtureRow &row) { return row.mixture == mixture; });
}

/// Parts of names of tensors that stay as they are: routers of experts, small convolutions, tables that are added.
constexpr std::array<std::string_view, 33> kKeptParts = {"_norm.weight",
                                                         "ffn_gate_inp.weight",
                                                         "ffn_gate_tid2eid.weight",
                                                         "altup",
                                                         "laurel",
                                                         "per_layer_model_proj",
                                                         "ssm_conv1d",
                                                         "shortconv.conv.weight",
                                                         "indexer.k_proj.weight",
                                                         "indexer.q_proj.weight",
                                                         "time_mix_first.weight",
                                                         "time_mix_w0.weight",
                                                         "time_mix_w1.weight",
                                                         "time_mix_w2.weight",
                                                         "time_mix_v0.weight",
                                                         "time_mix_v1.weight",
                                                         "time_mix_v2.weight",
                                                         "time_mix_a0.weight",
                                                         "time_mix_a1.weight",
                                                         "time_mix_a2.weight",
                                                         "time_mix_g1.weight",
                                                         "time_mix_g2.weight",
                                                         "time_mix_decay_w1.weight",
                                                         "time_mix_decay_w2.weight",
                                                         "time_mix_lerp_fused.weight",
                                                         "attn_rel_b.weight",
                                                         ".position_embd",
                                                         "sam.pos_embd",
                                                         "sam.neck.",
                                                         "sam.net_",
                                                         ".rel_pos",
                                                         ".patch_embd",
                                                         ".patch_merger"};

/// What a tensor is for, as far as mixtures tell tensors apart.
enum class Role : uint8_t {
  kEmbedding,
  kOutput,
  kQueryKeyValue, // one matrix for all three
  kValue,
  kKey,
  kAttentionOutput,
  kDown,
  kOther,
};

bool has_part(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

Role role_of(std::string_view name) {
  if (name == "output.weight") {
    return Role::kOutput;
  }
  if (name == "token_embd.weight" || name == "per_layer_token_embd.weight") {
    return Role::kEmbedding;
  }
  if (has_part(name, "attn_qkv.weight")) {
    return Role::kQueryKeyValue;
  }
  if (has_part(name, "attn_kv_b.weight") || has_part(name, "attn_v.weight")) {
    return Role::kValue;
  }
  if (has_part(name, "attn_k.weight")) {
    return Role::kKey;
  }
  if (has_part(name, "attn_output.weight")) {
    return Role::kAttentionOutput;
  }
  return has_part(name, "ffn_down") ? Role::kDown : Role::kOther;
}

/// Dimensions without those of 1 in front.
size_t dimensions_of(std::span<const uint64_t> shape) {
  const auto first =
      std::find_if(shape.begin(), shape.end(), [](uint64_t extent) { return extent != 1; });
  return std::max<size_t>(static_cast<size_t>(shape.end() - first), 1);
}

bool is_quantized_at_all(const MixtureTensor &tensor) {
  return dimensions_of(tensor.shape) >= 2 && tensor.name.ends_with("weight") &&
         tensor.name != "position_embd.weight" && tensor.name != "token_types.weight" &&
         std::none_of(kKeptParts.begin(), kKeptParts.end(),
                      [&](std::string_view part) { return has_part(tensor.name, part); });
}

/// "blk.12.attn_q.weight" → 12; -1 for no layer.
int64_t layer_of(std::string_view name) {
  constexpr std::string_view kBlock = "blk.";
  if (!name.starts_with(kBlock)) {
    return -1;
  }
  int64_t layer = -1;
  for (const char digit : name.substr(kBlock.size())) {
    if (digit < '0' || digit > '9' || layer > INT32_MAX / 10) {
      break;
    }
    layer = std::max<int64_t>(layer, 0) * 10 + (digit - '0');
  }
  return layer;
}

/// The first and the last eighth of the layers, and every third between them.
bool gets_more_bits(int64_t layer, int64_t layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

/// Chooses tensor by tensor, in llama-quantize's order: rules count the tensors of a role that came before.
class Chooser {
public:
  Chooser(Mixture mixture, const MixtureFacts &facts, std::span<const MixtureTensor> tensors,
          bool has_importance)
      : mixture_(mixture), facts_(facts), has_importance_(has_importance) {
    for (const MixtureTensor &tensor : tensors) {
      const Role role = role_of(tensor.name);
      values_ += role == Role::kValue || role == Role::kQueryKeyValue ? 1 : 0;
      has_output_ = has_output_ || role == Role::kOutput;
    }
  }

  GgmlType choose(const MixtureTensor &tensor) {
    const GgmlType type = row_of(mixture_).type;
    const Role role = role_of(tensor.name);
    if (role == Role::kOutput || (role == Role::kEmbedding && !has_output_)) {
      return output(tensor, type);
    }
    if (is_mxfp4()) {
      return of_dense(tensor);
    }
    switch (role) {
    case Role::kValue:
    case Role::kQueryKeyValue:
      return value(type);
    case Role::kKey:
      return has_eight_experts() ? GgmlType::kQ80 : type;
    case Role::kDown:
      return down(tensor, type);
    case Role::kAttentionOutput:
      return attention_output(type);
    default:
      return type;
    }
  }

private:
  [[nodiscard]] bool is(Mixture one) const { return mixture_ == one; }
  [[nodiscard]] bool is_mxfp4() const { return is(Mixture::kMxfp4Moe); }
  [[nodiscard]] bool is_falcon() const { return facts_.architecture == "falcon"; }
  [[nodiscard]] bool has_eight_experts() const { return facts_.experts == 8; }
  [[nodiscard]] bool is_iq4() const { return is(Mixture::kIq4Nl) || is(Mixture::kIq4Xs); }
  /// Whether four heads or more share keys and values.
  [[nodiscard]] bool shares_values() const {
    return facts_.kv_heads != 0 && facts_.heads / facts_.kv_heads >= 4;
  }
  /// What llama.cpp calls a model of 70B: by its layers.
  [[nodiscard]] bool is_70b() const {
    const bool shares = facts_.heads != facts_.kv_heads;
    return facts_.layers == 80 &&
           ((facts_.architecture == "llama" && facts_.experts != 8 && shares) ||
            facts_.architecture == "qwen2" || facts_.architecture == "deci" ||
            facts_.architecture == "olmoe");
  }

  /// Experts, which are in three dimensions, are MXFP4; everything else is Q8_0.
  static GgmlType of_dense(const MixtureTensor &tensor) {
    const bool has_experts = tensor.shape.size() > 2 && tensor.shape[tensor.shape.size() - 3] > 1;
    return has_experts ? GgmlType::kMxfp4 : GgmlType::kQ80;
  }

  /// The output, or the embedding that stands in for it.
  [[nodiscard]] GgmlType output(const MixtureTensor &tensor, GgmlType type) const {
    const bool fits = tensor.shape.back() % block_values(type) == 0;
    return is_mxfp4() || is_falcon() || !fits || type == GgmlType::kQ80 ? GgmlType::kQ80
                                                                        : GgmlType::kQ6K;
  }

  GgmlType value(GgmlType type) {
    const int64_t layer = value_++;
    if (is(Mixture::kQ2K)) {
      type = shares_values() ? GgmlType::kQ4K : GgmlType::kQ3K;
    } else if (is(Mixture::kQ2KS) && shares_values()) {
      type = GgmlType::kQ4K;
    } else if (is(Mixture::kQ3KM)) {
      type = layer < 2 ? GgmlType::kQ5K : GgmlType::kQ4K;
    } else if (is(Mixture::kQ3KL) || (is_iq4() && shares_values()) ||
               (is(Mixture::kQ4KS) && layer < 4)) {
      type = GgmlType::kQ5K;
    } else if ((is(Mixture::kQ4KM) || is(Mixture::kQ5KM)) && gets_more_bits(layer, values_)) {
      type = GgmlType::kQ6K;
    }
    if (is_70b() && (type == GgmlType::kQ3K || type == GgmlType::kQ4K)) {
      type = GgmlType::kQ5K; // an eighth of the queries' size, so that more bits cost little
    }
    return has_eight_experts() ? GgmlType::kQ80 : type;
  }

  GgmlType down(const MixtureTensor &tensor, GgmlType type) {
    const int64_t count = down_++;
    const int64_t layer = facts_.experts > 1 ? layer_of(tensor.name) : count;
    const auto layers = static_cast<int64_t>(facts_.layers);
    const bool is_early = layer < layers / 8;
    switch (mixture_) {
    case Mixture::kQ2K:
      return GgmlType::kQ3K;
    case Mixture::kQ2KS:
      return is_early ? GgmlType::kQ4K : type;
    case Mixture::kQ3KM:
      if (layer < layers / 16) {
        return GgmlType::kQ5K;
      }
      return is_falcon() && !gets_more_bits(layer, layers) ? GgmlType::kQ3K : GgmlType::kQ4K;
    case Mixture::kQ3KL:
      return is_falcon() ? GgmlType::kQ4K : GgmlType::kQ5K;
    case Mixture::kQ4KM:
      if (is_falcon()) {
        return layer < layers / 16             ? GgmlType::kQ6K
               : gets_more_bits(layer, layers) ? GgmlType::kQ5K
                                               : GgmlType::kQ4K;
      }
      return gets_more_bits(layer, layers) ? GgmlType::kQ6K : type;
    case Mixture::kIq4Nl:
    case Mixture::kIq4Xs:
      return is_early && !has_importance_ ? GgmlType::kQ5K : type;
    case Mixture::kQ5KM:
      return gets_more_bits(layer, layers) ? GgmlType::kQ6K : type;
    case Mixture::kQ4KS:
      return is_early && !is_falcon() ? GgmlType::kQ5K : type;
    case Mixture::kQ40:
      return is_early && has_importance_ ? GgmlType::kQ41 : type;
    case Mixture::kQ50:
      return is_early && has_importance_ ? GgmlType::kQ51 : type;
    default:
      return type;
    }
  }

  [[nodiscard]] GgmlType attention_output(GgmlType type) const {
    if (is_falcon()) {
      return is(Mixture::kQ3KL) ? GgmlType::kQ4K : type;
    }
    if (has_eight_experts()) {
      const bool is_small = is(Mixture::kQ2K) || is(Mixture::kQ3KS) || is(Mixture::kQ3KM) ||
                            is(Mixture::kQ4KS) || is(Mixture::kQ4KM) || is_iq4();
      return is_small ? GgmlType::kQ5K : type;
    }
    return is(Mixture::kQ2K)    ? GgmlType::kQ3K
           : is(Mixture::kQ3KM) ? GgmlType::kQ4K
           : is(Mixture::kQ3KL) ? GgmlType::kQ5K
                                : type;
  }

  Mixture mixture_;
  const MixtureFacts &facts_;
  bool has_importance_;
  bool has_output_ = false; // else the embedding stands in for it
  int64_t values_ = 0;      // tensors of values, in all
  int64_t value_ = 0;       // that came so far
  int64_t down_ = 0;
};

/// Another type where blocks do not divide the rows.
GgmlType fitting(GgmlType type, uint64_t row) {
  if (row % block_values(type) == 0) {
    return type;
  }
  GgmlType other = GgmlType::kF16;
  switch (type) {
  case GgmlType::kIq4Xs:
    other = GgmlType::kIq4Nl;
    break;
  case GgmlType::kQ2K:
  case GgmlType::kQ3K:
    other = GgmlType::kQ40;
    break;
  case GgmlType::kQ4K:
    other = GgmlType::kQ50;
    break;
  case GgmlType::kQ5K:
    other = GgmlType::kQ51;
    break;
  case GgmlType::kQ6K:
    other = GgmlType::kQ80;
    break;
  default:
    break;
  }
  return row % block_values(other) == 0 ? other : GgmlType::kF16;
}

} // namespace

std::optional<Mixture> mixture_from_name(std::string_view name) {
  std::string wanted = lower_case(name);
  if (wanted == "q3_k" || wanted == "q4_k" || wanted == "q5_k") {
    wanted += "_m";
  }
  const auto *row = std::find_if(kMixtures.begin(), kMixtures.end(), [&](const MixtureRow &entry) {
    return lower_case(entry.name) == wanted;
  });
  return row == kMixtures.end() ? std::nullopt : std::optional(row->mixture);
}

std::string_view mixture_name(Mixture mixture) { return row_of(mixture).name; }

uint32_t block_values(GgmlType type) {
  switch (type) {
  case GgmlType::kF32:
  case GgmlType::kF16:
  case GgmlType::kBf16:
    return 1;
  case GgmlType::kQ2K:
  case GgmlType::kQ3K:
  case GgmlType::kQ4K:
  case GgmlType::kQ5K:
  case GgmlType::kQ6K:
  case GgmlType::kIq4Xs:
    return 256;
  default:
    return 32;
  }
}

std::vector<size_t> mixture_order(std::span<const MixtureTensor> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  sort(order, [&](size_t a, size_t b) {
    const int64_t layer_a = layer_of(tensors[a].name);
    const int64_t layer_b = layer_of(tensors[b].name);
    return layer_a != layer_b ? layer_a < layer_b : tensors[a].name < tensors[b].name;
  });
  return order;
}

Result<std::vector<GgmlType>> mixture_types(Mixture mixture, const MixtureFacts &facts,
                                            std::span<const MixtureTensor> tensors,
                                            bool has_importance) {
  std::vector<GgmlType> types(tensors.size());
  const GgmlType plain = row_of(mixture).type;
  Chooser chooser(mixture, facts, tensors, has_importance);
  for (const size_t index : mixture_order(tensors)) {
    const MixtureTensor &tensor = tensors[index];
    if (!is_quantized_at_all(tensor)) {
      types[index] = tensor.kept;
      continue;
    }
    types[index] =
        block_values(plain) == 1 ? plain : fitting(chooser.choose(tensor), tensor.shape.back());
    const Role role = role_of(tensor.name);
    const bool is_at_an_end = role == Role::kEmbedding || role == Role::kOutput;
    if (mixture == Mixture::kQ2KS && types[index] == GgmlType::kQ2K && !is_at_an_end &&
        !has_importance) {
      return Error{ErrorCode::kInvalidOptions,
                   "The mixture Q2_K_S needs to know what each input weighs.",
                   "Give statistics of the inputs, or choose Q2_K.",
                   std::string(tensor.name),
                   {}};
    }
  }
  return types;
}

} // namespace monoquant::llama_cpp
