#include <algorithm>
#include <span>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/words.h"
#include "monoquant/plan/plan.h"
#include "monoquant/plan/pruning.h"
#include "monoquant/quant/named_codes.h"
#include "monoquant/quant/words.h"

namespace monoquant::plan {
namespace {

constexpr size_t kMaxNames = 20; // a warning names at most so many tensors

/// Blocks of a single float are a float type.
std::string_view decision_name(const TensorPlan &entry) {
  constexpr std::string_view kNames[] = {"copy", "quantize", "convert", "tie", "drop", "correct"};
  const Decision decision =
      entry.quantize() != nullptr && !entry.is_quantized() ? Decision::kConvert : entry.decision();
  return kNames[static_cast<size_t>(decision)];
}

void write_scheme(JsonWriter &json, const layout::Stored &stored) {
  const quant::Scheme &scheme = stored.scheme;
  const bool grouped = scheme.strategy == quant::Strategy::kGroup;
  json.begin_object();
  json.member("bits", scheme.bits);
  if (!scheme.has_kernels()) {
    json.member("codes", quant::codes_name(scheme));
  }
  json.member("scheme", word_of(quant::kSchemeWords, scheme.symmetric));
  json.member("strategy", word_of(quant::kStrategyWords, scheme.strategy));
  json.member("groupSize", grouped ? static_cast<int64_t>(scheme.group_size) : int64_t{-1});
  if (scheme.strategy == quant::Strategy::kBlock) {
    json.key("blockSize").begin_array();
    json.value(scheme.block_rows);
    json.value(scheme.group_size);
    json.end();
  }
  json.member("scaleDtype", dtype_name(scheme.scale_dtype));
  json.member("method", word_of(quant::kMethodWords, scheme.method));
  if (stored.blocks) {
    json.member("blockType", layout::gguf::facts_of(stored.blocks->type).name);
  }
  json.end();
}

/// PlannedInput of js/api/calibration.ts.
void write_input(JsonWriter &json, const InputPlan &input) {
  json.begin_object();
  json.member("scheme", word_of(quant::kSchemeWords, input.symmetric));
  json.member("observer", word_of(quant::kObserverWords, input.method));
  json.member("min", input.range.min);
  json.member("max", input.range.max);
  json.member("scale", input.params.scale);
  json.member("zeroPoint", input.params.zero_point);
  json.member("samples", input.samples);
  json.member("sqnrDb", input.sqnr_db);
  json.key("estimates").begin_array();
  for (const quant::RangeEstimate &estimate : input.estimates) {
    json.begin_object();
    json.member("observer", word_of(quant::kObserverWords, estimate.method));
    json.member("min", estimate.range.min);
    json.member("max", estimate.range.max);
    json.member("meanSquaredError", estimate.mean_squared_error);
    json.end();
  }
  json.end().end();
}

void write_tensor(JsonWriter &json, const Plan &plan, const TensorPlan &entry) {
  const catalog::Tensor &tensor = plan.catalog->tensors[entry.source];
  json.begin_object();
  json.member("name", tensor.name);
  json.member("kind", layer_kind_name(tensor.kind));
  json.member("dtype", dtype_name(tensor.dtype));
  json.member("shape", tensor.shape);
  json.member("bytes", tensor.bytes);
  json.member("decision", decision_name(entry));
  json.member("reason", reason_name(entry.reason));
  json.member("explanation", entry.explanation);
  if (entry.is_quantized()) {
    json.key("quantization");
    write_scheme(json, entry.quantize()->stored);
  }
  if (entry.input) {
    json.key("input");
    write_input(json, *entry.input);
  }
  if (entry.change && !entry.change->folded.empty()) {
    json.member("folded", entry.change->folded);
  }
  if (entry.change && !entry.change->rescaled.empty()) {
    json.member("rescaled", entry.change->rescaled);
  }
  if (entry.change && entry.change->zeros > 0) {
    json.key("pruned").begin_object();
    json.member("zeros", zeros_of(plan, entry.source));
    json.member("method", word_of(kPruneWords, entry.change->method()));
    json.end();
  }
  json.key("outputs").begin_array();
  for (const Output &output : outputs(plan, entry.source)) {
    json.begin_object();
    json.member("name", output.name);
    json.member("dtype", output.type_name());
    json.member("shape", output.shape);
    json.member("bytes", output.alias ? 0 : output.bytes);
    if (plan.files.size() > 1 && !output.alias) {
      json.member("file", file_of(plan, output));
    }
    json.end();
  }
  json.end().end();
}

void write_sizes(JsonWriter &json, const Plan &plan) {
  uint64_t parameters = 0;
  uint64_t quantized = 0;
  uint64_t tensor_bytes = 0;
  uint64_t zeros = 0;
  uint64_t output_bytes = 0; // of tensors: without the header
  for (const TensorPlan &entry : plan.tensors) {
    const catalog::Tensor &tensor = plan.catalog->tensors[entry.source];
    parameters += entry.decision() == Decision::kTie ? 0 : tensor.elements;
    tensor_bytes += entry.decision() == Decision::kTie ? 0 : tensor.bytes;
    quantized += entry.is_quantized() ? tensor.elements : 0;
    zeros += zeros_of(plan, entry.source);
    for (const Output &output : outputs(plan, entry.source)) {
      output_bytes += output.alias ? 0 : output.bytes;
    }
  }
  for (const Output &output : plan.added) {
    output_bytes += output.bytes;
  }
  const double bits_per_weight =
      parameters == 0 ? 0.0
                      : 8.0 * static_cast<double>(output_bytes) / static_cast<double>(parameters);
  json.begin_object();
  json.member("sourceBytes", plan.catalog->file_bytes);
  json.member("tensorBytes", tensor_bytes);
  json.member("outputBytes", plan.file_bytes);
  json.member("parameters", parameters);
  json.member("quantizedParameters", quantized);
  if (zeros > 0) {
    json.member("zeroWeights", zeros);
  }
  json.member("bitsPerWeight", bits_per_weight);
  json.end();
}

} // namespace

void write_plan(JsonWriter &json, const Plan &plan) {
  json.begin_object().key("sizes");
  write_sizes(json, plan);
  json.key("files").begin_array();
  for (const OutputFile &file : plan.files) {
    json.value(file.bytes);
  }
  json.end();
  json.key("tensors").begin_array();
  for (const TensorPlan &entry : plan.tensors) {
    write_tensor(json, plan, entry);
  }
  json.end().key("quantizationConfig");
  if (plan.quantization_config.empty() || plan.layout->config_key != catalog::kQuantizationConfig) {
    json.value(nullptr);
  } else {
    json.document(plan.quantization_config);
  }
  json.key("warnings").begin_array();
  for (const Warning &warning : plan.warnings) {
    json.begin_object();
    json.member("code", warning.code);
    json.member("message", warning.message);
    json.member("tensors",
                std::span(warning.tensors).first(std::min(warning.tensors.size(), kMaxNames)));
    json.member("total", warning.tensors.size());
    json.end();
  }
  json.end().end();
}

std::string plan_json(const Plan &plan) {
  JsonWriter json;
  write_plan(json, plan);
  return json.take();
}

} // namespace monoquant::plan
