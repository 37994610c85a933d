#include "monoquant/llama_cpp/model_keys.h"

#include "monoquant/base/text.h"

namespace monoquant::llama_cpp {
namespace {

using container::GgufKeys;

/// Sets keys that begin with the architecture's name.
class ModelKeys {
public:
  ModelKeys(const Hyperparameters &model, GgufKeys &keys) : model_(model), keys_(keys) {}

  void count(std::string_view name, uint32_t value) { keys_.set(full(name), value); }
  void number(std::string_view name, double value) {
    keys_.set(full(name), static_cast<float>(value)); // all of them fit
  }
  void number(std::string_view name, std::optional<double> value) {
    if (value) {
      number(name, *value);
    }
  }
  void text(std::string_view name, std::string value) { keys_.set(full(name), std::move(value)); }
  void flag(std::string_view name, bool value) { keys_.set(full(name), value); }

private:
  [[nodiscard]] std::string full(std::string_view name) const {
    return concat(family_name(model_.family), ".", name);
  }

  const Hyperparameters &model_;
  GgufKeys &keys_;
};

void add_rope(const Rope &rope, ModelKeys &keys) {
  if (rope.type == "linear" && rope.factor) {
    keys.text("rope.scaling.type", "linear");
    keys.number("rope.scaling.factor", rope.factor);
  } else if (rope.type == "yarn" && rope.factor) {
    keys.text("rope.scaling.type", "yarn");
    keys.number("rope.scaling.factor", rope.factor);
    keys.count("rope.scaling.original_context_length",
               static_cast<uint32_t>(rope.original_context.value_or(0)));
    keys.number("rope.scaling.yarn_ext_factor", rope.extrapolation_factor);
    keys.number("rope.scaling.yarn_attn_factor", rope.attention_factor);
    keys.number("rope.scaling.yarn_beta_fast", rope.beta_fast);
    keys.number("rope.scaling.yarn_beta_slow", rope.beta_slow);
  } else if (rope.type == "longrope" || rope.type == "su") {
    keys.text("rope.scaling.type", "longrope");
  }
  keys.number("rope.freq_base", rope.theta);
  keys.number("rope.freq_base_swa", rope.theta_sliding);
}

void add_head_width(const Hyperparameters &model, ModelKeys &keys) {
  if (model.head_width) {
    keys.count("attention.key_length", *model.head_width);
    keys.count("attention.value_length", *model.head_width);
  }
}

/// What all but Gemma 1 and 2 have.
void add_shared(const Hyperparameters &model, ModelKeys &keys) {
  keys.count("block_count", model.layers);
  keys.count("context_length", model.context);
  keys.count("embedding_length", model.width);
  keys.count("feed_forward_length", model.feed_forward);
  keys.count("attention.head_count", model.heads);
  keys.count("attention.head_count_kv", model.kv_heads);
  if (!model.is_causal) {
    keys.flag("attention.causal", false);
  }
  add_rope(model.rope, keys);
  keys.number("attention.layer_norm_rms_epsilon", model.norm_epsilon);
  add_head_width(model, keys);
}

/// Gemma 1 and 2 have the same in an order of their own, without positions.
void add_gemma(const Hyperparameters &model, ModelKeys &keys) {
  keys.count("context_length", model.context);
  keys.count("embedding_length", model.width);
  keys.count("block_count", model.layers);
  keys.count("feed_forward_length", model.feed_forward);
  keys.count("attention.head_count", model.heads);
  keys.count("attention.head_count_kv", model.kv_heads);
  keys.number("attention.layer_norm_rms_epsilon", model.norm_epsilon);
  add_head_width(model, keys);
}

} // namespace

void add_model_keys(const Hyperparameters &model, uint32_t file_type, GgufKeys &keys) {
  ModelKeys of_model(model, keys);
  const bool is_gemma = model.family == Family::kGemma || model.family == Family::kGemma2;
  is_gemma ? add_gemma(model, of_model) : add_shared(model, of_model);
  keys.set("general.file_type", file_type);
  switch (model.family) {
  case Family::kLlama:
    if (model.vocabulary) {
      of_model.count("vocab_size", *model.vocabulary);
    }
    of_model.count("rope.dimension_count", model.head_width.value_or(model.width / model.heads));
    break;
  case Family::kGemma2:
    of_model.number("attn_logit_softcapping", model.attention_cap);
    of_model.number("final_logit_softcapping", model.output_cap);
    of_model.count("attention.sliding_window", model.sliding_window.value_or(0));
    break;
  case Family::kGemma3:
    if (model.output_cap.value_or(0) != 0) {
      of_model.number("final_logit_softcapping", model.output_cap);
    }
    if (model.slides) {
      of_model.count("attention.sliding_window", model.sliding_window.value_or(0));
    }
    break;
  case Family::kQwen2:
  case Family::kQwen3:
  case Family::kGemma:
    break;
  }
}

} // namespace monoquant::llama_cpp
