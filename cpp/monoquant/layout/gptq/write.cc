#include "monoquant/layout/gptq/write.h"

#include <algorithm>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/gptq/gptq.h"
#include "monoquant/layout/gptq/turned_codec.h"
#include "monoquant/layout/packed_codes.h"

namespace monoquant::layout::gptq {
namespace {

using quant::Strategy;

/// Inputs and outputs that kernels and packers take at a time.
constexpr uint64_t kAtATime = 32;

/// `dynamic` of GPTQModel and vLLM takes regular expressions, which begin at the beginning of a name.
std::string exclusion(std::string_view module) {
  std::string text = "-:^";
  for (const char c : module) {
    const bool is_plain = c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                          (c >= 'a' && c <= 'z') || (c & 0x80) != 0;
    text.append(is_plain ? 0 : 1, '\\').push_back(c);
  }
  text.push_back('$');
  return text;
}

/// Its loaders leave the head alone unless they are told of it.
bool is_head(std::string_view module) {
  return module == "lm_head" || module.ends_with(".lm_head");
}

} // namespace

/// Zero points are stored less one, so that of asymmetric codes the lowest cannot be told from the highest, and loaders
/// differ in what they do with it.
std::string_view fit(quant::Scheme &scheme, bool weights_only) {
  if (scheme.bits != 2 && scheme.bits != 3 && scheme.bits != 4 && scheme.bits != 8) {
    return "2, 3, 4 or 8 bits";
  }
  if (!scheme.symmetric) {
    return "the symmetric scheme";
  }
  if (scheme.strategy == Strategy::kTensor) {
    return "one scale for each group or channel";
  }
  if (!weights_only) {
    return "weights only";
  }
  return {};
}

std::string refuse(const catalog::Tensor &tensor, const Stored &stored) {
  std::string why = refuse_all_but_linear(tensor, "GPTQ");
  if (why.empty() && (stored.rows % kAtATime != 0 || stored.columns % kAtATime != 0)) {
    why = concat("GPTQ packs ", kAtATime, " inputs and outputs at a time, and it has ",
                 stored.columns, " and ", stored.rows);
  }
  return why;
}

Dtype scale_type(Dtype /*weights*/, std::optional<Dtype> /*wanted*/) { return Dtype::kF16; }

std::vector<Stream> streams(const catalog::Tensor &tensor, const Stored &stored) {
  const std::string_view module = catalog::module_name(tensor.name);
  const uint32_t bits = stored.scheme.bits;
  const uint64_t groups = stored.groups();
  std::vector<int32_t> order(static_cast<size_t>(stored.columns));
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = static_cast<int32_t>(i * groups / stored.columns);
  }
  return {{Written::kByRow,
           concat(module, ".qweight"),
           Dtype::kI32,
           {packed_bytes(stored.columns, bits) / 4, stored.rows}},
          {Written::kByBand,
           concat(module, ".qzeros"),
           Dtype::kI32,
           {groups, packed_bytes(stored.rows, bits) / 4}},
          {Written::kByBand, concat(module, ".scales"), Dtype::kF16, {groups, stored.rows}},
          {Written::kFixed,
           concat(module, ".g_idx"),
           Dtype::kI32,
           {stored.columns},
           bytes_of(std::span<const int32_t>(order))}};
}

std::unique_ptr<RowCodec> make_codec(const Stored &stored) {
  return make_turned_codec(stored, WordOrder::kInputs);
}

bool stores_inputs(const Stored & /*stored*/) { return false; }
std::vector<Stream> input_streams(const catalog::Tensor & /*tensor*/,
                                  const StoredInput & /*input*/) {
  return {};
}

/// Source: GPTQModel's QuantizeConfig and vLLM's GPTQConfig.
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors) {
  const Stored *stored = nullptr;
  bool has_head = false;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].stored != nullptr) {
      stored = tensors[i].stored;
      has_head = has_head || is_head(catalog::module_name(catalog.tensors[i].name));
    }
  }
  const quant::Scheme &scheme = stored->scheme;
  std::vector<std::string> excluded;
  for (const std::string &module : modules_left_alone(catalog, tensors)) {
    if (has_head || !is_head(module)) {
      excluded.push_back(exclusion(module));
    }
  }
  JsonWriter json;
  json.begin_object();
  json.member("quant_method", kGptq.name);
  json.member("bits", scheme.bits);
  json.member("group_size", scheme.strategy == Strategy::kGroup
                                ? static_cast<int64_t>(scheme.group_size)
                                : int64_t{-1});
  json.member("desc_act", false);
  json.member("sym", true);
  json.member("lm_head", has_head);
  if (!excluded.empty()) {
    json.key("dynamic").begin_object();
    for (const std::string &module : excluded) {
      json.key(module).begin_object().end();
    }
    json.end();
  }
  json.member("checkpoint_format", "gptq");
  json.member("pack_dtype", "int32");
  json.member("true_sequential", true);
  json.member("static_groups", false);
  json.member("damp_percent", 0.01);
  json.end();
  return json.take();
}

} // namespace monoquant::layout::gptq
