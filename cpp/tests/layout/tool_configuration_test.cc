// What the configuration of layouts of one program says of a model, and which models of theirs transformers does not
// load: what it showed when it was tried (docs/conformance.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "monoquant/base/json.h"
#include "monoquant/layout/awq/write.h"
#include "monoquant/layout/bitsandbytes/bitsandbytes.h"
#include "monoquant/layout/gptq/write.h"
#include "support/catalog_builder.h"

namespace monoquant::layout {
namespace {

using test::Entry;

/// Of all layers of 64 x 64 but for those that stay floats.
Json gptq_configuration(const std::vector<std::string> &quantized,
                        const std::vector<std::string> &left_alone) {
  std::vector<Entry> entries;
  for (const auto *names : {&quantized, &left_alone}) {
    for (const std::string &name : *names) {
      entries.push_back({name + ".weight", {64, 64}});
    }
  }
  const catalog::Catalog catalog = test::make_catalog(entries);
  Stored stored;
  stored.scheme.bits = 4;
  stored.scheme.strategy = quant::Strategy::kGroup;
  stored.scheme.group_size = 32;
  std::vector<Described> tensors(entries.size());
  for (size_t i = 0; i < quantized.size(); ++i) {
    tensors[i].stored = &stored;
  }
  return parse_json(gptq::configuration(catalog, tensors));
}

// By itself transformers takes all Linear layers of blocks that it knows, and no others.
TEST(ToolConfiguration, GptqNamesWhatTransformersTakesIfItWouldTakeSomethingElse) {
  const std::string key = "modules_in_block_to_quantize";
  const std::vector<std::string> ups = {"model.layers.0.up", "model.layers.1.up"};
  EXPECT_FALSE(gptq_configuration(ups, {"lm_head"}).contains(key));
  const Json all = gptq_configuration(ups, {"model.layers.0.down", "model.layers.1.down"});
  EXPECT_EQ(all[key], parse_json(R"([["up"]])"));
  EXPECT_FALSE(all.contains("block_name_to_quantize"));
  const Json one =
      gptq_configuration({ups[0], ups[1], "model.layers.0.down"}, {"model.layers.1.down"});
  EXPECT_EQ(one[key], parse_json(R"([["model.layers.0.down", "up"]])"));
  // An end of a name that is left alone is no end that can be given.
  const Json ends = gptq_configuration(ups, {"model.layers.0.other_up", "model.layers.0.mlp.up"});
  EXPECT_EQ(ends[key], parse_json(R"([["model.layers.0.up", "model.layers.1.up"]])"));
}

TEST(ToolConfiguration, GptqSaysThatLayersAreAnywhereIfBlocksAreNotKnown) {
  for (const std::vector<std::string> &names :
       {std::vector<std::string>{"encoder.layer.0.dense", "encoder.layer.1.dense"},
        std::vector<std::string>{"model.layers.0.dense", "lm_head"},
        std::vector<std::string>{"model.encoder.layers.0.dense", "model.decoder.layers.0.dense"},
        std::vector<std::string>{"model.layers_of.0.dense"}, std::vector<std::string>{"dense"}}) {
    const Json said = gptq_configuration(names, {});
    EXPECT_EQ(said["block_name_to_quantize"], "") << names[0];
    const Json taken = said["modules_in_block_to_quantize"][0];
    EXPECT_NE(std::find(taken.begin(), taken.end(), "dense"), taken.end()) << taken;
  }
}

TEST(ToolConfiguration, AwqTakesNoHead) {
  const catalog::Catalog catalog =
      test::make_catalog({{"lm_head.weight", {64, 64}},
                          {"proj_out.weight", {64, 64}},
                          {"model.layers.0.proj_out.weight", {64, 64}}});
  Stored stored;
  stored.rows = stored.columns = 64;
  EXPECT_NE(awq::refuse(catalog.tensors[0], stored), "");
  EXPECT_NE(awq::refuse(catalog.tensors[1], stored), "");
  EXPECT_EQ(awq::refuse(catalog.tensors[2], stored), "");
  EXPECT_EQ(gptq::refuse(catalog.tensors[0], stored), "");
}

TEST(ToolConfiguration, TypesThatTransformersDoesNotLoadAreNamed) {
  struct Case {
    const char *type;
    bool gptq;
    bool awq;
    bool bitsandbytes;
  };
  const Case cases[] = {
      {"llama", false, false, false},     {"falcon", true, true, true},
      {"gpt_bigcode", true, true, false}, {"starcoder2", false, true, false},
      {"mpt", false, true, false},        {"mamba", true, true, true},
      {"whisper", true, false, false},
  };
  for (const Case &one : cases) {
    catalog::Catalog catalog = test::make_catalog({{"fc.weight", {64, 64}}});
    catalog.model = catalog::ModelClass{{"XModel"}, one.type, {}};
    const auto names_it = [&](const std::string &fault) {
      return fault.find(one.type) != std::string::npos;
    };
    EXPECT_EQ(names_it(gptq::fault_of_loading(catalog)), one.gptq) << one.type;
    EXPECT_EQ(names_it(awq::fault_of_loading(catalog)), one.awq) << one.type;
    EXPECT_EQ(names_it(bitsandbytes::fault_of_loading(catalog)), one.bitsandbytes) << one.type;
    catalog.model.reset(); // a file alone, which anything may load
    EXPECT_EQ(gptq::fault_of_loading(catalog), "");
    EXPECT_EQ(awq::fault_of_loading(catalog), "");
    EXPECT_EQ(bitsandbytes::fault_of_loading(catalog), "");
  }
}

} // namespace
} // namespace monoquant::layout
