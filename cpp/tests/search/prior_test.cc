#include "monoquant/search/prior.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"

namespace monoquant::search {
namespace {

std::vector<std::string> llama(int layers) {
  std::vector<std::string> names = {"model.embed_tokens.weight"};
  for (int i = 0; i < layers; ++i) {
    for (const char *part : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                             "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
      names.push_back(concat("model.layers.", i, ".", part, ".weight"));
    }
  }
  names.push_back("lm_head.weight");
  return names;
}

double factor_of(const std::vector<std::string> &names, const std::string &name,
                 const PriorTable &table = default_prior_table()) {
  const auto priors = priors_of(names, table);
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) {
      return priors[i].factor;
    }
  }
  ADD_FAILURE() << name;
  return 0;
}

TEST(Prior, depends_on_the_role_and_the_depth) {
  const auto names = llama(30);
  EXPECT_EQ(factor_of(names, "model.layers.10.self_attn.q_proj.weight"), 0.4);
  EXPECT_EQ(factor_of(names, "model.layers.10.self_attn.v_proj.weight"), 2);
  EXPECT_EQ(factor_of(names, "model.layers.10.self_attn.o_proj.weight"), 1);
  EXPECT_EQ(factor_of(names, "model.layers.10.mlp.up_proj.weight"), 1.5);
  EXPECT_EQ(factor_of(names, "model.layers.10.mlp.down_proj.weight"), 2);
  EXPECT_EQ(factor_of(names, "model.layers.2.mlp.down_proj.weight"), 4);
  EXPECT_EQ(factor_of(names, "model.layers.3.mlp.down_proj.weight"), 2);
  EXPECT_EQ(factor_of(names, "model.layers.27.mlp.down_proj.weight"), 2);
  EXPECT_EQ(factor_of(names, "model.layers.28.mlp.down_proj.weight"), 4);
  EXPECT_EQ(factor_of(names, "model.layers.29.mlp.down_proj.weight"), 8);
  EXPECT_EQ(factor_of(names, "model.layers.29.mlp.gate_proj.weight"), 2);
  EXPECT_EQ(factor_of(names, "model.embed_tokens.weight"), 1);
  const auto priors = priors_of(names, default_prior_table());
  EXPECT_EQ(priors.back().role, "head");
  EXPECT_EQ(priors.back().least_bits, 6U);
}

TEST(Prior, embeddings_are_the_head_of_a_model_that_has_none) {
  auto names = llama(4);
  names.pop_back();
  const auto priors = priors_of(names, default_prior_table());
  EXPECT_EQ(priors.front().role, "head");
  EXPECT_EQ(priors.front().factor, 4);
  EXPECT_EQ(priors.front().least_bits, 6U);
}

TEST(Prior, of_two_matching_ends_the_longer_one_counts) {
  const PriorTable table = default_prior_table();
  const std::vector<std::string> names = {"bert.encoder.layer.5.attention.output.dense.weight",
                                          "bert.encoder.layer.5.output.dense.weight",
                                          "bert.encoder.layer.5.intermediate.dense.weight",
                                          "h.5.attn.c_proj.weight",
                                          "h.5.mlp.c_proj.weight",
                                          "decoder.block.5.layer.2.DenseReluDense.wo.weight",
                                          "gpt_neox.layers.5.attention.dense.weight",
                                          "blk.5.ffn_down.weight",
                                          "h.5.crow_proj.weight",
                                          "h.5.xdown_proj.weight"};
  const std::vector<std::string> roles = {"o",    "down", "up",   "o", "down",
                                          "down", "o",    "down", "",  ""};
  const auto priors = priors_of(names, table);
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(priors[i].role, roles[i]) << names[i];
  }
}

TEST(Prior, each_stack_has_a_last_layer_of_its_own) {
  std::vector<std::string> names;
  for (int i = 0; i < 12; ++i) {
    names.push_back(concat("encoder.layers.", i, ".fc2.weight"));
  }
  for (int i = 0; i < 20; ++i) {
    names.push_back(concat("decoder.layers.", i, ".experts.", i + 70, ".w2.weight"));
  }
  EXPECT_EQ(factor_of(names, "encoder.layers.11.fc2.weight"), 8);
  EXPECT_EQ(factor_of(names, "decoder.layers.11.experts.81.w2.weight"), 2);
  EXPECT_EQ(factor_of(names, "decoder.layers.19.experts.89.w2.weight"), 8);
}

TEST(Prior, without_roles_the_first_and_the_last_weight_count_more) {
  const std::vector<std::string> names = {"conv1.weight", "layer1.0.conv1.weight",
                                          "layer4.2.conv3.weight", "fc.weight"};
  EXPECT_EQ(factor_of(names, "conv1.weight"), 4);
  EXPECT_EQ(factor_of(names, "layer1.0.conv1.weight"), 1);
  EXPECT_EQ(factor_of(names, "fc.weight"), 4);
  EXPECT_TRUE(priors_of({}, default_prior_table()).empty());
  EXPECT_EQ(factor_of({"fc.weight"}, "fc.weight"), 4);
}

TEST(Prior, odd_names_are_names) {
  const std::vector<std::string> names = {"",
                                          ".weight",
                                          "..",
                                          "layers.99999999999999999999.v_proj",
                                          "layers.4294967295.v_proj",
                                          "v_proj",
                                          "layers.1..v_proj"};
  const auto priors = priors_of(names, default_prior_table());
  EXPECT_EQ(priors[3].role, "v");
  EXPECT_EQ(priors[3].factor, 2);
  EXPECT_EQ(priors[5].factor, 2);
}

TEST(Prior, a_table_of_a_person_changes_what_it_says) {
  const auto table = read_prior_table(
      R"({"roles": {"v": {"factor": 3}, "mixer": {"factor": 0.5, "layers": ["mixer.in_proj"]}},
          "other": 0.25, "firstLayers": {"count": 1}, "lastLayer": {"roles": []}})");
  ASSERT_TRUE(table) << table.error().message;
  const auto names = llama(30);
  EXPECT_EQ(factor_of(names, "model.layers.10.self_attn.v_proj.weight", table.value()), 3);
  EXPECT_EQ(factor_of(names, "model.layers.0.self_attn.v_proj.weight", table.value()), 6);
  EXPECT_EQ(factor_of(names, "model.layers.1.self_attn.v_proj.weight", table.value()), 3);
  EXPECT_EQ(factor_of(names, "model.layers.29.mlp.down_proj.weight", table.value()), 4);
  EXPECT_EQ(factor_of({"a.0.mixer.in_proj.weight", "b.weight", "c.weight"},
                      "a.0.mixer.in_proj.weight", table.value()),
            2)
      << "the only layer is the first one and the last one";
  EXPECT_EQ(factor_of({"a.5.v_proj.weight", "b.weight"}, "b.weight", table.value()), 0.25);
}

TEST(Prior, the_default_is_read_as_it_is_written) {
  const std::string text = prior_table_json(default_prior_table());
  const auto table = read_prior_table(text);
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(prior_table_json(table.value()), text);
}

TEST(Prior, wrong_tables_are_refused_in_a_sentence) {
  const std::pair<const char *, const char *> wrong[] = {
      {"", "as JSON"},
      {"[]", "an object as a table"},
      {R"({"role": {}})", "found \"role\""},
      {R"({"roles": []})", "an object of roles"},
      {R"({"roles": {"v": 3}})", "an object with a factor"},
      {R"({"roles": {"new": {"factor": 1}}})", "in the new role \"new\""},
      {R"({"roles": {"v": {"factor": 0}}})", "a number above 0"},
      {R"({"roles": {"v": {"factor": -1}}})", "a number above 0"},
      {R"({"roles": {"v": {"factor": 1e300}}})", "a number above 0"},
      {R"({"roles": {"v": {"layers": [1]}}})", "a list of names"},
      {R"({"roles": {"v": {"layers": [""]}}})", "a list of names"},
      {R"({"roles": {"v": {"bits": 3}}})", "found \"bits\""},
      {R"({"roles": {"v": {"leastBits": 17}}})", "from 0 to 16"},
      {R"({"firstLayers": {"count": -1}})", "a whole number"},
      {R"({"lastLayers": 3})", "as \"lastLayers\""},
      {R"({"lastLayer": {"roles": ["nobody"]}})", "\"nobody\" which is none"},
      {R"({"ends": "four"})", "as \"ends\""},
  };
  for (const auto &[text, sentence] : wrong) {
    const auto table = read_prior_table(text);
    ASSERT_FALSE(table) << text;
    EXPECT_EQ(table.error().code, ErrorCode::kInvalidOptions);
    EXPECT_NE(table.error().message.find(sentence), std::string::npos)
        << text << ": " << table.error().message;
  }
}

} // namespace
} // namespace monoquant::search
