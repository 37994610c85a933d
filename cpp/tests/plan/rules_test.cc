#include "monoquant/plan/rules.h"

#include <gtest/gtest.h>

#include <set>

#include "monoquant/base/text.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/typescript.h"

namespace monoquant::plan {
namespace {

using test::default_options;
using test::default_options_with;
using test::Entry;

const Entry kLinear{"layer.weight", {64, 128}};

TensorPlan decide_first(const std::vector<Entry> &entries, const Json &options) {
  return test::plan_for(test::make_catalog(entries), options).tensors[0];
}

Json with_overrides(Json base, std::initializer_list<Json> overrides) {
  base["overrides"] = Json::array();
  for (const Json &override : overrides) {
    base["overrides"].push_back(override);
  }
  return base;
}

Json of_first(Json override) {
  override["tensors"] = {0};
  return override;
}

struct RuleCase {
  std::string title;
  std::vector<Entry> entries; // the first one is looked at
  Json options;
  Decision decision;
  Reason reason;
};

std::vector<RuleCase> rule_cases() {
  const Json defaults = default_options();
  const Json all_kinds = default_options_with("layers", [] {
    Json kinds = Json::array();
    for (int i = 0; i < catalog::kLayerKindCount; ++i) {
      kinds.push_back(layer_kind_name(static_cast<catalog::LayerKind>(i)));
    }
    return kinds;
  }());
  const Json no_ignore = default_options_with("defaultIgnore", false);
  const Json none = with_overrides(defaults, {of_first({{"bits", "none"}})});
  const Json explicit_8 = with_overrides(defaults, {of_first({{"bits", 8}})});
  Json ignored = default_options_with("ignore", {0});
  const Json ignored_and_overridden = with_overrides(ignored, {of_first({{"bits", 4}})});
  const Json unfit = default_options_with(
      "unfit", Json::parse(R"([{"tensor":0,"reason":"non-finite","explanation":"NaN"}])"));
  const Json overflow = default_options_with(
      "unfit", Json::parse(R"([{"tensor":0,"reason":"overflow","explanation":"1e9"}])"));
  const Json f16 = test::float_options("F16");
  const Json bf16 = test::float_options("BF16");
  constexpr auto kQuantize = Decision::kQuantize;
  constexpr auto kConvert = Decision::kConvert;
  constexpr auto kCopy = Decision::kCopy;
  const Entry norm{"norm.weight", {512}};
  const Entry bias{"layer.bias", {512}};
  const Entry head{"lm_head.weight", {512, 64}};
  const Entry embedding{"model.embed_tokens.weight", {512, 64}};
  const Entry gpt2{"h.0.attn.c_attn.weight", {64, 192}};
  const Entry gpt2_bias{"h.0.attn.c_attn.bias", {192}};
  const Entry router{"mlp.gate.weight", {8, 64}};
  const Entry expert{"mlp.experts.0.w1.weight", {64, 64}};
  const Entry pile{"transformer.blocks.0.ffn.experts.mlp.w1", {256, 64}};
  const Entry other{"pos_embed", {1, 197, 768}};
  return {
      {"a linear layer", {kLinear}, defaults, kQuantize, Reason::kRequested},
      {"a convolution", {{"c.weight", {64, 3, 3, 3}}}, defaults, kQuantize, Reason::kRequested},
      {"a stack of experts", {{"experts.w", {4, 32, 64}}}, defaults, kQuantize, Reason::kRequested},
      {"unfit", {kLinear}, unfit, kCopy, Reason::kNonFinite},
      {"unfit by overflow", {kLinear}, overflow, kCopy, Reason::kOverflow},
      {"unfit wins over an override",
       {kLinear},
       with_overrides(unfit, {of_first({{"bits", 4}})}),
       kCopy,
       Reason::kNonFinite},
      {"integers", {{"layer.weight", {64, 128}, Dtype::kI8}}, defaults, kCopy, Reason::kNotFloat},
      {"integers, whatever an override says",
       {{"layer.weight", {64, 128}, Dtype::kI32}},
       explicit_8,
       kCopy,
       Reason::kNotFloat},
      {"F8 that cannot be decoded",
       {{"layer.weight", {64, 128}, Dtype::kF8E8M0}},
       defaults,
       kCopy,
       Reason::kNotFloat},
      {"F8 that can",
       {{"layer.weight", {64, 128}, Dtype::kF8E4M3}},
       defaults,
       kQuantize,
       Reason::kRequested},
      {"nothing in it", {{"layer.weight", {0, 128}}}, explicit_8, kCopy, Reason::kEmpty},
      {"nothing in it, 16 bits",
       {{"layer.weight", {0, 128}, Dtype::kF32}},
       f16,
       kCopy,
       Reason::kEmpty},
      {"ignored", {kLinear}, ignored, kCopy, Reason::kIgnored},
      {"ignored wins over an override", {kLinear}, ignored_and_overridden, kCopy, Reason::kIgnored},
      {"ignored wins over 16 bits",
       {{"layer.weight", {64, 128}, Dtype::kF32}},
       [&] {
         Json options = f16;
         options["ignore"] = {0};
         return options;
       }(),
       kCopy,
       Reason::kIgnored},
      {"override none", {kLinear}, none, kCopy, Reason::kOverrideNone},
      {"one-dimensional", {{"layer.scale", {1024}}}, defaults, kCopy, Reason::kOneDimensional},
      {"one-dimensional, whatever an override says",
       {{"layer.scale", {1024}}},
       explicit_8,
       kCopy,
       Reason::kOneDimensional},
      {"a single number", {{"logit_scale", {}}}, explicit_8, kCopy, Reason::kOneDimensional},
      {"a norm", {norm}, defaults, kCopy, Reason::kNorm},
      {"a bias", {bias}, no_ignore, kCopy, Reason::kBias},
      {"a bias with dimensions", {{"attn.bias", {64, 64}}}, defaults, kCopy, Reason::kBias},
      {"a norm with dimensions", {{"norm.weight", {64, 64}}}, defaults, kCopy, Reason::kNorm},
      {"a norm with dimensions, no default ignores",
       {{"norm.weight", {64, 64}}},
       no_ignore,
       kQuantize,
       Reason::kRequested},
      {"an embedding", {embedding}, defaults, kCopy, Reason::kEmbedding},
      {"an embedding, selected", {embedding}, all_kinds, kQuantize, Reason::kRequested},
      {"an embedding, no default ignores", {embedding}, no_ignore, kQuantize, Reason::kRequested},
      {"an embedding, by override", {embedding}, explicit_8, kQuantize, Reason::kOverride},
      {"a head", {head}, defaults, kCopy, Reason::kHead},
      {"a head, by override", {head}, explicit_8, kQuantize, Reason::kOverride},
      {"a router", {router, expert}, defaults, kCopy, Reason::kRouter},
      {"experts below each other", {pile}, defaults, kCopy, Reason::kNotLoadable},
      {"experts below each other, by override", {pile}, explicit_8, kQuantize, Reason::kOverride},
      {"GPT-2's layers", {gpt2, gpt2_bias}, defaults, kCopy, Reason::kGpt2Conv1d},
      {"GPT-2's layers, selected", {gpt2, gpt2_bias}, all_kinds, kQuantize, Reason::kRequested},
      {"a kind that is not selected",
       {kLinear},
       default_options_with("layers", {"conv2d"}),
       kCopy,
       Reason::kLayerNotSelected},
      {"a kind that is not selected, no default ignores",
       {kLinear},
       [&] {
         Json options = default_options_with("layers", {"conv2d"});
         options["defaultIgnore"] = false;
         return options;
       }(),
       kCopy,
       Reason::kLayerNotSelected},
      {"unknown", {other}, defaults, kCopy, Reason::kUnknownKind},
      {"unknown, by override", {other}, explicit_8, kQuantize, Reason::kOverride},
      {"half of a weight-norm pair",
       {{"c.weight_v", {64, 32, 3}}, {"c.weight_g", {64, 1, 1}}},
       defaults,
       kCopy,
       Reason::kWeightNorm},
      {"half of a weight-norm pair, no default ignores",
       {{"c.parametrizations.weight.original1", {64, 32, 3}}},
       no_ignore,
       kCopy,
       Reason::kWeightNorm},
      {"an adapter", {{"q_proj.lora_A.weight", {16, 64}}}, defaults, kCopy, Reason::kAdapter},
      {"an adapter, no default ignores",
       {{"q_proj.lora_A.weight", {16, 64}}},
       no_ignore,
       kCopy,
       Reason::kAdapter},
      {"an adapter, by override",
       {{"q_proj.lora_A.weight", {16, 64}}},
       explicit_8,
       kQuantize,
       Reason::kOverride},
      {"a short convolution",
       {{"mixer.conv1d.weight", {256, 1, 4}}},
       defaults,
       kCopy,
       Reason::kNotLoadable},
      {"a short convolution, no default ignores",
       {{"mixer.conv1d.weight", {256, 1, 4}}},
       no_ignore,
       kQuantize,
       Reason::kRequested},
      {"a depthwise convolution that is not so short",
       {{"conv.weight", {256, 1, 31}}},
       defaults,
       kQuantize,
       Reason::kRequested},
      {"as many bytes of codes and scales",
       {{"layer.weight", {1024, 2}}},
       defaults,
       kCopy,
       Reason::kNoGain},
      {"fewer bytes of codes and scales",
       {{"layer.weight", {1024, 3}}},
       defaults,
       kQuantize,
       Reason::kRequested},
      {"more bytes, by override",
       {{"layer.weight", {1024, 1}}},
       explicit_8,
       kQuantize,
       Reason::kOverride},
      {"small", {{"layer.weight", {16, 31}}}, defaults, kCopy, Reason::kSmall},
      {"just large enough", {{"layer.weight", {16, 32}}}, defaults, kQuantize, Reason::kRequested},
      {"small, by override", {{"layer.weight", {2, 2}}}, explicit_8, kQuantize, Reason::kOverride},
      {"small, with another threshold",
       {{"layer.weight", {2, 4}}},
       default_options_with("minElements", 4),
       kQuantize,
       Reason::kRequested},
      {"F32 to F16", {{"layer.weight", {64, 128}, Dtype::kF32}}, f16, kConvert, Reason::kRequested},
      {"F64 to BF16", {{"x", {}, Dtype::kF64}}, bf16, kConvert, Reason::kRequested},
      {"norms and biases are converted too",
       {{"norm.weight", {64}, Dtype::kF32}},
       f16,
       kConvert,
       Reason::kRequested},
      {"BF16 to F16", {kLinear}, f16, kConvert, Reason::kRequested},
      {"BF16 to BF16", {kLinear}, bf16, kCopy, Reason::kAlreadyNarrow},
      {"F8 stays",
       {{"layer.weight", {64, 128}, Dtype::kF8E5M2}},
       f16,
       kCopy,
       Reason::kAlreadyNarrow},
      {"integers stay", {{"ids", {64}, Dtype::kI64}}, f16, kCopy, Reason::kNotFloat},
      {"16 bits by override",
       {{"layer.weight", {64, 128}, Dtype::kF32}},
       with_overrides(defaults, {of_first({{"bits", 16}})}),
       kConvert,
       Reason::kOverride},
      {"its zero point's name is taken",
       {kLinear, {"layer.weight_zero_point", {64, 1}}},
       defaults,
       kCopy,
       Reason::kNameTaken},
      {"its packed name is taken",
       {kLinear, {"layer.weight_packed", {64, 1}}},
       test::int4_options(),
       kCopy,
       Reason::kNameTaken},
      {"a name that this scheme does not need, but readers take for a part",
       {kLinear, {"layer.weight_packed", {64, 1}}},
       defaults,
       kCopy,
       Reason::kNameTaken},
      {"fused with a layer that is ignored by default",
       {{"a.gate_proj.weight", {64, 64}}, {"a.up_proj.weight", {64, 2}}},
       defaults,
       kCopy,
       Reason::kSibling},
  };
}

TEST(Rules, decision_and_reason_of_each_rule) {
  // What follows from several tensors, the container, codes or the model's class has tests of its own.
  std::set<Reason> seen{Reason::kTied,        Reason::kNotRepresentable, Reason::kDequantized,
                        Reason::kNotLoadable, Reason::kLeftOut,          Reason::kFolded};
  for (const RuleCase &row : rule_cases()) {
    const TensorPlan entry = decide_first(row.entries, row.options);
    EXPECT_EQ(static_cast<int>(entry.decision()), static_cast<int>(row.decision)) << row.title;
    EXPECT_EQ(reason_name(entry.reason), reason_name(row.reason)) << row.title;
    EXPECT_FALSE(entry.explanation.empty()) << row.title;
    seen.insert(row.reason);
  }
  for (int i = 0; i < kReasonCount; ++i) {
    EXPECT_TRUE(seen.contains(static_cast<Reason>(i)))
        << "no row for " << reason_name(static_cast<Reason>(i));
  }
}

TEST(Rules, reasons_are_named_as_in_typescript) {
  std::set<std::string> names;
  for (int i = 0; i < kReasonCount; ++i) {
    names.emplace(reason_name(static_cast<Reason>(i)));
  }
  // The package says who made an override; the engine knows one kind of them.
  names.emplace("budget");
  EXPECT_EQ(names, test::words_of("js/api/types.ts", "REASONS"));
}

TEST(Rules, an_explanation_passes_on_what_the_run_found) {
  const TensorPlan entry = decide_first(
      {kLinear},
      default_options_with(
          "unfit",
          Json::parse(R"([{"tensor":0,"reason":"non-finite","explanation":"NaN at 7"}])")));
  EXPECT_EQ(entry.explanation, "NaN at 7");
}

/// bits/scheme/strategy/group/packed in a word.
std::string scheme_text(const TensorPlan &entry) {
  if (entry.decision() == Decision::kCopy) {
    return "copy";
  }
  if (entry.decision() == Decision::kConvert) {
    return concat("to ", dtype_name(entry.convert()->to));
  }
  const quant::Scheme &scheme = entry.quantize()->stored.scheme;
  const std::string_view strategy = scheme.strategy == quant::Strategy::kTensor    ? "tensor"
                                    : scheme.strategy == quant::Strategy::kChannel ? "channel"
                                                                                   : "group";
  return concat(scheme.bits, scheme.symmetric ? " sym " : " asym ", strategy, " ",
                scheme.group_size, entry.quantize()->stored.weights_only ? " packed" : "", " ",
                dtype_name(scheme.scale_dtype));
}

TEST(Rules, options_become_schemes) {
  Json asymmetric = default_options();
  asymmetric["scheme"] = "asymmetric";
  asymmetric["strategy"] = "tensor";
  Json grouped = test::packed_8_options();
  grouped["strategy"] = "group";
  grouped["groupSize"] = 64;
  const auto text = [](const Json &options, Dtype dtype = Dtype::kBF16) {
    return scheme_text(decide_first({{"layer.weight", {64, 128}, dtype}}, options));
  };
  EXPECT_EQ(text(default_options()), "8 sym channel 0 BF16");
  EXPECT_EQ(text(default_options(), Dtype::kF16), "8 sym channel 0 F16");
  EXPECT_EQ(text(default_options(), Dtype::kF32), "8 sym channel 0 F32");
  EXPECT_EQ(text(default_options(), Dtype::kF64), "8 sym channel 0 F32");
  EXPECT_EQ(text(default_options(), Dtype::kF8E4M3), "8 sym channel 0 F32");
  EXPECT_EQ(text(asymmetric), "8 asym tensor 0 BF16");
  EXPECT_EQ(text(test::packed_8_options()), "8 sym channel 0 packed BF16");
  EXPECT_EQ(text(grouped), "8 sym group 64 packed BF16");
  EXPECT_EQ(text(test::int4_options(128)), "4 sym group 128 packed BF16");
  EXPECT_EQ(text(test::int4_options(-1)), "4 sym channel 0 packed BF16");
}

TEST(Rules, of_several_overrides_the_last_one_wins_member_by_member) {
  const auto text = [](const Json &base, std::initializer_list<Json> overrides) {
    return scheme_text(decide_first({kLinear}, with_overrides(base, overrides)));
  };
  const Json base = default_options();
  const Json four = of_first({{"bits", 4}});
  const Json eight = of_first({{"bits", 8}});
  const Json asymmetric = of_first({{"scheme", "asymmetric"}});
  const Json group_32 = of_first({{"groupSize", 32}});
  const Json channel = of_first({{"groupSize", -1}});
  const Json none = of_first({{"bits", "none"}});
  const Json elsewhere = {{"tensors", Json::array()}, {"bits", "none"}};
  EXPECT_EQ(text(base, {four}), "4 sym group 128 packed BF16");
  EXPECT_EQ(text(base, {four, eight}), "8 sym channel 0 BF16");
  EXPECT_EQ(text(base, {eight, four}), "4 sym group 128 packed BF16");
  EXPECT_EQ(text(base, {four, group_32}), "4 sym group 32 packed BF16");
  EXPECT_EQ(text(base, {four, channel}), "4 sym channel 0 packed BF16");
  EXPECT_EQ(text(base, {four, asymmetric, group_32}), "4 asym group 32 packed BF16");
  EXPECT_EQ(text(base, {asymmetric}), "8 asym channel 0 BF16");
  EXPECT_EQ(text(base, {none, four}), "4 sym group 128 packed BF16");
  EXPECT_EQ(text(base, {four, none}), "copy");
  EXPECT_EQ(text(base, {four, elsewhere}), "4 sym group 128 packed BF16");
  EXPECT_EQ(text(base, {of_first({{"bits", 16}})}), "to F16");
  EXPECT_EQ(text(base, {of_first({{"bits", 4}, {"groupSize", 64}, {"scheme", "asymmetric"}})}),
            "4 asym group 64 packed BF16");
  EXPECT_EQ(text(test::int4_options(32), {of_first({{"bits", 4}})}), "4 sym group 32 packed BF16");
}

TEST(Rules, groups_that_do_not_divide_the_row_fall_back) {
  struct Fall {
    uint64_t columns;
    int64_t asked;
    std::string expected;
  };
  for (const Fall &row : std::vector<Fall>{
           {256, 128, "4 sym group 128 packed BF16"},
           {192, 128, "4 sym group 64 packed BF16"},
           {96, 128, "4 sym group 32 packed BF16"},
           {48, 128, "4 sym channel 0 packed BF16"},
           {80, 64, "4 sym channel 0 packed BF16"},
           {80, 16, "4 sym group 16 packed BF16"},
           {128, 256, "4 sym group 128 packed BF16"},
           {64, 256, "4 sym group 64 packed BF16"},
           {96, 32, "4 sym group 32 packed BF16"},
           {129, 32, "4 sym channel 0 packed BF16"},
       }) {
    const TensorPlan entry =
        decide_first({{"layer.weight", {64, row.columns}}}, test::int4_options(row.asked));
    EXPECT_EQ(scheme_text(entry), row.expected) << row.columns << " in groups of " << row.asked;
    const bool fell =
        entry.quantize()->stored.scheme.group_size != static_cast<uint64_t>(row.asked);
    EXPECT_EQ(entry.quantize()->asked_group, fell ? static_cast<uint64_t>(row.asked) : 0U);
    EXPECT_EQ(entry.explanation.find("does not divide") != std::string::npos, fell);
  }
}

TEST(Rules, a_kernels_dimensions_count_as_columns) {
  const TensorPlan conv = decide_first({{"c.weight", {32, 16, 3, 3}}}, default_options());
  EXPECT_EQ(conv.quantize()->stored.matrices, 1U);
  EXPECT_EQ(conv.quantize()->stored.rows, 32U);
  EXPECT_EQ(conv.quantize()->stored.columns, 144U);
  const TensorPlan stack = decide_first({{"experts.w", {6, 32, 64}}}, default_options());
  EXPECT_EQ(stack.quantize()->stored.matrices, 6U);
  EXPECT_EQ(stack.quantize()->stored.rows, 32U);
  EXPECT_EQ(stack.quantize()->stored.columns, 64U);
}

TEST(Rules, searches_are_planned_where_what_shares_a_scale_is_seen_at_once) {
  Json int4 = test::int4_options(128);
  int4["method"] = "mse";
  const TensorPlan grouped = decide_first({kLinear}, int4);
  EXPECT_EQ(grouped.quantize()->stored.scheme.method, quant::Method::kMse);
  EXPECT_TRUE(grouped.quantize()->stored.scheme.signed_scales);
  EXPECT_EQ(grouped.explanation, "INT4, groups of 128, searched");
  Json asymmetric = int4;
  asymmetric["scheme"] = "asymmetric";
  EXPECT_FALSE(decide_first({kLinear}, asymmetric).quantize()->stored.scheme.signed_scales);

  const Json channel = default_options_with("method", "mse");
  const TensorPlan row = decide_first({{"layer.weight", {64, 65536}}}, channel);
  EXPECT_EQ(row.quantize()->stored.scheme.method, quant::Method::kMse);
  EXPECT_FALSE(row.quantize()->stored.scheme.signed_scales) << "8 bits gain too little";
  EXPECT_EQ(row.explanation, "INT8 per channel, searched");
  const TensorPlan long_row = decide_first({{"layer.weight", {64, 65537}}}, channel);
  EXPECT_EQ(long_row.quantize()->stored.scheme.method, quant::Method::kRtn);
  EXPECT_EQ(long_row.explanation,
            "INT8 per channel (65537 weights are too long for a search: rtn)");
  const TensorPlan long_groups = decide_first({{"layer.weight", {64, 131072}}}, int4);
  EXPECT_EQ(long_groups.quantize()->stored.scheme.method, quant::Method::kMse);

  Json tensor = channel;
  tensor["strategy"] = "tensor";
  const TensorPlan whole = decide_first({kLinear}, tensor);
  EXPECT_EQ(whole.quantize()->stored.scheme.method, quant::Method::kRtn);
  EXPECT_EQ(whole.explanation, "INT8 per tensor (too much for a search: rtn)");
}

TEST(Rules, other_bits_bring_their_own_method) {
  const auto method = [](const Json &base, const Json &override) {
    return decide_first({kLinear}, with_overrides(base, {of_first(override)}))
        .quantize()
        ->stored.scheme.method;
  };
  const Json rtn = default_options();
  Json searched = test::int4_options(128);
  searched["method"] = "mse";
  EXPECT_EQ(method(rtn, {{"bits", 4}}), quant::Method::kMse);
  EXPECT_EQ(method(rtn, {{"bits", 4}, {"method", "rtn"}}), quant::Method::kRtn);
  EXPECT_EQ(method(rtn, {{"bits", 8}}), quant::Method::kRtn);
  EXPECT_EQ(method(rtn, {{"method", "mse"}}), quant::Method::kMse);
  EXPECT_EQ(method(searched, {{"bits", 8}}), quant::Method::kRtn);
  EXPECT_EQ(method(searched, {{"bits", 4}, {"groupSize", 64}}), quant::Method::kMse);
  EXPECT_EQ(method(searched, {{"method", "rtn"}}), quant::Method::kRtn);
}

} // namespace
} // namespace monoquant::plan
