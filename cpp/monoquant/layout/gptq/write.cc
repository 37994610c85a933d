#include "monoquant/layout/gptq/write.h"

#include <algorithm>
#include <array>
#include <set>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/gptq/gptq.h"
#include "monoquant/layout/gptq/turned_codec.h"
#include "monoquant/layout/loaders.h"
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

/// Where blocks begin that transformers finds by itself. Source: BLOCK_PATTERNS of optimum 2.3, of whole models.
constexpr std::array<std::string_view, 5> kKnownBlocks = {"transformer.h.", "model.decoder.layers.",
                                                          "gpt_neox.layers.", "model.layers.",
                                                          "model.language_model.layers."};

bool is_in(std::string_view module, std::string_view blocks) {
  return module.starts_with(blocks) && module.size() > blocks.size() &&
         module[blocks.size()] >= '0' && module[blocks.size()] <= '9';
}

/// The name of a module within its block: what follows the first component that is a number ("mlp.up_proj" of
/// "model.layers.3.mlp.up_proj"). Empty for a module of no block.
std::string_view name_in_block(std::string_view module) {
  for (size_t begin = 0; begin < module.size();) {
    const size_t end = std::min(module.find('.', begin), module.size());
    const std::string_view part = module.substr(begin, end - begin);
    if (!part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos) {
      return module.substr(std::min(end + 1, module.size()));
    }
    begin = end + 1;
  }
  return {};
}

/// What transformers (optimum), which knows no `dynamic`, has to be told: by itself it takes every Linear layer of
/// blocks that it knows, and no other one.
class Taken {
public:
  Taken(const catalog::Catalog &catalog, const std::set<std::string> &quantized,
        std::span<const std::string> left_alone) {
    are_blocks_known_ =
        std::any_of(kKnownBlocks.begin(), kKnownBlocks.end(), [&](std::string_view blocks) {
          return std::all_of(quantized.begin(), quantized.end(),
                             [&](const std::string &module) { return is_in(module, blocks); });
        });
    const bool are_all = are_blocks_known_ && std::none_of(left_alone.begin(), left_alone.end(),
                                                           [](const std::string &module) {
                                                             return !name_in_block(module).empty();
                                                           });
    if (are_all) {
      return;
    }
    std::set<std::string> names;
    for (const std::string &module : quantized) {
      const std::string_view name = name_in_block(module);
      const bool is_clear = !name.empty() && std::none_of(left_alone.begin(), left_alone.end(),
                                                          [&](const std::string &other) {
                                                            return other.ends_with(name);
                                                          });
      if (is_clear) {
        names.emplace(name);
      } else {
        names.merge(whole_names(catalog, module));
      }
    }
    ends_.assign(names.begin(), names.end());
  }

  /// Of names that begin with "", it takes those with these ends.
  void write(JsonWriter &json) const {
    if (!are_blocks_known_) {
      json.member("block_name_to_quantize", "");
    }
    if (!ends_.empty()) {
      json.key("modules_in_block_to_quantize").row(ends_);
    }
  }

private:
  static std::set<std::string> whole_names(const catalog::Catalog &catalog,
                                           const std::string &module) {
    const std::vector<std::string> names = names_on_loading(catalog, module);
    return {names.begin(), names.end()};
  }

  bool are_blocks_known_ = false;
  std::vector<std::string> ends_; // empty: all
};

/// Models that see or hear. Source: `main_input_name` of their classes in transformers 5.23.
constexpr std::array<std::string_view, 16> kSenses = {"audio-spectrogram-transformer",
                                                      "beit",
                                                      "convnext",
                                                      "convnextv2",
                                                      "deit",
                                                      "dinov2",
                                                      "dinov3_vit",
                                                      "hubert",
                                                      "mobilenet_v2",
                                                      "resnet",
                                                      "segformer",
                                                      "swin",
                                                      "vit",
                                                      "wav2vec2",
                                                      "wavlm",
                                                      "whisper"};

} // namespace

std::string_view fit(quant::Scheme &scheme, bool weights_only) {
  if (scheme.bits != 2 && scheme.bits != 3 && scheme.bits != 4 && scheme.bits != 8) {
    return "2, 3, 4 or 8 bits";
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

std::string fault_of_loading(const catalog::Catalog &catalog) {
  std::string fault = fault_without_weights(catalog, "GPTQ's");
  const bool is_sense =
      catalog.model && !catalog.model->architectures.empty() &&
      std::find(kSenses.begin(), kSenses.end(), catalog.model->model_type) != kSenses.end();
  if (fault.empty() && is_sense) {
    fault =
        concat("transformers loads GPTQ's codes of models of text only, and \"",
               catalog.model->model_type, "\" is none. Other programs may; 16 bits load there.");
  }
  return fault;
}

/// Source: GPTQModel's QuantizeConfig, vLLM's GPTQConfig, and what optimum takes of transformers' GPTQConfig.
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors) {
  const Stored *stored = nullptr;
  bool has_head = false;
  std::set<std::string> quantized;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].stored != nullptr) {
      stored = tensors[i].stored;
      const std::string_view module = catalog::module_name(catalog.tensors[i].name);
      quantized.emplace(module);
      has_head = has_head || is_head(module);
    }
  }
  const quant::Scheme &scheme = stored->scheme;
  const std::vector<std::string> left_alone = modules_left_alone(catalog, tensors);
  std::vector<std::string> excluded;
  for (const std::string &module : left_alone) {
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
  json.member("sym", scheme.symmetric);
  json.member("lm_head", has_head);
  if (!excluded.empty()) {
    json.key("dynamic").begin_object();
    for (const std::string &module : excluded) {
      json.key(module).begin_object().end();
    }
    json.end();
  }
  Taken(catalog, quantized, left_alone).write(json);
  // Version 1 stores zero points less one: 0 would become the highest code, and loaders that add the one to whole words
  // carry it into the next zero point. Version 2 stores them as they are.
  json.member("checkpoint_format", scheme.symmetric ? "gptq" : "gptq_v2");
  json.member("pack_dtype", "int32");
  json.member("true_sequential", true);
  json.member("static_groups", false);
  json.member("damp_percent", 0.01);
  json.end();
  return json.take();
}

} // namespace monoquant::layout::gptq
