
#include <gtest/gtest.h>

#include <set>

#include "monoquant/base/json.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"

namespace monoquant::plan {
namespace {

using test::Entry;

struct Expected {
  std::string name;
  std::string_view dtype;
  std::vector<uint64_t> shape;
};

struct LayoutCase {
  std::string title;
  Entry entry;
  Json options;
  std::vector<Expected> outputs;
};

Json asymmetric(Json options) {
  options["scheme"] = "asymmetric";
  return options;
}

Json per_tensor(Json options) {
  options["strategy"] = "tensor";
  return options;
}

Json grouped_8(int64_t group) {
  Json options = test::packed_8_options();
  options["strategy"] = "group";
  options["groupSize"] = group;
  return options;
}

std::vector<LayoutCase> layout_cases() {
  const Json int8 = test::default_options();
  const Json int4 = test::int4_options(32);
  const Json int4_channel = test::int4_options(-1);
  const Json packed = test::packed_8_options();
  const Entry linear{"l.weight", {20, 64}};
  const Entry conv1d{"c.weight", {16, 8, 5}, Dtype::kF32};
  const Entry conv2d{"c.weight", {16, 8, 3, 3}, Dtype::kF16};
  const Entry conv3d{"c.weight", {16, 8, 3, 3, 3}, Dtype::kF32};
  const Entry lstm{"lstm.weight_hh_l0", {64, 16}, Dtype::kF32};
  const Entry gru{"gru.weight_hh_l0", {96, 32}, Dtype::kF32};
  const Entry experts{"mlp.experts.gate_up_proj", {6, 20, 64}};
  return {
      {"int8", linear, int8, {{"l.weight", "I8", {20, 64}}, {"l.weight_scale", "BF16", {20, 1}}}},
      {"int8 asymmetric",
       linear,
       asymmetric(int8),
       {{"l.weight", "I8", {20, 64}},
        {"l.weight_scale", "BF16", {20, 1}},
        {"l.weight_zero_point", "I8", {20, 1}}}},
      {"int8 per tensor",
       linear,
       per_tensor(int8),
       {{"l.weight", "I8", {20, 64}}, {"l.weight_scale", "BF16", {1}}}},
      {"int8 per tensor asymmetric",
       linear,
       asymmetric(per_tensor(int8)),
       {{"l.weight", "I8", {20, 64}},
        {"l.weight_scale", "BF16", {1}},
        {"l.weight_zero_point", "I8", {1}}}},
      {"int4 groups",
       linear,
       int4,
       {{"l.weight_packed", "I32", {20, 8}},
        {"l.weight_shape", "I64", {2}},
        {"l.weight_scale", "BF16", {20, 2}}}},
      {"int4 groups asymmetric",
       linear,
       asymmetric(int4),
       {{"l.weight_packed", "I32", {20, 8}},
        {"l.weight_shape", "I64", {2}},
        {"l.weight_scale", "BF16", {20, 2}},
        {"l.weight_zero_point", "I32", {3, 2}}}},
      {"int4 channel",
       linear,
       int4_channel,
       {{"l.weight_packed", "I32", {20, 8}},
        {"l.weight_shape", "I64", {2}},
        {"l.weight_scale", "BF16", {20, 1}}}},
      {"int4 channel asymmetric",
       linear,
       asymmetric(int4_channel),
       {{"l.weight_packed", "I32", {20, 8}},
        {"l.weight_shape", "I64", {2}},
        {"l.weight_scale", "BF16", {20, 1}},
        {"l.weight_zero_point", "I32", {3, 1}}}},
      {"int8 packed",
       linear,
       packed,
       {{"l.weight_packed", "I32", {20, 16}},
        {"l.weight_shape", "I64", {2}},
        {"l.weight_scale", "BF16", {20, 1}}}},
      {"int8 packed asymmetric",
       linear,
       asymmetric(packed),
       {{"l.weight_packed", "I32", {20, 16}},
        {"l.weight_shape", "I64", {2}},
        {"l.weight_scale", "BF16", {20, 1}},
        {"l.weight_zero_point", "I32", {5, 1}}}},
      {"int8 packed groups asymmetric",
       linear,
       asymmetric(grouped_8(16)),
       {{"l.weight_packed", "I32", {20, 16}},
        {"l.weight_shape", "I64", {2}},
        {"l.weight_scale", "BF16", {20, 4}},
        {"l.weight_zero_point", "I32", {5, 4}}}},
      // Upstream packs the zero points of channels and groups only; a single one stays what it is.
      {"int8 packed per tensor asymmetric",
       linear,
       asymmetric(per_tensor(packed)),
       {{"l.weight_packed", "I32", {20, 16}},
        {"l.weight_shape", "I64", {2}},
        {"l.weight_scale", "BF16", {1}},
        {"l.weight_zero_point", "I8", {1}}}},
      {"rows are filled up to words",
       {"l.weight", {20, 33}},
       int4_channel,
       {{"l.weight_packed", "I32", {20, 5}},
        {"l.weight_shape", "I64", {2}},
        {"l.weight_scale", "BF16", {20, 1}}}},
      {"conv1d",
       conv1d,
       int8,
       {{"c.weight", "I8", {16, 8, 5}}, {"c.weight_scale", "F32", {16, 1, 1}}}},
      {"conv2d asymmetric",
       conv2d,
       asymmetric(int8),
       {{"c.weight", "I8", {16, 8, 3, 3}},
        {"c.weight_scale", "F16", {16, 1, 1, 1}},
        {"c.weight_zero_point", "I8", {16, 1, 1, 1}}}},
      {"conv2d int4 asymmetric, 72 columns in one group",
       conv2d,
       asymmetric(int4),
       {{"c.weight_packed", "I32", {16, 9}},
        {"c.weight_shape", "I64", {4}},
        {"c.weight_scale", "F16", {16, 1, 1, 1}},
        {"c.weight_zero_point", "I32", {2, 1, 1, 1}}}},
      {"conv3d int4, groups across the kernel",
       {"c.weight", {16, 8, 4, 4, 4}, Dtype::kF32},
       int4,
       {{"c.weight_packed", "I32", {16, 64}},
        {"c.weight_shape", "I64", {5}},
        {"c.weight_scale", "BF16", {16, 16, 1, 1, 1}}}},
      {"conv3d per tensor",
       conv3d,
       per_tensor(int8),
       {{"c.weight", "I8", {16, 8, 3, 3, 3}}, {"c.weight_scale", "F32", {1}}}},
      {"lstm",
       lstm,
       int8,
       {{"lstm.weight_hh_l0", "I8", {64, 16}}, {"lstm.weight_hh_l0_scale", "F32", {64, 1}}}},
      {"gru int4",
       gru,
       int4,
       {{"gru.weight_hh_l0_packed", "I32", {96, 4}},
        {"gru.weight_hh_l0_shape", "I64", {2}},
        {"gru.weight_hh_l0_scale", "BF16", {96, 1}}}},
      {"experts",
       experts,
       int8,
       {{"mlp.experts.gate_up_proj", "I8", {6, 20, 64}},
        {"mlp.experts.gate_up_proj_scale", "BF16", {6, 20, 1}}}},
      {"experts asymmetric per tensor",
       experts,
       asymmetric(per_tensor(int8)),
       {{"mlp.experts.gate_up_proj", "I8", {6, 20, 64}},
        {"mlp.experts.gate_up_proj_scale", "BF16", {1}},
        {"mlp.experts.gate_up_proj_zero_point", "I8", {1}}}},
      {"experts int4 asymmetric",
       experts,
       asymmetric(int4),
       {{"mlp.experts.gate_up_proj_packed", "I32", {6, 20, 8}},
        {"mlp.experts.gate_up_proj_shape", "I64", {3}},
        {"mlp.experts.gate_up_proj_scale", "BF16", {6, 20, 2}},
        {"mlp.experts.gate_up_proj_zero_point", "I32", {6, 3, 2}}}},
  };
}

TEST(CompressedTensors, outputs_have_the_names_types_and_shapes_of_the_format) {
  for (const LayoutCase &row : layout_cases()) {
    const Plan plan = test::plan_for(test::make_catalog({row.entry}), row.options);
    const std::vector<Output> outputs = plan::outputs(plan, 0);
    ASSERT_EQ(outputs.size(), row.outputs.size()) << row.title;
    for (size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_EQ(outputs[i].name, row.outputs[i].name) << row.title;
      EXPECT_EQ(dtype_name(outputs[i].dtype), row.outputs[i].dtype)
          << row.title << ": " << outputs[i].name;
      EXPECT_EQ(outputs[i].shape, row.outputs[i].shape) << row.title << ": " << outputs[i].name;
      uint64_t bytes = dtype_bits(outputs[i].dtype) / 8;
      for (const uint64_t extent : outputs[i].shape) {
        bytes *= extent;
      }
      EXPECT_EQ(outputs[i].bytes, bytes) << row.title;
    }
  }
}

Json config_of(const std::vector<Entry> &entries, const Json &options) {
  const Plan plan = test::plan_for(test::make_catalog(entries), options);
  return Json::parse(plan.quantization_config);
}

const std::vector<Entry> kModel = {
    {"model.embed_tokens.weight", {512, 64}},
    {"model.layers.0.self_attn.q_proj.weight", {64, 64}},
    {"model.layers.0.self_attn.q_proj.bias", {64}},
    {"model.layers.0.mlp.down_proj.weight", {64, 64}},
    {"model.layers.0.small.weight", {2, 64}},
    {"model.norm.weight", {64}},
    {"lm_head.weight", {512, 64}},
};

TEST(CompressedTensors, config_of_int4_groups_is_the_documented_one) {
  const Json expected = Json::parse(R"({
    "quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
    "config_groups": {"group_0": {"targets": ["Linear"],
      "weights": {"num_bits": 4, "type": "int", "symmetric": true, "strategy": "group", "group_size": 32,
                  "dynamic": false},
      "input_activations": null, "output_activations": null}},
    "ignore": ["lm_head", "model.embed_tokens", "model.layers.0.small"], "kv_cache_scheme": null,
    "global_compression_ratio": null, "version": "0.11.0"})");
  EXPECT_EQ(config_of(kModel, test::int4_options(32)), expected);
}

TEST(CompressedTensors, config_of_int8_has_dynamic_activations) {
  const Json config = config_of(kModel, test::default_options());
  EXPECT_EQ(config["format"], "int-quantized");
  const Json &group = config["config_groups"]["group_0"];
  EXPECT_EQ(group["weights"], Json::parse(R"({"num_bits": 8, "type": "int", "symmetric": true,
    "strategy": "channel", "dynamic": false})"));
  EXPECT_EQ(group["input_activations"],
            Json::parse(R"({"num_bits": 8, "type": "int", "symmetric": true,
    "strategy": "token", "dynamic": true})"));
  EXPECT_FALSE(group.contains("format")) << "with one format it stands only once";
}

TEST(CompressedTensors, config_of_packed_int8_has_no_activations) {
  const Json config = config_of(kModel, test::packed_8_options());
  EXPECT_EQ(config["format"], "pack-quantized");
  EXPECT_TRUE(config["config_groups"]["group_0"]["input_activations"].is_null());
  EXPECT_EQ(config["config_groups"]["group_0"]["weights"]["num_bits"], 8);
}

TEST(CompressedTensors, config_of_asymmetric_tensors) {
  Json options = per_tensor(asymmetric(test::default_options()));
  const Json weights = config_of(kModel, options)["config_groups"]["group_0"]["weights"];
  EXPECT_EQ(weights["strategy"], "tensor");
  EXPECT_EQ(weights["symmetric"], false);
  EXPECT_FALSE(weights.contains("group_size"));
}

TEST(CompressedTensors, config_of_several_schemes_names_every_module) {
  Json options = test::default_options();
  options["overrides"] = Json::parse(R"([{"tensors":[3],"bits":4,"groupSize":32}])");
  const Json config = config_of(kModel, options);
  EXPECT_EQ(config["format"], "mixed-precision");
  ASSERT_EQ(config["config_groups"].size(), 2U);
  EXPECT_EQ(config["config_groups"]["group_0"]["targets"],
            Json::array({"model.layers.0.self_attn.q_proj"}));
  EXPECT_EQ(config["config_groups"]["group_0"]["format"], "int-quantized");
  EXPECT_EQ(config["config_groups"]["group_1"]["targets"],
            Json::array({"model.layers.0.mlp.down_proj"}));
  EXPECT_EQ(config["config_groups"]["group_1"]["format"], "pack-quantized");
}

TEST(CompressedTensors, config_names_the_classes_of_all_kinds) {
  const Json config = config_of({{"conv.weight", {16, 8, 3, 3}},
                                 {"conv_small.weight", {2, 2, 3, 3}},
                                 {"fc.weight", {64, 64}},
                                 {"lstm.weight_ih_l0", {64, 16}},
                                 {"lstm.weight_hh_l0", {64, 16}},
                                 {"mlp.experts.gate_up_proj", {4, 32, 32}}},
                                test::default_options());
  const auto targets = config["config_groups"]["group_0"]["targets"].get<std::set<std::string>>();
  EXPECT_EQ(targets,
            (std::set<std::string>{"Conv2d", "LSTM", "Linear", "mlp.experts.gate_up_proj"}));
  EXPECT_EQ(config["ignore"], Json::array({"conv_small"}));
}

TEST(CompressedTensors, config_names_layers_whose_class_only_a_pickle_knows) {
  catalog::Catalog catalog = test::make_catalog({{"a.weight", {64, 64}}, {"b.matrix", {64, 64}}});
  for (catalog::Tensor &tensor : catalog.tensors) {
    tensor.module_type = "torch.nn.modules.linear.Linear";
  }
  catalog::classify(catalog.tensors);
  const Plan plan = test::plan_for(catalog, test::default_options());
  EXPECT_EQ(Json::parse(plan.quantization_config)["config_groups"]["group_0"]["targets"],
            Json({"Linear", "b.matrix"}));
}

TEST(CompressedTensors, config_ignores_what_a_target_may_mean_and_is_left_alone) {
  // Whatever a class name catches, or may catch, and is not quantized must be named; nothing that is quantized may be.
  Json options = test::default_options();
  options["ignore"] = {1};
  const Json config = config_of(kModel, options);
  EXPECT_EQ(config["ignore"],
            Json::array({"lm_head", "model.embed_tokens", "model.layers.0.self_attn.q_proj",
                         "model.layers.0.small"}));
}

} // namespace
} // namespace monoquant::plan
