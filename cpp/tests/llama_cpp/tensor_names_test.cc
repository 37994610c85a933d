#include "monoquant/llama_cpp/tensor_names.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "support/llama_folder.h"

namespace monoquant::llama_cpp {
namespace {

Hyperparameters of_family(Family family) {
  Hyperparameters model;
  model.family = family;
  model.layers = 12;
  model.heads = 8;
  model.kv_heads = 2;
  return model;
}

/// "NAME", "NAME +1", "NAME heads 8"; "-" for what is left out, "?" for what has no place.
std::string fate(Family family, std::string_view name) {
  const auto found = fate_of(name, of_family(family));
  if (!found) {
    EXPECT_EQ(found.error().tensor, name);
    return "?";
  }
  const Fate &fate = found.value();
  EXPECT_EQ(fate.name.empty(), !fate.why.empty());
  return fate.name.empty()                    ? "-"
         : fate.change == Change::kInterleave ? concat(fate.name, " heads ", fate.heads)
         : fate.change == Change::kAddOne     ? fate.name + " +1"
                                              : fate.name;
}

TEST(LlamaTensorNames, each_family_has_its_own) {
  const std::string layer = "model.layers.11.";
  for (const Family family : {Family::kLlama, Family::kQwen2, Family::kQwen3}) {
    EXPECT_EQ(fate(family, "model.embed_tokens.weight"), "token_embd.weight");
    EXPECT_EQ(fate(family, "lm_head.weight"), "output.weight");
    EXPECT_EQ(fate(family, "model.norm.weight"), "output_norm.weight");
    EXPECT_EQ(fate(family, layer + "input_layernorm.weight"), "blk.11.attn_norm.weight");
    EXPECT_EQ(fate(family, layer + "post_attention_layernorm.weight"), "blk.11.ffn_norm.weight");
    EXPECT_EQ(fate(family, layer + "self_attn.v_proj.bias"), "blk.11.attn_v.bias");
    EXPECT_EQ(fate(family, layer + "self_attn.o_proj.weight"), "blk.11.attn_output.weight");
    EXPECT_EQ(fate(family, layer + "mlp.gate_proj.weight"), "blk.11.ffn_gate.weight");
    EXPECT_EQ(fate(family, layer + "mlp.up_proj.weight"), "blk.11.ffn_up.weight");
    EXPECT_EQ(fate(family, layer + "mlp.down_proj.weight"), "blk.11.ffn_down.weight");
    EXPECT_EQ(fate(family, layer + "pre_feedforward_layernorm.weight"), "?");
  }
  EXPECT_EQ(fate(Family::kLlama, layer + "self_attn.q_proj.weight"),
            "blk.11.attn_q.weight heads 8");
  EXPECT_EQ(fate(Family::kLlama, layer + "self_attn.k_proj.bias"), "blk.11.attn_k.bias heads 2");
  EXPECT_EQ(fate(Family::kQwen2, layer + "self_attn.q_proj.weight"), "blk.11.attn_q.weight");
  EXPECT_EQ(fate(Family::kQwen3, layer + "self_attn.q_norm.weight"), "blk.11.attn_q_norm.weight");
  EXPECT_EQ(fate(Family::kQwen2, layer + "self_attn.q_norm.weight"), "?");

  EXPECT_EQ(fate(Family::kGemma, "lm_head.weight"), "-");
  EXPECT_EQ(fate(Family::kGemma2, "lm_head.weight"), "-");
  EXPECT_EQ(fate(Family::kGemma3, "lm_head.weight"), "output.weight");
  EXPECT_EQ(fate(Family::kGemma, layer + "post_attention_layernorm.weight"),
            "blk.11.ffn_norm.weight +1");
  for (const Family family : {Family::kGemma2, Family::kGemma3}) {
    EXPECT_EQ(fate(family, "model.norm.weight"), "output_norm.weight +1");
    EXPECT_EQ(fate(family, "model.embed_tokens.weight"), "token_embd.weight");
    EXPECT_EQ(fate(family, layer + "post_attention_layernorm.weight"),
              "blk.11.post_attention_norm.weight +1");
    EXPECT_EQ(fate(family, layer + "pre_feedforward_layernorm.weight"),
              "blk.11.ffn_norm.weight +1");
    EXPECT_EQ(fate(family, layer + "post_feedforward_layernorm.weight"),
              "blk.11.post_ffw_norm.weight +1");
    EXPECT_EQ(fate(family, layer + "self_attn.k_proj.weight"), "blk.11.attn_k.weight");
  }
  EXPECT_EQ(fate(Family::kGemma3, layer + "self_attn.k_norm.weight"),
            "blk.11.attn_k_norm.weight +1");
}

TEST(LlamaTensorNames, other_parts_and_buffers_are_left_out) {
  for (const char *name :
       {"vision_tower.encoder.layers.0.self_attn.q_proj.weight",
        "multi_modal_projector.mm_input_projection_weight", "model.vision.patch_embed.proj.weight",
        "audio_tower.conv1.weight", "mlp1.0.weight", "model.layers.0.self_attn.rotary_emb.inv_freq",
        "h.0.attention.bias"}) {
    EXPECT_EQ(fate(Family::kGemma3, name), "-") << name;
  }
  EXPECT_EQ(fate(Family::kGemma3, "language_model.model.layers.1.mlp.up_proj.weight"),
            "blk.1.ffn_up.weight");
  EXPECT_EQ(fate(Family::kGemma3, "model.language_model.layers.1.mlp.up_proj.weight"),
            "blk.1.ffn_up.weight");
}

TEST(LlamaTensorNames, what_has_no_place_is_an_error) {
  for (const char *name :
       {"model.layers.12.mlp.up_proj.weight", "model.layers.x.mlp.up_proj.weight",
        "model.layers.01.mlp.up_proj.weight", "model.layers..mlp.up_proj.weight",
        "model.layers.1.weight", "model.layers.1..weight",
        "model.layers.99999999999.mlp.up_proj.weight",
        "model.layers.1.mlp.experts.0.up_proj.weight", "model.layers.1.mlp.up_proj.weight_scale",
        "model.layers.1.self_attn.qkv_proj.weight", "model.norm", "weight", "", ".weight",
        "layers.1.mlp.up_proj.weight", "score.weight"}) {
    EXPECT_EQ(fate(Family::kLlama, name), "?") << name;
  }
  Hyperparameters bare = of_family(Family::kLlama);
  bare.lacks_model_prefix = true;
  const auto found = fate_of("layers.1.mlp.up_proj.weight", bare);
  ASSERT_TRUE(found);
  EXPECT_EQ(found.value().name, "blk.1.ffn_up.weight");
}

TEST(LlamaTensorNames, rows_norms_and_biases_stay_f32) {
  EXPECT_FALSE(is_always_f32("blk.0.attn_q.weight", 2));
  EXPECT_FALSE(is_always_f32("token_embd.weight", 2));
  EXPECT_TRUE(is_always_f32("blk.0.attn_q.bias", 2));
  EXPECT_TRUE(is_always_f32("blk.0.attn_norm.weight", 2));
  EXPECT_TRUE(is_always_f32("blk.0.attn_q.weight", 1));
}

TEST(LlamaModel, tensors_come_file_by_file_and_by_name) {
  const std::vector<uint64_t> matrix = {64, 64};
  std::vector<SourceTensor> sources;
  for (const char *name :
       {"model.layers.2.mlp.up_proj.weight", "model.layers.10.mlp.up_proj.weight",
        "model.embed_tokens.weight", "lm_head.weight"}) {
    sources.push_back({name, matrix, Dtype::kBF16, 0});
  }
  sources[2].file = 1;
  const auto folder = test::small_folder({{"num_hidden_layers", 11}});
  const auto model = make_llama_model(folder.files(), sources, {});
  ASSERT_TRUE(model) << model.error().message;
  std::vector<std::string> names;
  for (const ModelTensor &tensor : model.value().tensors) {
    names.push_back(tensor.name);
    EXPECT_EQ(tensor.shape, matrix);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"output.weight", "blk.10.ffn_up.weight",
                                             "blk.2.ffn_up.weight", "token_embd.weight"}));
  EXPECT_EQ(model.value().tensors[1].source, 1U);
}

TEST(LlamaModel, shapes_and_types_that_cannot_be_are_refused) {
  const auto folder = test::small_folder();
  const auto code_of = [&](const char *name, std::vector<uint64_t> shape, Dtype dtype) {
    const SourceTensor source{name, shape, dtype, 0};
    const auto model = make_llama_model(folder.files(), std::span(&source, 1), {});
    return model ? std::string("made") : std::string(error_code_name(model.error().code));
  };
  const char *query = "model.layers.0.self_attn.q_proj.weight";
  EXPECT_EQ(code_of(query, {8, 4}, Dtype::kF16), "made");
  EXPECT_EQ(code_of(query, {6, 4}, Dtype::kF16), "unsupported-format"); // heads of one and a half
  EXPECT_EQ(code_of(query, {4, 4}, Dtype::kF16), "unsupported-format"); // of one
  EXPECT_EQ(code_of(query, {}, Dtype::kF16), "unsupported-format");
  EXPECT_EQ(code_of(query, {8, 4}, Dtype::kI8), "unsupported-format");
  EXPECT_EQ(code_of("model.norm.weight", {1ULL << 40U, 1ULL << 40U}, Dtype::kF32),
            "limit-exceeded");
}

TEST(LlamaModel, a_tied_output_is_not_made_up) {
  test::LlamaFolder folder = test::read_llama_folder("qwen2");
  folder.configure("tie_word_embeddings", false); // decides nothing: the file does
  const auto model = folder.model({.pretokenizer = "qwen2"});
  ASSERT_TRUE(model);
  for (const ModelTensor &tensor : model.value().tensors) {
    EXPECT_NE(tensor.name, "output.weight");
  }
}

TEST(LlamaModel, gemma_3_keeps_the_rows_that_are_tokens) {
  test::LlamaFolder folder = test::read_llama_folder("gemma2");
  folder.configure("architectures", {"Gemma3ForCausalLM"});
  folder.configure("model_type", "gemma3_text");
  folder.configure("attn_logit_softcapping", nullptr);
  folder.configure("vocab_size", 318);
  const auto model = folder.model();
  ASSERT_TRUE(model) << model.error().message;
  const ModelTensor &embedding = model.value().tensors[0];
  EXPECT_EQ(embedding.name, "token_embd.weight");
  EXPECT_EQ(embedding.change, Change::kCut);
  EXPECT_EQ(embedding.shape, (std::vector<uint64_t>{318, 32}));
  // Another family keeps what there is.
  folder.configure("architectures", {"Gemma2ForCausalLM"});
  folder.configure("attn_logit_softcapping", 50.0);
  const auto whole = folder.model();
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole.value().tensors[0].shape[0], 320U);
  const auto *tokens = whole.value().keys.find("tokenizer.ggml.tokens");
  EXPECT_EQ(std::get<std::vector<std::string>>(*tokens).size(), 318U);
}

} // namespace
} // namespace monoquant::llama_cpp
