#include "monoquant/llama_cpp/mixture.h"

#include <gtest/gtest.h>

#include <map>

#include "monoquant/base/text.h"

namespace monoquant::llama_cpp {
namespace {

/// A model of so many layers whose rows have 512 values.
struct TestModel {
  explicit TestModel(uint32_t layers, bool is_tied = false, uint64_t row = 512) {
    add("token_embd.weight", {1000, row});
    add("output_norm.weight", {row});
    if (!is_tied) {
      add("output.weight", {1000, row});
    }
    for (uint32_t layer = 0; layer < layers; ++layer) {
      for (const char *name :
           {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
        add(concat("blk.", layer, ".", name, ".weight"), {512, row});
      }
      add(concat("blk.", layer, ".attn_norm.weight"), {row});
      add(concat("blk.", layer, ".attn_q.bias"), {row});
    }
  }

  void add(std::string name, std::vector<uint64_t> shape) {
    names.push_back(std::move(name));
    shapes.push_back(std::move(shape));
  }

  [[nodiscard]] Result<std::map<std::string, GgmlType>>
  types(Mixture mixture, const MixtureFacts &facts, bool has_importance = false) const {
    std::vector<MixtureTensor> tensors;
    for (size_t i = 0; i < names.size(); ++i) {
      tensors.push_back({names[i], shapes[i], GgmlType::kF32});
    }
    auto found = mixture_types(mixture, facts, tensors, has_importance);
    if (!found) {
      return found.error();
    }
    std::map<std::string, GgmlType> by_name;
    for (size_t i = 0; i < names.size(); ++i) {
      by_name[names[i]] = found.value()[i];
    }
    return by_name;
  }

  std::vector<std::string> names;
  std::vector<std::vector<uint64_t>> shapes;
};

/// A letter for each layer's tensor: the type's number in hexadecimal would be as long.
std::string row_of_layers(const std::map<std::string, GgmlType> &types, const std::string &name,
                          uint32_t layers) {
  const std::map<GgmlType, char> letters = {
      {GgmlType::kQ2K, '2'},   {GgmlType::kQ3K, '3'},   {GgmlType::kQ4K, '4'},
      {GgmlType::kQ5K, '5'},   {GgmlType::kQ6K, '6'},   {GgmlType::kQ80, '8'},
      {GgmlType::kIq4Nl, 'n'}, {GgmlType::kIq4Xs, 'x'}, {GgmlType::kQ40, 'a'},
      {GgmlType::kQ41, 'b'},   {GgmlType::kQ50, 'c'},   {GgmlType::kQ51, 'd'}};
  std::string text;
  for (uint32_t layer = 0; layer < layers; ++layer) {
    text += letters.at(types.at(concat("blk.", layer, ".", name, ".weight")));
  }
  return text;
}

constexpr uint32_t kLayers = 16;

/// attn_v, ffn_down, attn_output, attn_q of the layers.
std::string rows(Mixture mixture, uint32_t kv_heads = 8, bool has_importance = false) {
  const TestModel model(kLayers);
  const auto types = model.types(mixture, {"llama", kLayers, 16, kv_heads, 0}, has_importance);
  EXPECT_TRUE(types);
  if (!types) {
    return {};
  }
  std::string text;
  for (const char *name : {"attn_v", "ffn_down", "attn_output", "attn_q"}) {
    text += concat(text.empty() ? "" : " ", row_of_layers(types.value(), name, kLayers));
  }
  return text;
}

std::string all(char letter) { return std::string(kLayers, letter); }

TEST(LlamaMixture, layers_get_more_bits_where_the_mixture_says_so) {
  // The first and the last eighth, and every third between: 0, 1, 4, 7, 10, 13, 14, 15.
  const std::string more = "6644644644644666";
  EXPECT_EQ(rows(Mixture::kQ4KM), concat(more, " ", more, " ", all('4'), " ", all('4')));
  std::string more5 = more;
  std::replace(more5.begin(), more5.end(), '4', '5');
  EXPECT_EQ(rows(Mixture::kQ5KM), concat(more5, " ", more5, " ", all('5'), " ", all('5')));
  EXPECT_EQ(rows(Mixture::kQ4KS),
            concat("5555444444444444 5544444444444444 ", all('4'), " ", all('4')));
  EXPECT_EQ(rows(Mixture::kQ3KM),
            concat("5544444444444444 5444444444444444 ", all('4'), " ", all('3')));
  EXPECT_EQ(rows(Mixture::kQ3KL), concat(all('5'), " ", all('5'), " ", all('5'), " ", all('3')));
  EXPECT_EQ(rows(Mixture::kQ2K), concat(all('3'), " ", all('3'), " ", all('3'), " ", all('2')));
  EXPECT_EQ(rows(Mixture::kQ2K, 4), concat(all('4'), " ", all('3'), " ", all('3'), " ", all('2')));
  EXPECT_EQ(rows(Mixture::kIq4Xs), concat(all('x'), " 55xxxxxxxxxxxxxx ", all('x'), " ", all('x')));
  EXPECT_EQ(rows(Mixture::kIq4Xs, 4, true),
            concat(all('5'), " ", all('x'), " ", all('x'), " ", all('x')));
  EXPECT_EQ(rows(Mixture::kIq4Nl, 4),
            concat(all('5'), " 55nnnnnnnnnnnnnn ", all('n'), " ", all('n')));
  for (const auto &[mixture, letter] :
       {std::pair(Mixture::kQ3KS, '3'), std::pair(Mixture::kQ5KS, '5'),
        std::pair(Mixture::kQ6K, '6'), std::pair(Mixture::kQ80, '8'), std::pair(Mixture::kQ40, 'a'),
        std::pair(Mixture::kQ41, 'b'), std::pair(Mixture::kQ50, 'c'),
        std::pair(Mixture::kQ51, 'd')}) {
    EXPECT_EQ(rows(mixture),
              concat(all(letter), " ", all(letter), " ", all(letter), " ", all(letter)));
  }
  EXPECT_EQ(rows(Mixture::kQ40, 8, true),
            concat(all('a'), " bbaaaaaaaaaaaaaa ", all('a'), " ", all('a')));
  EXPECT_EQ(rows(Mixture::kQ50, 8, true),
            concat(all('c'), " ddcccccccccccccc ", all('c'), " ", all('c')));
}

TEST(LlamaMixture, seventy_billion_go_by_eighty_layers) {
  const TestModel model(80);
  const auto value_types = [&](const MixtureFacts &facts) {
    return row_of_layers(model.types(Mixture::kQ4KS, facts).value(), "attn_v", 80);
  };
  EXPECT_EQ(value_types({"llama", 80, 64, 8, 0}), std::string(80, '5'));
  EXPECT_EQ(value_types({"qwen2", 80, 64, 8, 0}), std::string(80, '5'));
  EXPECT_EQ(value_types({"llama", 80, 64, 64, 0}), "5555" + std::string(76, '4'));
  EXPECT_EQ(value_types({"gemma", 80, 64, 8, 0}), "5555" + std::string(76, '4'));
}

TEST(LlamaMixture, eight_experts_have_more_bits_in_attention) {
  const TestModel model(2);
  const auto types = model.types(Mixture::kQ4KM, {"llama", 2, 32, 8, 8}).value();
  EXPECT_EQ(types.at("blk.0.attn_v.weight"), GgmlType::kQ80);
  EXPECT_EQ(types.at("blk.0.attn_k.weight"), GgmlType::kQ80);
  EXPECT_EQ(types.at("blk.0.attn_output.weight"), GgmlType::kQ5K);
  EXPECT_EQ(types.at("blk.0.attn_q.weight"), GgmlType::kQ4K);
}

TEST(LlamaMixture, the_output_and_what_stands_in_for_it) {
  for (const auto &[mixture, output, embedding] :
       {std::tuple(Mixture::kQ4KM, GgmlType::kQ6K, GgmlType::kQ4K),
        std::tuple(Mixture::kQ40, GgmlType::kQ6K, GgmlType::kQ40),
        std::tuple(Mixture::kQ80, GgmlType::kQ80, GgmlType::kQ80),
        std::tuple(Mixture::kIq4Xs, GgmlType::kQ6K, GgmlType::kIq4Xs),
        std::tuple(Mixture::kMxfp4Moe, GgmlType::kQ80, GgmlType::kQ80)}) {
    const MixtureFacts facts{"llama", 2, 16, 8, 0};
    const auto untied = TestModel(2).types(mixture, facts).value();
    EXPECT_EQ(untied.at("output.weight"), output) << mixture_name(mixture);
    EXPECT_EQ(untied.at("token_embd.weight"), embedding) << mixture_name(mixture);
    const auto tied = TestModel(2, true).types(mixture, facts).value();
    EXPECT_EQ(tied.at("token_embd.weight"), output) << mixture_name(mixture);
  }
}

TEST(LlamaMixture, rows_that_blocks_do_not_divide_get_another_type) {
  const auto types_of = [](Mixture mixture, uint64_t row) {
    return TestModel(1, false, row).types(mixture, {"llama", 16, 16, 8, 0}).value();
  };
  const char *query = "blk.0.attn_q.weight";
  EXPECT_EQ(types_of(Mixture::kQ4KM, 96).at(query), GgmlType::kQ50);
  EXPECT_EQ(types_of(Mixture::kQ5KM, 96).at(query), GgmlType::kQ51);
  EXPECT_EQ(types_of(Mixture::kQ6K, 96).at(query), GgmlType::kQ80);
  EXPECT_EQ(types_of(Mixture::kQ2K, 96).at(query), GgmlType::kQ40);
  EXPECT_EQ(types_of(Mixture::kQ3KS, 96).at(query), GgmlType::kQ40);
  EXPECT_EQ(types_of(Mixture::kIq4Xs, 96).at(query), GgmlType::kIq4Nl);
  EXPECT_EQ(types_of(Mixture::kQ4KM, 96).at("output.weight"), GgmlType::kQ80);
  EXPECT_EQ(types_of(Mixture::kQ40, 96).at("output.weight"), GgmlType::kQ80); // Q6_K does not fit
  for (const Mixture mixture : {Mixture::kQ4KM, Mixture::kQ40, Mixture::kQ80, Mixture::kIq4Nl}) {
    EXPECT_EQ(types_of(mixture, 80).at(query), GgmlType::kF16);
    EXPECT_EQ(types_of(mixture, 80).at("output.weight"), GgmlType::kF16);
  }
  EXPECT_EQ(types_of(Mixture::kBf16, 80).at(query), GgmlType::kBf16);
}

TEST(LlamaMixture, what_stays_as_it_is) {
  TestModel model(1);
  model.add("blk.0.ffn_gate_inp.weight", {8, 512});
  model.add("blk.0.ffn_gate_exps.weight", {8, 512, 512});
  model.add("blk.0.post_ffw_norm.weight", {2, 512});
  model.add("rope_freqs.weight", {64});
  model.add("blk.0.row.weight", {1, 512});
  const auto types = model.types(Mixture::kMxfp4Moe, {"qwen3moe", 1, 16, 8, 8}).value();
  for (const char *kept :
       {"blk.0.ffn_gate_inp.weight", "blk.0.post_ffw_norm.weight", "rope_freqs.weight",
        "output_norm.weight", "blk.0.attn_q.bias", "blk.0.row.weight"}) {
    EXPECT_EQ(types.at(kept), GgmlType::kF32) << kept;
  }
  EXPECT_EQ(types.at("blk.0.ffn_gate_exps.weight"), GgmlType::kMxfp4);
  EXPECT_EQ(types.at("blk.0.ffn_gate.weight"), GgmlType::kQ80);
}

TEST(LlamaMixture, types_do_not_depend_on_the_order_of_tensors) {
  TestModel model(kLayers);
  const MixtureFacts facts{"llama", kLayers, 16, 8, 0};
  const auto expected = model.types(Mixture::kQ4KM, facts).value();
  std::reverse(model.names.begin(), model.names.end());
  std::reverse(model.shapes.begin(), model.shapes.end());
  EXPECT_EQ(model.types(Mixture::kQ4KM, facts).value(), expected);
}

TEST(LlamaMixture, the_smallest_mixture_needs_statistics) {
  const TestModel model(kLayers);
  const MixtureFacts facts{"llama", kLayers, 16, 4, 0};
  const auto refused = model.types(Mixture::kQ2KS, facts);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidOptions);
  const auto types = model.types(Mixture::kQ2KS, facts, true).value();
  EXPECT_EQ(row_of_layers(types, "attn_v", kLayers), all('4'));
  EXPECT_EQ(row_of_layers(types, "ffn_down", kLayers), "44" + std::string(14, '2'));
}

TEST(LlamaMixture, names) {
  EXPECT_EQ(mixture_from_name("Q4_K_M"), Mixture::kQ4KM);
  EXPECT_EQ(mixture_from_name("q4_k"), Mixture::kQ4KM);
  EXPECT_EQ(mixture_from_name("iq4_xs"), Mixture::kIq4Xs);
  EXPECT_EQ(mixture_from_name("Q4"), std::nullopt);
  EXPECT_EQ(mixture_from_name(""), std::nullopt);
  EXPECT_EQ(mixture_name(Mixture::kMxfp4Moe), "MXFP4_MOE");
}

} // namespace
} // namespace monoquant::llama_cpp
