#include "monoquant/llama_cpp/hyperparameters.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "monoquant/llama_cpp/model_keys.h"
#include "support/llama_folder.h"

namespace monoquant::llama_cpp {
namespace {

/// The keys of a configuration as "name=value", without the architecture's name in front.
std::vector<std::string> keys_of(const Json &config) {
  const auto model = read_hyperparameters(config);
  if (!model) {
    return {std::string(error_code_name(model.error().code)) + ": " + model.error().message};
  }
  container::GgufKeys keys;
  add_model_keys(model.value(), 0, keys);
  std::vector<std::string> texts;
  for (const auto &key : keys.all()) {
    const std::string_view family = family_name(model.value().family);
    const std::string name =
        key.name.starts_with(family) ? key.name.substr(family.size()) : key.name;
    const std::string value = std::visit(
        [](const auto &held) -> std::string {
          using T = std::decay_t<decltype(held)>;
          if constexpr (std::is_same_v<T, std::string>) {
            return held;
          } else if constexpr (std::is_arithmetic_v<T>) {
            return Json(static_cast<double>(held)).dump();
          } else {
            return "list";
          }
        },
        key.value);
    texts.push_back(concat(name, "=", value));
  }
  return texts;
}

bool has(const std::vector<std::string> &keys, const std::string &key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

Json of_type(const std::string &architecture, const std::string &type) {
  return {{"architectures", {architecture}}, {"model_type", type}};
}

TEST(LlamaHyperparameters, what_is_missing_is_what_transformers_takes) {
  EXPECT_EQ(keys_of(of_type("LlamaForCausalLM", "llama")),
            (std::vector<std::string>{
                ".block_count=32.0", ".context_length=2048.0", ".embedding_length=4096.0",
                ".feed_forward_length=11008.0", ".attention.head_count=32.0",
                ".attention.head_count_kv=32.0", ".rope.freq_base=10000.0",
                ".attention.layer_norm_rms_epsilon=9.999999974752427e-07",
                ".attention.key_length=128.0", ".attention.value_length=128.0",
                "general.file_type=0.0", ".vocab_size=32000.0", ".rope.dimension_count=128.0"}));
  const auto mistral = keys_of(of_type("MistralForCausalLM", "mistral"));
  EXPECT_TRUE(has(mistral, ".attention.head_count_kv=8.0"));
  EXPECT_TRUE(has(mistral, ".context_length=131072.0"));
  EXPECT_TRUE(has(mistral, ".feed_forward_length=14336.0"));
  Json without = of_type("MistralForCausalLM", "mistral");
  without["num_key_value_heads"] = nullptr; // is there, and says nothing
  EXPECT_TRUE(has(keys_of(without), ".attention.head_count_kv=32.0"));
  const auto qwen2 = keys_of(of_type("Qwen2ForCausalLM", "qwen2"));
  EXPECT_EQ(qwen2, (std::vector<std::string>{
                       ".block_count=32.0", ".context_length=32768.0", ".embedding_length=4096.0",
                       ".feed_forward_length=22016.0", ".attention.head_count=32.0",
                       ".attention.head_count_kv=32.0", ".rope.freq_base=10000.0",
                       ".attention.layer_norm_rms_epsilon=9.999999974752427e-07",
                       "general.file_type=0.0"})); // no head_dim
  const auto qwen3 = keys_of(of_type("Qwen3ForCausalLM", "qwen3"));
  EXPECT_TRUE(has(qwen3, ".attention.key_length=128.0"));
  const auto gemma2 = keys_of(of_type("Gemma2ForCausalLM", "gemma2"));
  EXPECT_TRUE(has(gemma2, ".attention.key_length=256.0"));
  EXPECT_TRUE(has(gemma2, ".attention.sliding_window=4096.0"));
  EXPECT_TRUE(has(gemma2, ".attn_logit_softcapping=50.0"));
  EXPECT_TRUE(has(gemma2, ".final_logit_softcapping=30.0"));
}

TEST(LlamaHyperparameters, a_family_has_its_own_order) {
  EXPECT_EQ(keys_of(of_type("GemmaForCausalLM", "gemma")),
            (std::vector<std::string>{".context_length=8192.0", ".embedding_length=3072.0",
                                      ".block_count=28.0", ".feed_forward_length=24576.0",
                                      ".attention.head_count=16.0", ".attention.head_count_kv=16.0",
                                      ".attention.layer_norm_rms_epsilon=9.999999974752427e-07",
                                      ".attention.key_length=256.0",
                                      ".attention.value_length=256.0", "general.file_type=0.0"}));
  Json gemma3 = of_type("Gemma3ForConditionalGeneration", "gemma3");
  gemma3["hidden_size"] = 7; // the text's own counts
  gemma3["text_config"] = {{"hidden_size", 2560},
                           {"sliding_window", 1024},
                           {"final_logit_softcapping", nullptr},
                           {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}}};
  EXPECT_EQ(keys_of(gemma3), (std::vector<std::string>{
                                 ".block_count=26.0", ".context_length=131072.0",
                                 ".embedding_length=2560.0", ".feed_forward_length=9216.0",
                                 ".attention.head_count=8.0", ".attention.head_count_kv=4.0",
                                 ".rope.scaling.type=linear", ".rope.scaling.factor=8.0",
                                 ".rope.freq_base=1000000.0", ".rope.freq_base_swa=10000.0",
                                 ".attention.layer_norm_rms_epsilon=9.999999974752427e-07",
                                 ".attention.key_length=256.0", ".attention.value_length=256.0",
                                 "general.file_type=0.0", ".attention.sliding_window=1024.0"}));
  gemma3["text_config"]["final_logit_softcapping"] = 30.0;
  gemma3["text_config"]["sliding_window_pattern"] = 1;
  const auto keys = keys_of(gemma3);
  EXPECT_EQ(keys.back(), ".final_logit_softcapping=30.0");
}

TEST(LlamaHyperparameters, a_number_in_the_place_of_another_kind_is_refused) {
  for (const auto &[name, value] :
       std::vector<std::pair<std::string, Json>>{{"num_hidden_layers", "two"},
                                                 {"num_hidden_layers", 0},
                                                 {"num_hidden_layers", 1e9},
                                                 {"hidden_size", -1},
                                                 {"hidden_size", 1.5},
                                                 {"num_attention_heads", 0},
                                                 {"num_key_value_heads", 0},
                                                 {"vocab_size", 1ULL << 40U},
                                                 {"rms_norm_eps", 1e300},
                                                 {"rope_theta", "large"}}) {
    Json config = of_type("LlamaForCausalLM", "llama");
    config[name] = value;
    EXPECT_TRUE(keys_of(config)[0].starts_with("malformed-file")) << name << keys_of(config)[0];
    EXPECT_NE(keys_of(config)[0].find(name), std::string::npos) << keys_of(config)[0];
  }
}

TEST(LlamaHyperparameters, nothing_is_filled_in_for_an_unknown_type_of_model) {
  Json config = of_type("LlamaForCausalLM", "stranger");
  EXPECT_TRUE(keys_of(config)[0].starts_with("malformed-file"));
  config.update({{"num_hidden_layers", 1},
                 {"max_position_embeddings", 64},
                 {"hidden_size", 64},
                 {"intermediate_size", 96},
                 {"num_attention_heads", 4}});
  const auto keys = keys_of(config);
  EXPECT_EQ(keys[0], ".block_count=1.0");
  for (const std::string &key : keys) {
    EXPECT_FALSE(key.starts_with(".rope.freq_base")) << key;
    EXPECT_FALSE(key.starts_with(".attention.key_length")) << key;
  }
  EXPECT_TRUE(has(keys, ".rope.dimension_count=16.0"));
}

TEST(LlamaHyperparameters, positions_that_are_scaled_have_their_keys) {
  const auto scaled = [](const Json &scaling) {
    Json config = of_type("Qwen3ForCausalLM", "qwen3");
    config["rope_scaling"] = scaling;
    config["rope_theta"] = 1000000;
    std::vector<std::string> rope;
    for (const std::string &key : keys_of(config)) {
      if (key.starts_with(".rope") || key.find(':') != std::string::npos) {
        rope.push_back(key);
      }
    }
    return rope;
  };
  using Keys = std::vector<std::string>;
  EXPECT_EQ(scaled(nullptr), (Keys{".rope.freq_base=1000000.0"}));
  EXPECT_EQ(
      scaled({{"type", "linear"}, {"factor", 2}}),
      (Keys{".rope.scaling.type=linear", ".rope.scaling.factor=2.0", ".rope.freq_base=1000000.0"}));
  EXPECT_EQ(
      scaled({{"rope_type", "yarn"},
              {"factor", 4.0},
              {"attn_factor", 0.5},
              {"beta_fast", 32},
              {"beta_slow", 1},
              {"extrapolation_factor", 2}}),
      (Keys{".rope.scaling.type=yarn", ".rope.scaling.factor=4.0",
            ".rope.scaling.original_context_length=32768.0", ".rope.scaling.yarn_ext_factor=2.0",
            ".rope.scaling.yarn_attn_factor=0.5", ".rope.scaling.yarn_beta_fast=32.0",
            ".rope.scaling.yarn_beta_slow=1.0", ".rope.freq_base=1000000.0"}));
  EXPECT_EQ(
      scaled(
          {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 8192}})[2],
      ".rope.scaling.original_context_length=8192.0");
  EXPECT_EQ(scaled({{"rope_type", "longrope"}, {"factor", 4.0}}),
            (Keys{".rope.scaling.type=longrope", ".rope.freq_base=1000000.0"}));
  EXPECT_EQ(scaled({{"rope_type", "dynamic"}, {"factor", 4.0}}),
            (Keys{".rope.freq_base=1000000.0"}));
  EXPECT_TRUE(scaled({{"rope_type", "spiral"}})[0].starts_with("unsupported-format"));
  EXPECT_TRUE(scaled({{"rope_type", "yarn"}, {"factor", "4"}})[0].starts_with("malformed-file"));
  Json gemma = of_type("GemmaForCausalLM", "gemma");
  gemma["rope_theta"] = 500000;
  EXPECT_TRUE(keys_of(gemma)[0].starts_with("unsupported-format"));
}

TEST(LlamaHyperparameters, of_two_spellings_of_positions_the_older_one_counts) {
  Json config = of_type("LlamaForCausalLM", "llama");
  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 20000}};
  EXPECT_TRUE(has(keys_of(config), ".rope.freq_base=20000.0"));
  config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 2}, {"rope_theta", 30000}};
  EXPECT_TRUE(has(keys_of(config), ".rope.freq_base=30000.0"));
  EXPECT_TRUE(has(keys_of(config), ".rope.scaling.type=linear"));
  config["rope_scaling"].erase("rope_theta");
  config["rope_theta"] = 40000;
  EXPECT_TRUE(has(keys_of(config), ".rope.freq_base=40000.0"));
  Json gemma3 = of_type("Gemma3ForCausalLM", "gemma3_text");
  gemma3["rope_parameters"] = {
      {"full_attention", {{"rope_type", "linear"}, {"factor", 8}, {"rope_theta", 5}}},
      {"sliding_attention", {{"rope_theta", 6}}}};
  for (const char *key :
       {".rope.freq_base=5.0", ".rope.freq_base_swa=6.0", ".rope.scaling.factor=8.0"}) {
    EXPECT_TRUE(has(keys_of(gemma3), key)) << key;
  }
}

TEST(LlamaHyperparameters, llama_3_divides_its_frequencies) {
  const auto factors = [](const Json &scaling) {
    const auto model = test::small_folder({{"rope_scaling", scaling}}).model();
    EXPECT_TRUE(model) << model.error().message;
    return model && !model.value().tensors.empty() ? model.value().tensors[0].values
                                                   : std::vector<float>();
  };
  EXPECT_EQ(factors({{"rope_type", "default"}}), std::vector<float>());
  const std::vector<float> made = factors(
      {{"rope_type", "llama3"}, {"factor", 32.0}, {"original_max_position_embeddings", 128}});
  ASSERT_EQ(made.size(), 8U); // half of a head of 16
  EXPECT_EQ(made.front(), 1.0F);
  EXPECT_EQ(made.back(), 32.0F);
  // The longest context that counts is that of the model where nothing says it.
  EXPECT_EQ(
      factors({{"rope_type", "llama3"}, {"factor", 32.0}}),
      factors(
          {{"rope_type", "llama3"}, {"factor", 32.0}, {"original_max_position_embeddings", 2048}}));
}

TEST(LlamaHyperparameters, what_is_not_written_here_is_refused_by_name) {
  for (const char *name :
       {"MixtralForCausalLM", "PhiForCausalLM", "Qwen3MoeForCausalLM", "GPT2LMHeadModel"}) {
    const auto model = read_hyperparameters(of_type(name, "llama"));
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::kUnsupportedFormat);
    EXPECT_NE(model.error().message.find(name), std::string::npos);
    EXPECT_NE(model.error().suggestion.find("Qwen2ForCausalLM"), std::string::npos);
  }
  const auto refused = [](const Json &more) {
    Json config = of_type("LlamaForCausalLM", "llama");
    config.update(more);
    return keys_of(config)[0].starts_with("unsupported-format");
  };
  EXPECT_FALSE(refused(Json::object()));
  EXPECT_TRUE(refused({{"architectures", nullptr}}));
  EXPECT_TRUE(refused({{"architectures", Json::array()}}));
  EXPECT_TRUE(refused({{"num_local_experts", 8}}));
  EXPECT_TRUE(refused({{"draft_vocab_size", 32000}}));
  EXPECT_TRUE(refused({{"use_bidirectional_attention", true}}));
  EXPECT_FALSE(refused({{"use_bidirectional_attention", nullptr}}));
}

} // namespace
} // namespace monoquant::llama_cpp
