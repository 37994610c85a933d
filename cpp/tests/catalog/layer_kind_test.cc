#include "monoquant/catalog/layer_kind.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "support/catalog_builder.h"
#include "support/typescript.h"

namespace monoquant::catalog {
namespace {

using test::Entry;

/// A tensor of a published checkpoint and the kind that it should be taken for.
struct PublishedTensor {
  std::string name;
  std::vector<uint64_t> shape;
  std::string_view kind;
};

struct Model {
  std::string_view title;
  std::vector<PublishedTensor> rows;
};

const std::vector<Model> kModels = {
    {"ResNet50",
     {{"conv1.weight", {64, 3, 7, 7}, "conv2d"},
      {"bn1.weight", {64}, "norm"},
      {"bn1.bias", {64}, "bias"},
      {"bn1.running_mean", {64}, "norm"},
      {"bn1.num_batches_tracked", {}, "norm"},
      {"layer1.0.conv3.weight", {256, 64, 1, 1}, "conv2d"},
      {"layer1.0.downsample.0.weight", {256, 64, 1, 1}, "conv2d"},
      {"layer1.0.downsample.1.weight", {256}, "other"},
      {"fc.weight", {1000, 2048}, "linear"},
      {"fc.bias", {1000}, "bias"}}},
    {"VGG16",
     {{"features.0.weight", {64, 3, 3, 3}, "conv2d"},
      {"classifier.0.weight", {4096, 25088}, "linear"}}},
    {"Inception, video",
     {{"Conv2d_1a.conv.weight", {64, 3, 7, 7, 7}, "conv3d"},
      {"Conv2d_1a.batch3d.weight", {64}, "other"}}},
    {"BERT",
     {{"bert.embeddings.word_embeddings.weight", {30522, 768}, "embedding"},
      {"bert.embeddings.position_embeddings.weight", {512, 768}, "embedding"},
      {"bert.embeddings.LayerNorm.weight", {768}, "norm"},
      {"bert.embeddings.LayerNorm.gamma", {768}, "norm"},
      {"bert.embeddings.position_ids", {1, 512}, "other"},
      {"bert.encoder.layer.0.attention.self.query.weight", {768, 768}, "linear"},
      {"bert.encoder.layer.0.attention.self.query.bias", {768}, "bias"},
      {"bert.encoder.layer.0.attention.output.dense.weight", {768, 768}, "linear"},
      {"bert.encoder.layer.0.output.dense.weight", {768, 3072}, "linear"},
      {"bert.encoder.layer.0.output.LayerNorm.bias", {768}, "bias"},
      {"bert.pooler.dense.weight", {768, 768}, "linear"},
      {"cls.predictions.transform.dense.weight", {768, 768}, "linear"},
      {"classifier.weight", {2, 768}, "head"}}},
    {"GPT-2",
     {{"wte.weight", {50257, 768}, "embedding"},
      {"wpe.weight", {1024, 768}, "embedding"},
      {"h.0.ln_1.weight", {768}, "norm"},
      {"h.0.attn.bias", {1, 1, 1024, 1024}, "bias"},
      {"h.0.attn.c_attn.weight", {768, 2304}, "gpt2-conv1d"},
      {"h.0.attn.c_attn.bias", {2304}, "bias"},
      {"h.0.attn.c_proj.weight", {768, 768}, "gpt2-conv1d"}, // square: only its neighbours tell
      {"h.0.attn.c_proj.bias", {768}, "bias"},
      {"h.0.mlp.c_fc.weight", {768, 3072}, "gpt2-conv1d"},
      {"h.0.mlp.c_fc.bias", {3072}, "bias"},
      {"h.0.mlp.c_proj.weight", {3072, 768}, "gpt2-conv1d"},
      {"h.0.mlp.c_proj.bias", {768}, "bias"},
      {"ln_f.weight", {768}, "norm"},
      {"lm_head.weight", {50257, 768}, "head"}}},
    {"GPTBigCode: GPT-2's names, but ordinary linear layers",
     {{"transformer.h.0.attn.c_attn.weight", {2304, 2048}, "linear"},
      {"transformer.h.0.attn.c_attn.bias", {2304}, "bias"},
      {"transformer.h.0.mlp.c_fc.weight", {8192, 2048}, "linear"},
      {"transformer.h.0.mlp.c_fc.bias", {8192}, "bias"}}},
    {"LLaMA",
     {{"model.embed_tokens.weight", {32000, 4096}, "embedding"},
      {"model.layers.0.self_attn.q_proj.weight", {4096, 4096}, "linear"},
      {"model.layers.0.self_attn.rotary_emb.inv_freq", {64}, "other"},
      {"model.layers.0.mlp.gate_proj.weight", {11008, 4096}, "linear"},
      {"model.layers.0.mlp.down_proj.weight", {4096, 11008}, "linear"},
      {"model.layers.0.input_layernorm.weight", {4096}, "norm"},
      {"model.layers.0.post_attention_layernorm.weight", {4096}, "norm"},
      {"model.norm.weight", {4096}, "norm"},
      {"lm_head.weight", {32000, 4096}, "head"}}},
    {"LLaMA, the original names",
     {{"tok_embeddings.weight", {32000, 4096}, "embedding"},
      {"layers.0.attention.wq.weight", {4096, 4096}, "linear"},
      {"layers.0.feed_forward.w1.weight", {11008, 4096}, "linear"},
      {"layers.0.attention_norm.weight", {4096}, "norm"},
      {"norm.weight", {4096}, "norm"},
      {"output.weight", {32000, 4096}, "head"}}},
    {"Qwen3",
     {{"model.layers.0.self_attn.q_norm.weight", {128}, "norm"},
      {"model.layers.0.self_attn.k_proj.bias", {1024}, "bias"}}},
    {"a dense model with a layer called gate",
     {{"model.layers.0.mlp.gate.weight", {4096, 4096}, "linear"}}},
    {"Mixtral",
     {{"model.layers.0.block_sparse_moe.gate.weight", {8, 4096}, "router"},
      {"model.layers.0.block_sparse_moe.experts.0.w1.weight", {14336, 4096}, "linear"},
      {"model.layers.0.block_sparse_moe.experts.0.w2.weight", {4096, 14336}, "linear"}}},
    {"Qwen-MoE",
     {{"model.layers.0.mlp.gate.weight", {60, 2048}, "router"},
      {"model.layers.0.mlp.shared_expert_gate.weight", {1, 2048}, "router"},
      {"model.layers.0.mlp.shared_expert.gate_proj.weight", {5632, 2048}, "linear"},
      {"model.layers.0.mlp.experts.0.gate_proj.weight", {1408, 2048}, "linear"}}},
    {"Llama 4, GPT-OSS: stacks of experts",
     {{"model.layers.0.feed_forward.experts.gate_up_proj", {16, 5120, 16384}, "experts"},
      {"model.layers.0.feed_forward.experts.down_proj", {16, 8192, 5120}, "experts"},
      {"model.layers.0.mlp.experts.gate_up_proj_bias", {32, 5760}, "bias"},
      {"model.layers.0.feed_forward.router.weight", {16, 5120}, "router"},
      {"model.layers.0.mlp.experts.gate_up_proj_blocks", {32, 5760, 90, 16}, "other"}}},
    {"T5",
     {{"shared.weight", {32128, 768}, "embedding"},
      {"encoder.block.0.layer.0.SelfAttention.q.weight", {768, 768}, "linear"},
      {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
       {32, 12},
       "embedding"},
      {"encoder.block.0.layer.0.layer_norm.weight", {768}, "norm"},
      {"encoder.block.0.layer.1.DenseReluDense.wi_0.weight", {2048, 768}, "linear"},
      {"encoder.final_layer_norm.weight", {768}, "norm"},
      {"lm_head.weight", {32128, 768}, "head"}}},
    {"ViT",
     {{"vit.embeddings.cls_token", {1, 1, 768}, "other"},
      {"vit.embeddings.position_embeddings", {1, 197, 768}, "other"},
      {"vit.embeddings.patch_embeddings.projection.weight", {768, 3, 16, 16}, "conv2d"},
      {"vit.encoder.layer.0.attention.attention.query.weight", {768, 768}, "linear"},
      {"vit.encoder.layer.0.layernorm_before.weight", {768}, "norm"},
      {"vit.layernorm.weight", {768}, "norm"},
      {"classifier.weight", {1000, 768}, "head"}}},
    {"timm",
     {{"pos_embed", {1, 197, 768}, "other"},
      {"patch_embed.proj.weight", {768, 3, 16, 16}, "conv2d"},
      {"blocks.0.norm1.weight", {768}, "norm"},
      {"blocks.0.attn.qkv.weight", {2304, 768}, "linear"},
      {"blocks.0.ls1.gamma", {768}, "other"},
      {"fc_norm.weight", {768}, "norm"},
      {"head.weight", {1000, 768}, "head"}}},
    {"Whisper",
     {{"model.encoder.conv1.weight", {512, 80, 3}, "conv1d"},
      {"model.encoder.conv1.bias", {512}, "bias"},
      {"model.encoder.embed_positions.weight", {1500, 512}, "embedding"},
      {"model.encoder.layers.0.self_attn_layer_norm.weight", {512}, "norm"},
      {"model.encoder.layers.0.fc1.weight", {2048, 512}, "linear"},
      {"model.decoder.embed_tokens.weight", {51865, 512}, "embedding"},
      {"proj_out.weight", {51865, 512}, "linear"}}},
    {"CLIP",
     {{"text_model.embeddings.token_embedding.weight", {49408, 512}, "embedding"},
      {"text_model.encoder.layers.0.self_attn.k_proj.weight", {512, 512}, "linear"},
      {"vision_model.embeddings.class_embedding", {768}, "other"},
      {"vision_model.embeddings.patch_embedding.weight", {768, 3, 32, 32}, "conv2d"},
      {"vision_model.pre_layrnorm.weight", {768}, "norm"},
      {"visual_projection.weight", {512, 768}, "linear"},
      {"logit_scale", {}, "other"}}},
    {"PyTorch's own multi-head attention",
     {{"self_attn.in_proj_weight", {1536, 512}, "linear"},
      {"self_attn.in_proj_bias", {1536}, "bias"},
      {"self_attn.bias_k", {1, 1, 512}, "bias"},
      {"self_attn.out_proj.weight", {512, 512}, "linear"}}},
    {"LSTM in both directions",
     {{"lstm.weight_ih_l0", {1024, 80}, "lstm"},
      {"lstm.weight_hh_l0", {1024, 256}, "lstm"},
      {"lstm.bias_ih_l0", {1024}, "bias"},
      {"lstm.weight_ih_l0_reverse", {1024, 80}, "lstm"},
      {"lstm.weight_hh_l0_reverse", {1024, 256}, "lstm"}}},
    {"LSTM with a projection: hidden to hidden is no longer four times as high",
     {{"weight_ih_l0", {1024, 80}, "lstm"},
      {"weight_hh_l0", {1024, 64}, "lstm"},
      {"weight_hr_l0", {64, 256}, "lstm"}}},
    {"GRU", {{"rnn.weight_ih_l0", {768, 80}, "gru"}, {"rnn.weight_hh_l0", {768, 256}, "gru"}}},
    {"plain RNN",
     {{"rnn.weight_ih_l0", {256, 80}, "rnn"}, {"rnn.weight_hh_l0", {256, 256}, "rnn"}}},
    {"RNN of an unknown kind",
     {{"x.weight_ih_l0", {512, 80}, "other"},
      {"x.weight_hh_l0", {512, 256}, "other"},
      {"y.weight_ih_l0", {512, 80}, "other"}}}, // and one whose other half is missing
    {"Mamba",
     {{"layers.0.mixer.conv1d.weight", {1536, 1, 4}, "conv1d"},
      {"layers.0.mixer.A_log", {1536, 16}, "other"},
      {"layers.0.mixer.in_proj.weight", {3072, 768}, "linear"},
      {"backbone.norm_f.weight", {768}, "norm"}}},
    {"Falcon, BLOOM, GPT-NeoX",
     {{"transformer.word_embeddings.weight", {65024, 4544}, "embedding"},
      {"transformer.word_embeddings_layernorm.weight", {4544}, "norm"},
      {"transformer.h.0.self_attention.query_key_value.weight", {4672, 4544}, "linear"},
      {"transformer.h.0.mlp.dense_h_to_4h.weight", {18176, 4544}, "linear"},
      {"gpt_neox.embed_in.weight", {50432, 2048}, "embedding"},
      {"embed_out.weight", {50432, 2048}, "head"}}},
    {"RWKV",
     {{"emb.weight", {65536, 1024}, "embedding"},
      {"blocks.0.ln0.weight", {1024}, "norm"},
      {"blocks.0.att.key.weight", {1024, 1024}, "linear"},
      {"head.weight", {65536, 1024}, "head"}}},
    {"Stable Diffusion",
     {{"down_blocks.0.resnets.0.conv1.weight", {320, 320, 3, 3}, "conv2d"},
      {"down_blocks.0.resnets.0.norm1.weight", {320}, "norm"},
      {"time_embedding.linear_1.weight", {1280, 320}, "linear"},
      {"conv_norm_out.weight", {320}, "other"}}},
    {"names without a dot",
     {{"weight", {512, 512}, "linear"}, {"bias", {512}, "bias"}, {"x", {8, 8}, "other"}}},
    {"sequence classification", {{"score.weight", {2, 4096}, "head"}}},
    {"CLIP as OpenAI published it: GPT-2's words for ordinary linear layers",
     {{"visual.conv1.weight", {768, 3, 32, 32}, "conv2d"},
      {"visual.transformer.resblocks.0.attn.in_proj_weight", {2304, 768}, "linear"},
      {"visual.transformer.resblocks.0.mlp.c_fc.weight", {3072, 768}, "linear"},
      {"visual.transformer.resblocks.0.mlp.c_fc.bias", {3072}, "bias"},
      {"visual.transformer.resblocks.0.mlp.c_proj.weight", {768, 3072}, "linear"},
      {"visual.transformer.resblocks.0.mlp.c_proj.bias", {768}, "bias"},
      {"text_projection", {512, 512}, "other"}}},
    {"GPT-2 in wrappers, beside a tower of ordinary layers",
     {{"module._orig_mod.decoder.transformer.h.0.attn.c_attn.weight", {768, 2304}, "gpt2-conv1d"},
      {"module._orig_mod.decoder.transformer.h.0.attn.c_proj.weight", {768, 768}, "gpt2-conv1d"},
      {"module._orig_mod.decoder.transformer.h.0.mlp.c_proj.weight", {3072, 768}, "gpt2-conv1d"},
      {"module._orig_mod.visual.blocks.0.mlp.c_proj.weight", {768, 768}, "linear"}}},
    {"nanoGPT, without biases",
     {{"transformer.h.0.attn.c_attn.weight", {2304, 768}, "linear"},
      {"transformer.h.0.attn.c_proj.weight", {768, 768}, "linear"},
      {"transformer.h.0.mlp.c_fc.weight", {3072, 768}, "linear"},
      {"transformer.h.0.mlp.c_proj.weight", {768, 3072}, "linear"}}},
    {"Granite's mixtures",
     {{"model.layers.0.block_sparse_moe.input_linear.weight", {40, 1024, 1536}, "experts"},
      {"model.layers.0.block_sparse_moe.output_linear.weight", {40, 1536, 512}, "experts"},
      {"model.layers.0.block_sparse_moe.router.layer.weight", {40, 1536}, "router"},
      {"model.layers.0.shared_mlp.input_linear.weight", {2048, 1536}, "linear"}}},
    {"DBRX: experts in one matrix below each other",
     {{"transformer.blocks.0.ffn.experts.mlp.w1", {172032, 6144}, "experts"},
      {"transformer.blocks.0.ffn.experts.mlp.v1", {172032, 6144}, "experts"},
      {"transformer.blocks.0.ffn.experts.mlp.w2", {172032, 6144}, "experts"},
      {"transformer.blocks.0.ffn.router.layer.weight", {16, 6144}, "router"},
      {"transformer.blocks.0.norm_attn_norm.attn.Wqkv.weight", {8192, 6144}, "linear"}}},
    {"Nomic's mixtures: the same, with one bias for all experts",
     {{"encoder.layers.1.mlp.experts.mlp.w1", {24576, 768}, "experts"},
      {"encoder.layers.1.mlp.experts.mlp.w2", {24576, 768}, "experts"},
      {"encoder.layers.1.mlp.experts.bias", {768}, "bias"},
      {"encoder.layers.1.mlp.router.layer.weight", {8, 768}, "router"}}},
    {"experts one by one, whose parameters are called in the same way",
     {{"model.layers.0.block_sparse_moe.experts.0.w1.weight", {14336, 4096}, "linear"},
      {"model.layers.0.experts.mlp.0.up.weight", {14336, 4096}, "linear"}}},
    {"Hunyuan",
     {{"model.layers.0.mlp.gate.wg.weight", {16, 4096}, "router"},
      {"model.layers.0.mlp.experts.0.gate_proj.weight", {3072, 4096}, "linear"},
      {"model.layers.0.mlp.shared_mlp.gate_proj.weight", {3072, 4096}, "linear"}}},
    {"adapters of PEFT, and of trainers for diffusion models",
     {{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", {16, 4096}, "adapter"},
      {"base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight",
       {4096, 16},
       "adapter"},
      {"base_model.model.model.embed_tokens.lora_embedding_A", {16, 32000}, "adapter"},
      {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", {16, 320, 1, 1}, "adapter"},
      {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", {3072, 16}, "adapter"},
      {"lora_unet_x.hada_w1_a", {320, 8}, "adapter"},
      {"lora_unet_x.lokr_w2", {320, 8}, "adapter"},
      {"lora_unet_x.alpha", {}, "other"}}},
    {"low-rank parts that belong to their models",
     {{"model.layers.0.self_attn.kv_a_proj_with_mqa.weight", {576, 5120}, "linear"},
      {"model.layers.0.attention.wqkv.Plora_A.weight", {256, 4096}, "linear"},
      {"model.layers.0.attn.w_lora.lora.0.weight", {64, 2048}, "linear"},
      {"model.layers.0.self_attn.qkv_proj.base_layer.weight", {5120, 3072}, "linear"},
      {"model.layers.0.self_attn.qkv_proj.lora_A.speech.weight", {320, 3072}, "adapter"}}},
    {"weight norm",
     {{"dec.ups.0.weight_g", {512, 1, 1}, "weight-norm"},
      {"dec.ups.0.weight_v", {512, 256, 16}, "weight-norm"},
      {"encoder.pos_conv_embed.conv.parametrizations.weight.original0", {1, 1, 128}, "weight-norm"},
      {"encoder.pos_conv_embed.conv.parametrizations.weight.original1",
       {768, 48, 128},
       "weight-norm"}}},
    {"voice conversion: a table has no bias, a linear layer of such a name has",
     {{"enc_p.emb_phone.weight", {192, 768}, "linear"},
      {"enc_p.emb_phone.bias", {192}, "bias"},
      {"enc_p.emb_pitch.weight", {256, 192}, "embedding"},
      {"emb_g.weight", {109, 256}, "embedding"},
      {"enc_p.encoder.attn_layers.0.conv_q.weight", {192, 192, 1}, "conv1d"},
      {"enc_p.encoder.attn_layers.0.emb_rel_k", {1, 21, 96}, "other"}}},
    {"codecs",
     {{"quantizer.quantizers.0.codebook.weight", {1024, 8}, "embedding"},
      {"quantizer.layers.0.codebook.embed", {1024, 128}, "other"},
      {"quantize.embedding.weight", {16384, 8}, "embedding"}}},
    {"tables in lists",
     {{"model.decoder.embed_tokens.0.weight", {2049, 1024}, "embedding"},
      {"input_embeds_layers.0.weight", {1056, 1024}, "embedding"},
      {"class_embed.0.weight", {91, 256}, "linear"},
      {"class_embed.0.bias", {91}, "bias"}}},
    {"Flux",
     {{"x_embedder.weight", {3072, 64}, "embedding"},
      {"x_embedder.bias", {3072}, "bias"},
      {"time_text_embed.timestep_embedder.linear_1.weight", {3072, 256}, "linear"},
      {"transformer_blocks.0.norm1.linear.weight", {18432, 3072}, "linear"},
      {"transformer_blocks.0.attn.to_out.0.weight", {3072, 3072}, "linear"},
      {"transformer_blocks.0.attn.norm_added_q.weight", {128}, "norm"},
      {"norm_out.linear.weight", {6144, 3072}, "linear"},
      {"proj_out.weight", {64, 3072}, "linear"}}},
    {"Stable Diffusion as it was published",
     {{"model.diffusion_model.time_embed.0.weight", {1280, 320}, "linear"},
      {"model.diffusion_model.time_embed.0.bias", {1280}, "bias"},
      {"model.diffusion_model.input_blocks.1.1.proj_in.weight", {320, 320, 1, 1}, "conv2d"},
      {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight",
       {320, 320},
       "linear"},
      {"first_stage_model.encoder.down.0.block.0.conv1.weight", {128, 128, 3, 3}, "conv2d"},
      {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
       {49408, 768},
       "embedding"}}},
};

TEST(LayerKind, of_real_models) {
  for (const Model &model : kModels) {
    std::vector<Entry> entries;
    for (const PublishedTensor &row : model.rows) {
      entries.push_back({row.name, row.shape});
    }
    const Catalog catalog = test::make_catalog(entries);
    for (size_t i = 0; i < entries.size(); ++i) {
      EXPECT_EQ(layer_kind_name(catalog.tensors[i].kind), model.rows[i].kind)
          << model.title << ": " << entries[i].name;
    }
  }
}

TEST(LayerKind, the_type_of_a_model_tells_what_no_shape_does) {
  const std::string square = "transformer.h.0.attn.c_proj.weight";
  for (const auto &[type, kind] : std::map<std::string_view, std::string_view>{
           {"gpt2", "gpt2-conv1d"}, {"imagegpt", "gpt2-conv1d"}, {"gpt_bigcode", "linear"}}) {
    Catalog catalog =
        test::make_catalog({{square, {64, 64}}, {"transformer.wte.weight", {99, 64}}});
    classify(catalog.tensors, type);
    EXPECT_EQ(layer_kind_name(catalog.tensors[0].kind), kind) << type;
    EXPECT_EQ(layer_kind_name(catalog.tensors[1].kind), "embedding") << type;
  }
}

TEST(LayerKind, does_not_depend_on_the_order_of_tensors) {
  for (const Model &model : kModels) {
    std::vector<Entry> entries;
    for (const PublishedTensor &row : model.rows) {
      entries.push_back({row.name, row.shape});
    }
    std::reverse(entries.begin(), entries.end());
    const Catalog catalog = test::make_catalog(entries);
    for (size_t i = 0; i < entries.size(); ++i) {
      EXPECT_EQ(layer_kind_name(catalog.tensors[i].kind), model.rows[entries.size() - 1 - i].kind)
          << entries[i].name;
    }
  }
}

TEST(LayerKind, names_are_those_of_typescript_and_go_both_ways) {
  std::set<std::string> names;
  for (int i = 0; i < kLayerKindCount; ++i) {
    const auto kind = static_cast<LayerKind>(i);
    names.emplace(layer_kind_name(kind));
    EXPECT_EQ(layer_kind_from_name(layer_kind_name(kind)), kind);
  }
  EXPECT_EQ(names, test::words_of("js/api/catalog.ts", "LAYER_KINDS"));
  EXPECT_EQ(layer_kind_from_name("Linear"), std::nullopt);
  EXPECT_EQ(layer_kind_from_name(""), std::nullopt);
}

TEST(LayerKind, a_module_is_a_name_without_its_last_part) {
  EXPECT_EQ(module_name("model.layers.0.mlp.up_proj.weight"), "model.layers.0.mlp.up_proj");
  EXPECT_EQ(module_name("weight"), "");
  EXPECT_EQ(module_name("a."), "a");
  EXPECT_EQ(module_name(""), "");
}

} // namespace
} // namespace monoquant::catalog
