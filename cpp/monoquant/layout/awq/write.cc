#include "monoquant/layout/awq/write.h"

#include <algorithm>
#include <array>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/awq/awq.h"
#include "monoquant/layout/gptq/turned_codec.h"

namespace monoquant::layout::awq {
namespace {

/// Outputs that share a word.
constexpr uint64_t kPacked = 8;
/// Of inputs: kernels take no less.
constexpr uint64_t kSmallestGroup = 32;

/// Models whose activations have scales of their own in AWQ's files ("mlp.act.scales"). Source: AWQ_SCALES_MAPPINGS of
/// transformers 5.23.
constexpr std::array<std::string_view, 7> kScaledTypes = {
    "bloom", "falcon", "gpt_bigcode", "gpt_neox", "gptj", "mpt", "starcoder2"};

} // namespace

/// Symmetric codes have the zero point 8, which is as good as any.
std::string_view fit(quant::Scheme &scheme, bool weights_only) {
  if (scheme.bits != 4) {
    return "4 bits";
  }
  if (scheme.strategy != quant::Strategy::kGroup || scheme.group_size < kSmallestGroup) {
    return "groups of 32 or more";
  }
  if (!weights_only) {
    return "weights only";
  }
  return {};
}

std::string refuse(const catalog::Tensor &tensor, const Stored &stored) {
  std::string why = refuse_all_but_linear(tensor, "AWQ");
  // The second is Whisper's.
  if (why.empty() &&
      (tensor.kind == catalog::LayerKind::kHead || tensor.name == "proj_out.weight")) {
    why = "loaders of AWQ take heads as floats only";
  }
  if (why.empty() && (stored.columns % kSmallestGroup != 0 || stored.rows % kPacked != 0)) {
    why = concat("AWQ packs ", kPacked, " outputs at a time, with groups of ", kSmallestGroup,
                 " inputs or more, and it has ", stored.rows, " and ", stored.columns);
  }
  return why;
}

Dtype scale_type(Dtype /*weights*/, std::optional<Dtype> /*wanted*/) { return Dtype::kF16; }

std::vector<Stream> streams(const catalog::Tensor &tensor, const Stored &stored) {
  const std::string_view module = catalog::module_name(tensor.name);
  const uint64_t words = stored.rows / kPacked;
  const uint64_t groups = stored.groups();
  return {
      {Written::kByRow, concat(module, ".qweight"), Dtype::kI32, {stored.columns, words}},
      {Written::kByBand, concat(module, ".qzeros"), Dtype::kI32, {groups, words}},
      {Written::kByBand, concat(module, ".scales"), Dtype::kF16, {groups, stored.rows}},
  };
}

std::unique_ptr<RowCodec> make_codec(const Stored &stored) {
  return make_turned_codec(stored, WordOrder::kOutputs);
}

bool stores_inputs(const Stored & /*stored*/) { return false; }
std::vector<Stream> input_streams(const catalog::Tensor & /*tensor*/,
                                  const StoredInput & /*input*/) {
  return {};
}

std::string fault_of_loading(const catalog::Catalog &catalog) {
  std::string fault = fault_without_weights(catalog, "AWQ's");
  const bool is_scaled = catalog.model && !catalog.model->architectures.empty() &&
                         std::find(kScaledTypes.begin(), kScaledTypes.end(),
                                   catalog.model->model_type) != kScaledTypes.end();
  if (fault.empty() && is_scaled) {
    fault =
        concat("transformers divides activations of models of type \"", catalog.model->model_type,
               "\" by scales that it looks for in AWQ's files, and nothing but AWQ's own method "
               "makes these: it computes nonsense without. Choose another format.");
  }
  return fault;
}

/// Source: AutoAWQ's configuration, and what transformers and vLLM read of it. Loaders take a name that is to be left
/// alone for a part of other names, so one that is a part of a quantized module's is not listed: those are routers
/// ("gate" and "gate_proj"), which no loader converts.
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors) {
  const Stored *stored = nullptr;
  std::vector<std::string_view> quantized;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].stored != nullptr) {
      stored = tensors[i].stored;
      quantized.push_back(catalog::module_name(catalog.tensors[i].name));
    }
  }
  std::vector<std::string> left = modules_left_alone(catalog, tensors);
  std::erase_if(left, [&](const std::string &name) {
    return std::any_of(quantized.begin(), quantized.end(), [&](std::string_view other) {
      return other.find(name) != std::string_view::npos;
    });
  });
  JsonWriter json;
  json.begin_object();
  json.member("quant_method", kAwq.name);
  json.member("bits", stored->scheme.bits);
  json.member("group_size", stored->scheme.group_size);
  json.member("zero_point", true);
  json.member("version", "gemm");
  json.member("modules_to_not_convert", left);
  json.end();
  return json.take();
}

} // namespace monoquant::layout::awq
