// What is written for a model that comes with its configuration: programs that load whole models must take it.
#include "monoquant/layout/loaders.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "monoquant/base/json.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"

namespace monoquant::plan {
namespace {

using test::Entry;

catalog::Catalog model_of(std::string architecture, const std::vector<Entry> &entries) {
  catalog::Catalog catalog = test::make_catalog(entries);
  catalog.model = catalog::ModelClass{{std::move(architecture)}, {}, {}};
  return catalog;
}

Json ignored(const catalog::Catalog &catalog, const Json &options) {
  return parse_json(test::plan_for(catalog, options).quantization_config)["ignore"];
}

/// Without the embedding, which is among them as what it might be.
Json heads_ignored(const catalog::Catalog &catalog) {
  Json heads = Json::array();
  for (const Json &name : ignored(catalog, test::default_options())) {
    if (name != "model.embed_tokens") {
      heads.push_back(name);
    }
  }
  return heads;
}

const std::vector<Entry> kTiedLlama = {{"model.embed_tokens.weight", {256, 64}},
                                       {"model.layers.0.mlp.up_proj.weight", {128, 64}}};

struct Head {
  std::string architecture;
  Json ignored;
};

TEST(Loaders, ModulesThatShareTheEmbeddingAreIgnoredThoughNoTensorStandsForThem) {
  const std::vector<Head> heads = {
      {"LlamaForCausalLM", {"lm_head"}},
      {"Gemma3ForConditionalGeneration", {"lm_head"}},
      {"GPT2LMHeadModel", {"lm_head"}},
      {"GPTNeoXForCausalLM", {"embed_out", "lm_head"}},
      {"T5ForConditionalGeneration", {"lm_head"}},
      {"MarianMTModel", {"lm_head"}},
      {"SeamlessM4TForSpeechToText", {"lm_head"}},
      {"EuroBertForMaskedLM", {"lm_head"}},
      {"IBertForMaskedLM", {"lm_head.decoder"}},
      {"Qwen3OmniMoeTalkerCodePredictorModelForConditionalGeneration", {"lm_head"}},
      {"Qwen3OmniMoeTalkerForConditionalGeneration", {"codec_head"}},
      {"WhisperForConditionalGeneration", {"proj_out"}},
      {"BertForMaskedLM", {"cls.predictions.decoder"}},
      {"BertLMHeadModel", {"cls.predictions.decoder"}},
      {"MegatronBertForCausalLM", {"cls.predictions.decoder"}},
      {"XLMRobertaForMaskedLM", {"lm_head.decoder"}},
      {"RobertaForCausalLM", {"lm_head.decoder"}},
      {"XLMWithLMHeadModel", {"pred_layer.proj"}},
      {"DistilBertForMaskedLM", {"vocab_projector"}},
      {"ModernBertForMaskedLM", {"decoder"}},
      {"ModernVBertForMaskedLM", {"lm_head"}},
      {"DebertaV2ForMaskedLM", {"cls.predictions.decoder", "lm_head", "lm_head.decoder"}},
      {"LlamaModel", Json::array()},
      {"BertForSequenceClassification", Json::array()},
      {"", Json::array()},
  };
  for (const Head &head : heads) {
    EXPECT_EQ(heads_ignored(model_of(head.architecture, kTiedLlama)), head.ignored)
        << head.architecture;
  }
}

TEST(Loaders, NoLoaderTakesAQuantizedRouter) {
  catalog::Catalog model = model_of(
      "MixtralForCausalLM", {{"model.layers.0.block_sparse_moe.gate.weight", {16, 64}},
                             {"model.layers.0.block_sparse_moe.experts.0.w1.weight", {64, 64}}});
  Json options = test::default_options();
  options["overrides"] = {{{"bits", 8}, {"tensors", {0, 1}}}};
  const auto told = [&] {
    const Plan plan = test::plan_for(model, options);
    EXPECT_NE(plan.tensors[0].quantize(), nullptr);
    return std::count_if(plan.warnings.begin(), plan.warnings.end(), [](const Warning &warning) {
      return warning.code == "not-loadable" && warning.tensors.size() == 1 &&
             warning.tensors[0].find("gate") != std::string::npos;
    });
  };
  EXPECT_EQ(told(), 1);
  model.model->architectures.clear();
  EXPECT_EQ(told(), 0);
}

/// transformers 5 calls layers of some models by other names than their files do: both are targets.
TEST(Loaders, LayersAreNamedAsTheyAreOnLoading) {
  const std::string layer = "vit.encoder.layer.1.";
  const std::vector<std::pair<std::string, std::string>> names = {
      {layer + "attention.attention.query", "vit.layers.1.attention.q_proj"},
      {layer + "attention.attention.key", "vit.layers.1.attention.k_proj"},
      {layer + "attention.attention.value", "vit.layers.1.attention.v_proj"},
      {layer + "attention.output.dense", "vit.layers.1.attention.o_proj"},
      {layer + "intermediate.dense", "vit.layers.1.mlp.fc1"},
      {layer + "output.dense", "vit.layers.1.mlp.fc2"},
      {"language_model.model.layers.0.mlp.up_proj", "model.language_model.layers.0.mlp.up_proj"},
      {"vision_tower.layers.0.fc1", "model.vision_tower.layers.0.fc1"},
      {"multi_modal_projector.linear_1", "model.multi_modal_projector.linear_1"}};
  std::vector<Entry> entries = {{"classifier.weight", {64, 64}}};
  for (const auto &[in_file, on_loading] : names) {
    entries.push_back({in_file + ".weight", {64, 64}});
  }
  catalog::Catalog model = model_of("ViTForImageClassification", entries);
  model.model->model_type = "vit";
  Json options = test::int4_options(32);
  options["overrides"] = {{{"bits", 8}, {"tensors", {1, 2}}}};
  const Json groups =
      parse_json(test::plan_for(model, options).quantization_config)["config_groups"];
  ASSERT_EQ(groups.size(), 2U);
  std::set<std::string> targets;
  for (const Json &group : groups) {
    for (const Json &target : group["targets"]) {
      EXPECT_TRUE(targets.insert(target.get<std::string>()).second) << target;
    }
  }
  for (const auto &[in_file, on_loading] : names) {
    EXPECT_TRUE(targets.contains(in_file) && targets.contains(on_loading)) << on_loading;
  }
}

TEST(Loaders, AHeadWithATensorOfItsOwnIsIgnoredOnce) {
  std::vector<Entry> untied = kTiedLlama;
  untied.push_back({"lm_head.weight", {256, 64}});
  EXPECT_EQ(heads_ignored(model_of("LlamaForCausalLM", untied)), Json({"lm_head"}));
}

TEST(Loaders, WithoutAConfigurationNothingIsAdded) {
  EXPECT_EQ(heads_ignored(test::make_catalog(kTiedLlama)), Json::array());
}

struct Layer {
  Entry entry;
  bool loads;
};

const std::vector<Layer> kLayers = {
    {{"fc.weight", {64, 64}}, true},
    {{"conv.weight", {16, 8, 3, 3}}, false},
    {{"patch.projection.weight", {16, 8, 4, 4, 4}}, false},
    {{"mixer.conv1d.weight", {64, 1, 16}}, false},
    {{"lstm.weight_hh_l0", {256, 64}}, false},
    {{"mlp.experts.gate_up_proj", {4, 64, 32}}, false},
    {{"attention.in_proj_weight", {96, 32}}, false},
};

TEST(Loaders, WhatTheyTakeAsFloatsOnlyIsLeftAloneInAModelOfTheirs) {
  for (const Layer &layer : kLayers) {
    const auto alone = test::plan_for(test::make_catalog({layer.entry}), test::default_options());
    EXPECT_EQ(alone.tensors[0].decision(), Decision::kQuantize) << layer.entry.name;
    const auto plan = test::plan_for(model_of("XModel", {layer.entry}), test::default_options());
    EXPECT_EQ(plan.tensors[0].decision(), layer.loads ? Decision::kQuantize : Decision::kCopy)
        << layer.entry.name;
    if (!layer.loads) {
      EXPECT_EQ(plan.tensors[0].reason, Reason::kNotLoadable) << layer.entry.name;
    }
  }
}

TEST(Loaders, ByWishItIsQuantizedWithAWarningThatNamesIt) {
  for (const Layer &layer : kLayers) {
    Json options = test::default_options();
    options["overrides"] = {{{"tensors", {0}}, {"bits", 8}}};
    const auto plan = test::plan_for(model_of("XModel", {layer.entry}), options);
    EXPECT_EQ(plan.tensors[0].decision(), Decision::kQuantize) << layer.entry.name;
    const auto warned = std::find_if(plan.warnings.begin(), plan.warnings.end(),
                                     [](const auto &each) { return each.code == "not-loadable"; });
    ASSERT_EQ(warned != plan.warnings.end(), !layer.loads) << layer.entry.name;
    if (!layer.loads) {
      EXPECT_EQ(warned->tensors, std::vector<std::string>{layer.entry.name});
    }
  }
}

TEST(Loaders, EveryMatrixThatStaysAFloatIsIgnoredWhateverItsNameSaysThatItIs) {
  const auto model =
      model_of("AlbertModel", {{"encoder.embedding_hidden_mapping_in.weight", {64, 64}},
                               {"embeddings.word_embeddings.weight", {99, 64}},
                               {"pooler.weight", {64, 64}}});
  EXPECT_EQ(ignored(model, test::default_options()),
            Json({"embeddings.word_embeddings", "encoder.embedding_hidden_mapping_in"}));
}

TEST(Loaders, WhatIsIgnoredIsNamedAsTheModelIsWhenItIsLoaded) {
  const auto model = model_of("PhimoeForCausalLM",
                              {{"model.layers.0.block_sparse_moe.gate.weight", {8, 64}},
                               {"model.layers.0.block_sparse_moe.experts.0.w1.weight", {64, 64}},
                               {"language_model.lm_head.weight", {99, 64}}});
  const Json names = ignored(model, test::packed_8_options());
  for (const auto *name : {"model.layers.0.block_sparse_moe.gate", "model.layers.0.mlp.router",
                           "language_model.lm_head", "lm_head"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), Json(name)), names.end()) << name << names;
  }
}

TEST(Loaders, ModelsThatAreNotLoadedFromCodesAreNamed) {
  const auto warned = [](std::string type, const Json &options) {
    auto model = model_of("XModel", {{"fc.weight", {64, 64}}});
    model.model->model_type = type;
    for (const Warning &warning : test::plan_for(model, options).warnings) {
      if (warning.code == "not-loadable" && warning.message.find(type) != std::string::npos) {
        return true;
      }
    }
    return false;
  };
  EXPECT_TRUE(warned("dinov2", test::default_options()));
  EXPECT_TRUE(warned("dinov2", test::int4_options(32)));
  EXPECT_FALSE(warned("dinov2", test::float_options("F16")));
  EXPECT_FALSE(warned("rwkv", test::default_options()));
  EXPECT_TRUE(warned("rwkv", test::int4_options(32)));
  EXPECT_TRUE(warned("rwkv", test::packed_8_options()));
  EXPECT_FALSE(warned("llama", test::int4_options(32)));
}

TEST(Loaders, ExpertsThatOneOfThemStacksAreQuantizedWithAWarningUnlessPacked) {
  const auto model =
      model_of("MixtralForCausalLM", {{"model.layers.0.mlp.experts.0.w1.weight", {64, 64}},
                                      {"model.layers.0.self_attn.o_proj.weight", {64, 64}}});
  const auto warned = [&](const Json &options) {
    const auto plan = test::plan_for(model, options);
    EXPECT_EQ(plan.tensors[0].decision(), Decision::kQuantize);
    std::vector<std::string> names;
    for (const Warning &warning : plan.warnings) {
      if (warning.code == "not-loadable") {
        names = warning.tensors;
      }
    }
    return names;
  };
  const std::vector<std::string> expert = {"model.layers.0.mlp.experts.0.w1.weight"};
  Json asymmetric = test::packed_8_options();
  asymmetric["scheme"] = "asymmetric";
  EXPECT_EQ(warned(test::default_options()), expert);
  EXPECT_EQ(warned(asymmetric), expert);
  EXPECT_TRUE(warned(test::packed_8_options()).empty());
  EXPECT_TRUE(warned(test::int4_options(32)).empty());
}

TEST(Loaders, PackedCodesWithZeroPointsAreNamedInAModel) {
  const std::vector<Entry> entries = {{"fc.weight", {64, 64}}};
  const auto warned = [](const catalog::Catalog &catalog, Json options, const char *scheme) {
    options["scheme"] = scheme;
    const Plan plan = test::plan_for(catalog, options);
    return std::any_of(plan.warnings.begin(), plan.warnings.end(),
                       [](const Warning &each) { return each.code == "not-loadable"; });
  };
  const auto model = model_of("LlamaForCausalLM", entries);
  for (const Json &packed : {test::int4_options(32), test::packed_8_options()}) {
    EXPECT_TRUE(warned(model, packed, "asymmetric"));
    EXPECT_FALSE(warned(model, packed, "symmetric"));
    EXPECT_FALSE(warned(test::make_catalog(entries), packed, "asymmetric"));
  }
  EXPECT_FALSE(warned(model, test::default_options(), "asymmetric"));
}

TEST(Loaders, PackedCodesThatVllmHasNoKernelForAreNamedInAModel) {
  const std::vector<Entry> entries = {{"fc.weight", {64, 256}}};
  const auto model = model_of("LlamaForCausalLM", entries);
  const auto warned = [](const catalog::Catalog &catalog, const Json &options) {
    const Plan plan = test::plan_for(catalog, options);
    return std::any_of(plan.warnings.begin(), plan.warnings.end(), [](const Warning &each) {
      return each.code == "not-loadable" && each.message.find("vLLM") != std::string::npos;
    });
  };
  for (const int size : {16, 32, 64, 128, 256}) {
    const bool has_kernel = size != 16 && size != 256;
    EXPECT_EQ(warned(model, test::int4_options(size)), !has_kernel) << size;
    EXPECT_FALSE(warned(test::make_catalog(entries), test::int4_options(size)));
  }
  Json whole = test::packed_8_options();
  EXPECT_FALSE(warned(model, whole));
  whole["strategy"] = "tensor";
  EXPECT_TRUE(warned(model, whole));
}

TEST(Loaders, OneGroupSizeServesAllRowsOfAModel) {
  const std::vector<Entry> entries = {{"a.q_proj.weight", {64, 576}},
                                      {"a.down_proj.weight", {64, 1536}}};
  const auto sizes = [](const Plan &plan) {
    return std::pair(plan.tensors[0].quantize()->stored.scheme.group_size,
                     plan.tensors[1].quantize()->stored.scheme.group_size);
  };
  const Json options = test::int4_options();
  EXPECT_EQ(sizes(test::plan_for(test::make_catalog(entries), options)), std::pair(64UL, 128UL));
  const Plan plan = test::plan_for(model_of("LlamaForCausalLM", entries), options);
  EXPECT_EQ(sizes(plan), std::pair(64UL, 64UL));
  EXPECT_EQ(plan.tensors[1].quantize()->asked_group, 128U);
  EXPECT_EQ(parse_json(plan.quantization_config)["config_groups"].size(), 1U);
}

TEST(Loaders, AGroupSizeOfALayersOwnStays) {
  Json options = test::int4_options();
  options["overrides"] = {{{"tensors", {1}}, {"groupSize", 128}}};
  const Plan plan = test::plan_for(
      model_of("LlamaForCausalLM", {{"a.o_proj.weight", {64, 576}}, {"b.weight", {64, 1536}}}),
      options);
  EXPECT_EQ(plan.tensors[0].quantize()->stored.scheme.group_size, 64U);
  EXPECT_EQ(plan.tensors[1].quantize()->stored.scheme.group_size, 128U);
}

TEST(Loaders, InputsOfEmbeddingsAreNeverQuantized) {
  Json options = test::default_options();
  options["defaultIgnore"] = false;
  options["overrides"] = {{{"tensors", {0}}, {"bits", 8}}};
  const Plan plan = test::plan_for(test::make_catalog(kTiedLlama), options);
  const Json config = parse_json(plan.quantization_config);
  ASSERT_EQ(config["config_groups"].size(), 2U);
  for (const auto &[name, group] : config["config_groups"].items()) {
    const bool embeds = group["targets"] == Json({"model.embed_tokens"});
    EXPECT_EQ(group["input_activations"].is_null(), embeds) << group;
  }
}

} // namespace
} // namespace monoquant::plan
