#include "monoquant/catalog/gguf_names.h"

#include <algorithm>
#include <array>
#include <vector>

#include "monoquant/base/text.h"

namespace monoquant::catalog {
namespace {

struct GgufRow {
  std::string_view module; // behind the number of its layer; # stands for that of an expert
  std::string_view name;
};

constexpr std::array<GgufRow, 76> kGgufNames = {{
    {"self_attn.q_proj", "attn_q"},
    {"attention.self.query", "attn_q"},
    {"attention.attention.query", "attn_q"},
    {"attention.q_lin", "attn_q"},
    {"attention.wq", "attn_q"},
    {"attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"attention.self.key", "attn_k"},
    {"attention.attention.key", "attn_k"},
    {"attention.k_lin", "attn_k"},
    {"attention.wk", "attn_k"},
    {"attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"attention.self.value", "attn_v"},
    {"attention.attention.value", "attn_v"},
    {"attention.v_lin", "attn_v"},
    {"attention.wv", "attn_v"},
    {"attn.v_proj", "attn_v"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"self_attn.query_key_value", "attn_qkv"},
    {"attention.query_key_value", "attn_qkv"},
    {"self_attention.query_key_value", "attn_qkv"},
    {"attn.c_attn", "attn_qkv"},
    {"attn.Wqkv", "attn_qkv"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.out_proj", "attn_output"},
    {"self_attn.dense", "attn_output"},
    {"attention.output.dense", "attn_output"},
    {"attention.out_lin", "attn_output"},
    {"attention.dense", "attn_output"},
    {"self_attention.dense", "attn_output"},
    {"attention.wo", "attn_output"},
    {"attn.o_proj", "attn_output"},
    {"attn.out_proj", "attn_output"},
    {"attn.c_proj", "attn_output"},
    {"self_attn.q_a_proj", "attn_q_a"},
    {"self_attn.q_b_proj", "attn_q_b"},
    {"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"},
    {"self_attn.kv_b_proj", "attn_kv_b"},
    {"mlp.gate_proj", "ffn_gate"},
    {"feed_forward.w1", "ffn_gate"},
    {"feed_forward.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"feed_forward.w3", "ffn_up"},
    {"feed_forward.up_proj", "ffn_up"},
    {"intermediate.dense", "ffn_up"},
    {"ffn.lin1", "ffn_up"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.dense_h_to_4h", "ffn_up"},
    {"mlp.fc1", "ffn_up"},
    {"fc1", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"feed_forward.w2", "ffn_down"},
    {"feed_forward.down_proj", "ffn_down"},
    {"output.dense", "ffn_down"},
    {"ffn.lin2", "ffn_down"},
    {"mlp.c_proj", "ffn_down"},
    {"mlp.dense_4h_to_h", "ffn_down"},
    {"mlp.fc2", "ffn_down"},
    {"fc2", "ffn_down"},
    {"mlp.gate", "ffn_gate_inp"},
    {"block_sparse_moe.gate", "ffn_gate_inp"},
    {"mlp.experts.#.gate_proj", "ffn_gate_exps"},
    {"block_sparse_moe.experts.#.w1", "ffn_gate_exps"},
    {"mlp.experts.#.up_proj", "ffn_up_exps"},
    {"block_sparse_moe.experts.#.w3", "ffn_up_exps"},
    {"mlp.experts.#.down_proj", "ffn_down_exps"},
    {"block_sparse_moe.experts.#.w2", "ffn_down_exps"},
    {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
    {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
    {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
    {"mlp.shared_experts.down_proj", "ffn_down_shexp"},
    {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"},
}};

/// Parts of models that have layers of the same numbers, which go by other names or into other files.
constexpr std::array<std::string_view, 4> kElsewhere = {"vision", "visual", "audio", "decoder"};

/// What stands before the number of a layer.
constexpr std::array<std::string_view, 5> kLists = {"layers", "layer", "h", "blocks", "block"};

std::vector<std::string_view> words_of(std::string_view module) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t dot = module.find('.');
    words.push_back(module.substr(0, dot));
    if (dot == std::string_view::npos) {
      return words;
    }
    module.remove_prefix(dot + 1);
  }
}

bool is_number(std::string_view word) {
  return !word.empty() && word.size() < 9 &&
         word.find_first_not_of("0123456789") == std::string_view::npos;
}

} // namespace

std::optional<uint64_t> expert_number(std::string_view module) {
  const std::vector<std::string_view> words = words_of(module);
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i - 1] == "experts" && is_number(words[i])) {
      uint64_t number = 0;
      for (const char digit : words[i]) {
        number = number * 10 + static_cast<uint64_t>(digit - '0');
      }
      return number;
    }
  }
  return std::nullopt;
}

std::string without_expert(std::string_view module) {
  const std::vector<std::string_view> words = words_of(module);
  std::string name;
  for (size_t i = 0; i < words.size(); ++i) {
    const bool is_expert = i > 0 && words[i - 1] == "experts" && is_number(words[i]);
    name += concat(i == 0 ? "" : ".", is_expert ? "#" : words[i]);
  }
  return name;
}

std::optional<std::string> gguf_name(std::string_view module) {
  if (module == "lm_head" || module == "embed_out") {
    return "output";
  }
  if (std::any_of(kElsewhere.begin(), kElsewhere.end(), [&](std::string_view word) {
        return module.find(word) != std::string_view::npos;
      })) {
    return std::nullopt;
  }
  const std::vector<std::string_view> words = words_of(module);
  size_t layer = 1;
  while (layer < words.size() &&
         !(is_number(words[layer]) &&
           std::find(kLists.begin(), kLists.end(), words[layer - 1]) != kLists.end())) {
    ++layer;
  }
  if (layer >= words.size()) {
    return std::nullopt;
  }
  std::string rest;
  for (size_t i = layer + 1; i < words.size(); ++i) {
    const bool is_expert = words[i - 1] == "experts" && is_number(words[i]);
    rest += concat(rest.empty() ? "" : ".", is_expert ? "#" : words[i]);
  }
  const auto *row = std::find_if(kGgufNames.begin(), kGgufNames.end(),
                                 [&](const GgufRow &entry) { return entry.module == rest; });
  return row == kGgufNames.end() ? std::nullopt
                                 : std::optional(concat("blk.", words[layer], ".", row->name));
}

} // namespace monoquant::catalog
