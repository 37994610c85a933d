// Codes of other tools: told by name, never taken for numbers; and plain models, which are never taken for codes.
#include "monoquant/layout/foreign.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/plan/plan.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::layout {
namespace {

using catalog::Catalog;
using test::Bytes;
using test::Entry;
using test::FileTensor;

constexpr Dtype kF16 = Dtype::kF16;
constexpr Dtype kF32 = Dtype::kF32;
constexpr Dtype kU8 = Dtype::kU8;
constexpr Dtype kI8 = Dtype::kI8;
constexpr Dtype kI32 = Dtype::kI32;
constexpr Dtype kU32 = Dtype::kU32;
constexpr Dtype kF8 = Dtype::kF8E4M3;

std::vector<std::string> layouts_of(const std::vector<Entry> &entries,
                                    const std::string &config = {}) {
  Catalog catalog = test::make_catalog(entries);
  catalog.folder_config = config;
  std::vector<std::string> layouts;
  for (const catalog::Foreign &foreign : find_foreign(catalog)) {
    layouts.push_back(foreign.layout);
  }
  return layouts;
}

TEST(Foreign, layouts_of_other_tools_are_named) {
  struct Row {
    std::vector<Entry> entries;
    std::string layout;
    std::string config = {};
  };
  const std::vector<Row> rows = {
      {{{"x.qweight", {24, 128}, kI32},
        {"x.qzeros", {3, 16}, kI32},
        {"x.scales", {3, 128}, kF16},
        {"x.g_idx", {192}, kI32}},
       "GPTQ 4 bits"},
      {{{"x.qweight", {48, 128}, kI32}, {"x.qzeros", {3, 32}, kI32}, {"x.scales", {3, 128}, kF16}},
       "GPTQ 8 bits"},
      {{{"x.qweight", {192, 16}, kI32}, {"x.qzeros", {3, 16}, kI32}, {"x.scales", {3, 128}, kF16}},
       "AWQ 4 bits"},
      {{{"x.qweight", {128, 192}, kI8}, {"x.weight_scales", {128}, kF16}}, "EETQ INT8"},
      {{{"x.weight", {12288, 1}, kU8},
        {"x.weight.absmax", {384}, kF32},
        {"x.weight.quant_map", {16}, kF32},
        {"x.weight.quant_state.bitsandbytes__nf4", {79}, kU8}},
       "bitsandbytes NF4"},
      {{{"x.weight.quant_state.bitsandbytes__fp4", {79}, kU8}, {"x.weight", {12288, 1}, kU8}},
       "bitsandbytes FP4"},
      {{{"x.SCB", {128}, kF32}, {"x.weight", {128, 192}, kI8}, {"x.weight_format", {}, kU8}},
       "bitsandbytes INT8"},
      {{{"x.W_q", {64, 192}, kU8}, {"x.scale", {64, 1}, kF16}, {"x.zero", {64, 1}, kF16}}, "HQQ"},
      {{{"x.weight._scale", {128, 1}}, {"x.weight._data", {128, 192}, kI8}}, "quanto"},
      {{{"x.weight._scale", {128, 1}},
        {"x.weight._shift", {128, 1}},
        {"x.weight._data._data", {64, 192}, kU8}},
       "quanto"},
      {{{"x._weight_scale", {128, 1}, kF32},
        {"x._weight_qdata", {128, 192}, kI8},
        {"x._weight_zero_point", {128, 1}, kI8}},
       "torchao"},
      {{{"x.weight", {128, 24}, kU32}, {"x.scales", {128, 3}, kF16}, {"x.biases", {128, 3}, kF16}},
       "MLX"},
      {{{"x.weight", {128, 24}, kU32}, {"x.scales", {128, 6}, kU8}}, "MLX"},
      {{{"mlp.experts.down_proj_blocks", {4, 64, 6, 16}, kU8},
        {"mlp.experts.down_proj_scales", {4, 64, 6}, kU8},
        {"mlp.experts.down_proj_bias", {4, 64}}},
       "MXFP4"},
      {{{"x.weight_packed", {128, 96}, kU8},
        {"x.weight_scale", {128, 12}, kF8},
        {"x.weight_global_scale", {1}, kF32}},
       "NVFP4"},
      {{{"x.weight", {128, 96}, kU8},
        {"x.weight_scale", {128, 12}, kF8},
        {"x.weight_scale_2", {}, kF32}},
       "NVFP4 of ModelOpt"},
      {{{"x.weight", {16, 128}, kU8}, {"x.weight_scale", {1}}}, "BitNet"},
      {{{"x.weight", {64, 128}, kI8},
        {"x.weight_scale", {64, 1}, kF32},
        {"x.comfy_quant", {71}, kU8}},
       "ComfyUI"},
      {{{"x.weight", {64, 128}}, {"x.pre_quant_scale", {128}}}, "AWQ of ModelOpt"},
      {{{"x.codes", {16, 32, 1}, kI8}, {"x.codebooks", {1, 256, 1, 8}}}, "AQLM"},
      {{{"x.weight", {64, 128}}},
       "SpQR, as the model's configuration says",
       R"({"quant_method":"spqr"})"},
      {{{"x.weight", {64, 128}}},
       "tomorrow, as the model's configuration says",
       R"({"quant_method":"tomorrow"})"},
  };
  for (const Row &row : rows) {
    EXPECT_EQ(layouts_of(row.entries, row.config), std::vector<std::string>{row.layout})
        << row.entries[0].name;
    // Others stand beside it, in any order.
    std::vector<Entry> more = row.entries;
    std::reverse(more.begin(), more.end());
    more.push_back({"norm.weight", {128}});
    more.push_back({"y.weight", {64, 128}});
    more.push_back({"y.bias", {64}});
    EXPECT_EQ(layouts_of(more, row.config), std::vector<std::string>{row.layout})
        << row.entries[0].name;
  }
}

TEST(Foreign, a_companion_nobody_has_heard_of_is_told) {
  for (const Dtype dtype : {kF8, Dtype::kF8E5M2, Dtype::kF8E4M3Fnuz, kI8, kU8, kI32, kU32}) {
    for (const char *name : {"weight_amax_inv", "weight.extra", "alpha", "_meta", "step"}) {
      const auto layouts = layouts_of(
          {{"a.x.weight", {64, 128}, dtype}, {concat("a.x.", name), {64}}, {"a.norm.weight", {8}}});
      ASSERT_EQ(layouts.size(), 1U) << name;
      EXPECT_NE(layouts[0].find("not known"), std::string::npos) << layouts[0];
    }
  }
  EXPECT_EQ(
      layouts_of({{"experts.up_proj", {4, 64, 128}, kF8}, {"experts.up_proj_amax_scale", {4}}})
          .size(),
      1U);
}

TEST(Foreign, plain_models_are_plain) {
  const std::vector<Entry> entries = {
      {"a.q_proj.weight", {64, 64}},
      {"a.q_proj.bias", {64}},
      {"a.norm.weight", {64}},
      {"a.norm.scale", {64}},
      {"a.bn.num_batches_tracked", {}, Dtype::kI64},
      {"a.bn.running_var", {64}},
      {"a.attn.relative_position_index", {49, 49}, Dtype::kI64},
      {"a.attn.relative_position_bias_table", {169, 4}},
      {"a.attn.bias", {1, 1, 64, 64}, kU8},
      {"a.attn.masked_bias", {}},
      {"a.attn.logit_scale", {4, 1, 1}},
      {"embeddings.position_ids", {1, 512}, Dtype::kI64},
      {"embeddings.word_embeddings.weight", {100, 64}},
      {"b.ls1.gamma", {64}},
      {"b.layer_scale", {64}},
      {"c.weight_g", {64, 1}},
      {"c.weight_v", {64, 64}},
      {"d.weight", {64, 64}, kF8}, // cast as it is, as some diffusion models are
      {"d.bias", {64}},
      {"e.weight", {64, 64}, kI8}, // whatever it is: nothing speaks of scales
      {"lstm.weight_ih_l0", {64, 16}},
      {"lstm.weight_ih_l0_reverse", {64, 16}},
  };
  EXPECT_EQ(layouts_of(entries), std::vector<std::string>());
}

/// Every kind of file of codes has to be refused by whoever would quantize it, whatever the options are.
TEST(Foreign, what_is_quantized_is_not_quantized_again) {
  const std::vector<std::pair<std::vector<Entry>, ErrorCode>> files = {
      {{{"x.weight", {64, 128}, kF8}, {"x.weight_scale_inv", {1, 1}, kF32}},
       ErrorCode::kAlreadyQuantized},
      {{{"x.weight", {64, 128}, kI8}, {"x.weight_scale", {64, 1}, kF32}},
       ErrorCode::kAlreadyQuantized},
      {{{"x.weight_packed", {64, 16}, kI32}, {"x.weight_scale", {64, 1}, kF32}},
       ErrorCode::kAlreadyQuantized},
      {{{"x.weight", {64, 128}, kI8}, {"x.strange", {64}, kF32}}, ErrorCode::kUnsupportedLayout},
      {{{"x.qweight", {16, 64}, kI32}}, ErrorCode::kUnsupportedLayout},
  };
  for (const auto &[entries, code] : files) {
    Catalog catalog = test::make_catalog(entries);
    catalog.tensors.push_back(test::make_catalog({{"y.weight", {64, 64}}}).tensors[0]);
    catalog.foreign = find_foreign(catalog);
    const auto error = refuse_quantized(catalog);
    ASSERT_TRUE(error) << entries[0].name;
    EXPECT_EQ(error->code, code);
    EXPECT_NE(error->message.find(entries[0].name), std::string::npos) << error->message;
    for (const int bits : {4, 8, 16}) {
      Json options = test::default_options();
      options["bits"] = bits;
      options["defaultIgnore"] = false;
      const auto parsed = plan::parse_options(options.dump(), catalog.tensors.size());
      ASSERT_TRUE(parsed);
      const auto planned = plan::make_plan(catalog, parsed.value());
      ASSERT_FALSE(planned) << bits;
      EXPECT_EQ(planned.error().code, code);
    }
  }
}

TEST(Foreign, what_only_the_configuration_says_may_be_removed_from_it) {
  const auto advice = [](const std::vector<Entry> &entries, bool in_file = false) {
    Catalog catalog = test::make_catalog(entries);
    const std::string config = R"({"quant_method":"tomorrow"})";
    if (in_file) {
      catalog.metadata.emplace_back(catalog::kQuantizationConfig, config);
    } else {
      catalog.folder_config = config;
    }
    catalog.foreign = find_foreign(catalog);
    const auto error = refuse_foreign(catalog);
    return error ? error->suggestion : std::string();
  };
  const std::string words = "remove quantization_config from config.json";
  EXPECT_NE(advice({{"x.weight", {64, 128}}, {"x.calls", {}, Dtype::kI64}}).find(words),
            std::string::npos);
  // Then they may be what it says, or it is not there that it says so.
  for (const auto &other :
       {advice({{"x.weight", {64, 128}, kI32}}), advice({{"x.weight", {64, 128}, kU8}}),
        advice({{"x.weight", {64, 128}}}, true)}) {
    EXPECT_NE(other, "");
    EXPECT_EQ(other.find(words), std::string::npos) << other;
  }
}

TEST(Foreign, values_are_refused_where_codes_are_not_understood) {
  test::Random random(640);
  const Bytes file = test::make_file({test::random_bytes(random, "x.weight", kI8, {8, 16}),
                                      test::random_bytes(random, "x.strange", kI8, {8}),
                                      test::random_bytes(random, "y.weight", kI8, {8, 16})});
  catalog::Opening opening;
  opening.join_quantized = true;
  EXPECT_TRUE(test::inspect(file, opening)) << "only shown";
  for (const auto refuses : {catalog::Refuses::kUnknown, catalog::Refuses::kUnsound}) {
    opening.refuses = refuses;
    const auto opened = test::inspect(file, opening);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::kUnsupportedLayout);
    EXPECT_EQ(opened.error().tensor, "x.weight");
  }
}

} // namespace
} // namespace monoquant::layout
