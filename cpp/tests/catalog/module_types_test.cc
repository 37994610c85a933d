// Classes that a file names decide what a parameter is for, whatever its name says.
#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "support/catalog_builder.h"

namespace monoquant::catalog {
namespace {

struct TypedTensor {
  std::string name;
  std::vector<uint64_t> shape;
  std::string module_type;
  std::string_view kind;
};

void expect_kinds(const std::vector<TypedTensor> &rows) {
  std::vector<Tensor> tensors;
  for (const TypedTensor &row : rows) {
    Tensor tensor;
    tensor.name = row.name;
    tensor.shape = row.shape;
    tensor.module_type = row.module_type;
    tensors.push_back(std::move(tensor));
  }
  classify(tensors);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(layer_kind_name(tensors[i].kind), rows[i].kind)
        << rows[i].name << " of a " << rows[i].module_type;
  }
}

std::string in_torch(std::string_view path) { return concat("torch.nn.modules.", path); }

TEST(ModuleTypes, decide_against_misleading_names) {
  expect_kinds({
      {"norm.weight", {64, 64}, in_torch("linear.Linear"), "linear"},
      {"embed.weight", {64, 64}, in_torch("linear.Linear"), "linear"},
      {"fc.weight", {1000, 64}, in_torch("sparse.Embedding"), "embedding"},
      {"lm_head.weight", {1000, 64}, in_torch("sparse.EmbeddingBag"), "embedding"},
      {"layers.3.weight", {64}, in_torch("normalization.LayerNorm"), "norm"},
      {"layers.3.bias", {64}, in_torch("normalization.LayerNorm"), "norm"},
      {"downsample.1.weight", {64}, in_torch("batchnorm.BatchNorm2d"), "norm"},
      {"downsample.1.running_mean", {64}, in_torch("batchnorm.BatchNorm2d"), "norm"},
      {"fc2.weight", {64, 3, 5, 5}, in_torch("conv.Conv2d"), "conv2d"},
      {"x.weight", {64, 3, 5}, in_torch("conv.Conv1d"), "conv1d"},
      {"y.weight", {64, 3, 5, 5, 5}, in_torch("conv.Conv3d"), "conv3d"},
      {"act.weight", {8, 8}, in_torch("activation.PReLU"), "other"},
  });
}

TEST(ModuleTypes, do_not_make_a_layer_of_half_a_weight_or_of_an_adapter) {
  expect_kinds({
      {"conv.weight_v", {64, 32, 3}, in_torch("conv.Conv1d"), "weight-norm"},
      {"conv.weight_g", {64, 1, 1}, in_torch("conv.Conv1d"), "weight-norm"},
      {"q_proj.lora_A.default.weight", {16, 64}, in_torch("linear.Linear"), "adapter"},
  });
}

TEST(ModuleTypes, tell_transposed_convolutions_apart) {
  expect_kinds({
      {"up1.weight", {64, 32, 4}, in_torch("conv.ConvTranspose1d"), "conv-transpose"},
      {"up2.weight", {64, 32, 4, 4}, in_torch("conv.ConvTranspose2d"), "conv-transpose"},
      {"up3.weight", {64, 32, 4, 4, 4}, in_torch("conv.ConvTranspose3d"), "conv-transpose"},
      {"up2.bias", {32}, in_torch("conv.ConvTranspose2d"), "bias"},
      {"up.weight", {64, 32, 4, 4}, "", "conv2d"}, // the shape alone does not tell
  });
}

TEST(ModuleTypes, attention_and_recurrent_modules_hold_several_weights) {
  const std::string attention = in_torch("activation.MultiheadAttention");
  const std::string lstm = in_torch("rnn.LSTM");
  expect_kinds({
      {"attn.in_proj_weight", {192, 64}, attention, "linear"},
      {"attn.q_proj_weight", {64, 64}, attention, "linear"},
      {"attn.in_proj_bias", {192}, attention, "bias"},
      {"attn.bias_k", {1, 1, 64}, attention, "bias"},
      {"attn.out_proj.weight",
       {64, 64},
       in_torch("linear.NonDynamicallyQuantizableLinear"),
       "linear"},
      {"a.weight_ih_l0", {512, 80}, lstm, "lstm"}, // its other half is missing
      {"a.bias_hh_l0", {512}, lstm, "bias"},
      {"b.weight_hr_l0", {64, 128}, lstm, "lstm"},
      {"c.weight_ih", {96, 80}, in_torch("rnn.GRUCell"), "gru"},
      {"d.weight_hh_l0", {512, 128}, in_torch("rnn.RNN"), "rnn"}, // shaped like an LSTM's
  });
}

TEST(ModuleTypes, a_linear_layer_may_still_be_the_last_one_or_a_router) {
  expect_kinds({
      {"lm_head.weight", {1000, 64}, in_torch("linear.Linear"), "head"},
      {"lm_head.bias", {1000}, in_torch("linear.Linear"), "bias"},
      {"mlp.gate.weight", {8, 64}, in_torch("linear.Linear"), "router"},
      {"mlp.experts.0.w1.weight", {64, 64}, in_torch("linear.Linear"), "linear"},
  });
}

TEST(ModuleTypes, classes_of_others_leave_it_to_the_names) {
  for (const std::string_view type :
       {"", "my.own.Linear", "torch.nn.modules.container.Sequential", "torch.nnx.Embedding",
        "Embedding", "timm.layers.norm.LayerNorm2d", "torch.nn.modules.linear.LinearX"}) {
    expect_kinds({
        {"norm.weight", {64, 64}, std::string(type), "norm"},
        {"fc.weight", {64, 64}, std::string(type), "linear"},
        {"embed.weight", {64, 64}, std::string(type), "embedding"},
        {"fc.bias", {64}, std::string(type), "bias"},
        {"alpha", {64, 64}, std::string(type), "other"},
    });
  }
}

} // namespace
} // namespace monoquant::catalog
