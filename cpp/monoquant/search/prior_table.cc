// The default table of priors, and tables of people as JSON.
#include <algorithm>
#include <utility>

#include "monoquant/base/json.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/search/prior.h"

namespace monoquant::search {
namespace {

constexpr double kMostFactor = 1e6;
constexpr uint32_t kMostRoleBits = 16;
constexpr size_t kMostPriorValues = 10000;

/// Reads one document; what is wrong first is remembered.
class PriorReader {
public:
  PriorTable table = default_prior_table();

  std::optional<Error> read(const Json &document) {
    if (!document.is_object()) {
      fail("an object as a table of priors");
    } else {
      for (const auto &[key, value] : document.items()) {
        read_member(key, value);
      }
      check_last_layer();
    }
    return std::move(error_);
  }

private:
  void read_member(const std::string &key, const Json &value) {
    if (key == "roles") {
      read_roles(value);
    } else if (key == "other") {
      factor(key, value, table.other);
    } else if (key == "firstLayers") {
      depth(key, value, table.first);
    } else if (key == "lastLayers") {
      depth(key, value, table.last);
    } else if (key == "lastLayer") {
      read_last_layer(value);
    } else if (key == "ends") {
      factor(key, value, table.ends);
    } else {
      unknown(key, "roles, other, firstLayers, lastLayers, lastLayer or ends");
    }
  }

  void read_roles(const Json &value) {
    if (!value.is_object()) {
      return fail("an object of roles as \"roles\"");
    }
    for (const auto &[name, entry] : value.items()) {
      read_role(name, entry);
    }
  }

  void read_role(const std::string &name, const Json &value) {
    if (!value.is_object()) {
      return fail(concat("an object with a factor as the role \"", name, "\""));
    }
    auto found = std::find_if(table.roles.begin(), table.roles.end(),
                              [&](const Role &role) { return role.name == name; });
    if (found == table.roles.end()) {
      if (!value.contains("factor") || !value.contains("layers")) {
        return fail(concat("\"factor\" and \"layers\" in the new role \"", name, "\""));
      }
      found = table.roles.insert(found, Role{name, {}, 1, 0});
    }
    for (const auto &[key, entry] : value.items()) {
      if (key == "factor") {
        factor(key, entry, found->factor);
      } else if (key == "layers") {
        found->layers = texts(key, entry);
      } else if (key == "leastBits") {
        found->least_bits = count(key, entry, kMostRoleBits);
      } else {
        unknown(key, "factor, layers or leastBits");
      }
    }
  }

  void depth(const std::string &key, const Json &value, Depth &depth) {
    if (!value.is_object()) {
      return fail(concat("an object with a count and a factor as \"", key, "\""));
    }
    for (const auto &[name, entry] : value.items()) {
      if (name == "count") {
        depth.count = count(name, entry, 1000);
      } else if (name == "factor") {
        factor(name, entry, depth.factor);
      } else {
        unknown(name, "count or factor");
      }
    }
  }

  void read_last_layer(const Json &value) {
    if (!value.is_object()) {
      return fail("an object with roles and a factor as \"lastLayer\"");
    }
    for (const auto &[name, entry] : value.items()) {
      if (name == "roles") {
        table.last_layer_roles = texts(name, entry);
      } else if (name == "factor") {
        factor(name, entry, table.last_layer);
      } else {
        unknown(name, "roles or factor");
      }
    }
  }

  void check_last_layer() {
    for (const std::string &name : table.last_layer_roles) {
      if (std::none_of(table.roles.begin(), table.roles.end(),
                       [&](const Role &role) { return role.name == name; })) {
        fail(concat("names of roles in \"lastLayer\", found \"", name, "\" which is none"));
      }
    }
  }

  void factor(std::string_view key, const Json &value, double &into) {
    const double number = value.is_number() ? value.get<double>() : 0;
    if (!(number > 0 && number <= kMostFactor)) {
      return fail(concat("a number above 0 and at most 1000000 as \"", key, "\""));
    }
    into = number;
  }

  uint32_t count(std::string_view key, const Json &value, uint32_t most) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > most) {
      fail(concat("a whole number from 0 to ", most, " as \"", key, "\""));
      return 0;
    }
    return value.get<uint32_t>();
  }

  std::vector<std::string> texts(std::string_view key, const Json &value) {
    std::vector<std::string> list;
    bool is_list = value.is_array();
    for (const Json &item : is_list ? value : Json::array()) {
      is_list = is_list && item.is_string() && !item.get_ref<const std::string &>().empty();
      if (is_list) {
        list.push_back(item.get<std::string>());
      }
    }
    if (!is_list) {
      fail(concat("a list of names as \"", key, "\""));
    }
    return list;
  }

  void unknown(std::string_view key, std::string_view known) {
    fail(concat(known, " in a table of priors, found \"", key, "\""));
  }

  void fail(std::string expected) {
    if (!error_) {
      error_ = Error{.code = ErrorCode::kInvalidOptions,
                     .message = concat("Expected ", expected, "."),
                     .suggestion = {},
                     .tensor = {},
                     .offset = {}};
    }
  }

  std::optional<Error> error_;
};

void write_depth(JsonWriter &json, const char *key, const Depth &depth) {
  json.key(key).begin_object();
  json.member("count", depth.count);
  json.member("factor", depth.factor);
  json.end();
}

} // namespace

PriorTable default_prior_table() {
  PriorTable table;
  // Names: Llama and its kin, GPT-2, GPT-NeoX, BERT, T5, OPT, GGUF.
  table.roles = {
      {"q", {"q_proj", "query", "wq", "SelfAttention.q", "EncDecAttention.q", "attn_q"}, 0.4, 0},
      {"k", {"k_proj", "key", "wk", "SelfAttention.k", "EncDecAttention.k", "attn_k"}, 0.4, 0},
      {"v", {"v_proj", "value", "wv", "SelfAttention.v", "EncDecAttention.v", "attn_v"}, 2, 0},
      // One weight for all three: what counts most in it.
      {"qkv",
       {"qkv_proj", "query_key_value", "Wqkv", "attn.c_attn", "attn_qkv", "in_proj_weight", "qkv"},
       2,
       0},
      {"o",
       {"o_proj", "out_proj", "wo", "attn.c_proj", "attention.dense", "self_attention.dense",
        "attention.output.dense", "SelfAttention.o", "EncDecAttention.o", "attn_output"},
       1,
       0},
      {"gate", {"gate_proj", "w1", "wi_0", "ffn_gate"}, 1, 0},
      {"up",
       {"up_proj", "w3", "fc1", "wi_1", "wi", "c_fc", "intermediate.dense", "dense_h_to_4h",
        "gate_up_proj", "ffn_up"},
       1.5,
       0},
      {"down",
       {"down_proj", "w2", "fc2", "DenseReluDense.wo", "mlp.c_proj", "output.dense",
        "dense_4h_to_h", "ffn_down"},
       2,
       0},
      {"embedding",
       {"embed_tokens", "wte", "word_embeddings", "tok_embeddings", "embed_in", "token_embd",
        "shared"},
       1,
       0},
      {"head", {"lm_head", "embed_out", "output"}, 4, 6},
  };
  table.first = {3, 2};
  table.last = {2, 2};
  table.last_layer = 2;
  table.last_layer_roles = {"down", "up"};
  table.ends = 4;
  return table;
}

Result<PriorTable> read_prior_table(std::string_view json) {
  const Json document = parse_json(json, kMostPriorValues);
  if (document.is_discarded()) {
    return Error{.code = ErrorCode::kInvalidOptions,
                 .message = "Expected a table of priors as JSON.",
                 .suggestion = {},
                 .tensor = {},
                 .offset = {}};
  }
  PriorReader reader;
  if (auto error = reader.read(document)) {
    return std::move(*error);
  }
  return std::move(reader.table);
}

std::string prior_table_json(const PriorTable &table) {
  JsonWriter json;
  json.begin_object().key("roles").begin_object();
  for (const Role &role : table.roles) {
    json.key(role.name).begin_object();
    json.member("factor", role.factor);
    json.member("layers", role.layers);
    if (role.least_bits != 0) {
      json.member("leastBits", role.least_bits);
    }
    json.end();
  }
  json.end();
  json.member("other", table.other);
  write_depth(json, "firstLayers", table.first);
  write_depth(json, "lastLayers", table.last);
  json.key("lastLayer").begin_object();
  json.member("roles", table.last_layer_roles);
  json.member("factor", table.last_layer);
  json.end();
  json.member("ends", table.ends);
  json.end();
  return json.take();
}

} // namespace monoquant::search
