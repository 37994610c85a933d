#include <algorithm>
#include <cmath>

#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/plan/plan.h"

namespace monoquant::plan {
namespace {

constexpr size_t kMaxNames = 20; // a warning names at most so many tensors

std::string_view decision_name(Decision decision) {
  switch (decision) {
  case Decision::kQuantize:
    return "quantize";
  case Decision::kConvert:
    return "convert";
  case Decision::kTie:
    return "tie";
  case Decision::kDrop:
    return "drop";
  case Decision::kCopy:
    break;
  }
  return "copy";
}

std::string_view strategy_name(quant::Strategy strategy) {
  switch (strategy) {
  case quant::Strategy::kTensor:
    return "tensor";
  case quant::Strategy::kGroup:
    return "group";
  case quant::Strategy::kChannel:
    break;
  }
  return "channel";
}

std::string_view method_name(quant::Method method) {
  return method == quant::Method::kMse ? "mse" : "rtn";
}

Json scheme_json(const quant::Scheme &scheme) {
  const bool grouped = scheme.strategy == quant::Strategy::kGroup;
  return {{"bits", scheme.bits},
          {"scheme", scheme.symmetric ? "symmetric" : "asymmetric"},
          {"strategy", strategy_name(scheme.strategy)},
          {"groupSize", grouped ? static_cast<int64_t>(scheme.group_size) : int64_t{-1}},
          {"scaleDtype", dtype_name(scheme.scale_dtype)},
          {"method", method_name(scheme.method)}};
}

std::string_view observer_name(quant::RangeMethod method) {
  constexpr std::string_view kNames[] = {"minmax", "moving-average", "histogram", "percentile"};
  return kNames[static_cast<size_t>(method)];
}

/// PlannedInput of js/api/calibration.ts.
Json input_json(const InputPlan &input) {
  Json estimates = Json::array();
  for (const quant::RangeEstimate &estimate : input.estimates) {
    const double error = estimate.mean_squared_error;
    estimates.push_back({{"observer", observer_name(estimate.method)},
                         {"min", estimate.range.min},
                         {"max", estimate.range.max},
                         {"meanSquaredError", std::isfinite(error) ? Json(error) : Json()}});
  }
  return {{"scheme", input.symmetric ? "symmetric" : "asymmetric"},
          {"observer", observer_name(input.method)},
          {"min", input.range.min},
          {"max", input.range.max},
          {"scale", input.params.scale},
          {"zeroPoint", input.params.zero_point},
          {"samples", input.samples},
          {"estimates", std::move(estimates)}};
}

Json tensor_json(const catalog::Tensor &tensor, const TensorPlan &entry) {
  Json json{{"name", tensor.name},
            {"kind", layer_kind_name(tensor.kind)},
            {"dtype", dtype_name(tensor.dtype)},
            {"shape", tensor.shape},
            {"bytes", tensor.bytes},
            {"decision", decision_name(entry.decision)},
            {"reason", reason_name(entry.reason)},
            {"explanation", entry.explanation}};
  if (entry.decision == Decision::kQuantize) {
    json["quantization"] = scheme_json(entry.scheme);
  }
  if (entry.input) {
    json["input"] = input_json(*entry.input);
  }
  Json outputs = Json::array();
  for (const Output &output : entry.outputs) {
    outputs.push_back({{"name", output.name},
                       {"dtype", dtype_name(output.dtype)},
                       {"shape", output.shape},
                       {"bytes", output.alias ? 0 : output.bytes}});
  }
  json["outputs"] = std::move(outputs);
  return json;
}

Json warning_json(const Warning &warning) {
  const auto count = std::min(warning.tensors.size(), kMaxNames);
  const std::vector<std::string> names(
      warning.tensors.begin(), warning.tensors.begin() + static_cast<std::ptrdiff_t>(count));
  return {{"code", warning.code}, {"message", warning.message}, {"tensors", names}};
}

} // namespace

std::string plan_json(const Plan &plan) {
  uint64_t parameters = 0;
  uint64_t quantized = 0;
  uint64_t output_bytes = 0; // of tensors: without the header
  std::string tensors;       // one small document at a time: 100,000 tensors cost only their text
  for (const TensorPlan &entry : plan.tensors) {
    const catalog::Tensor &tensor = plan.catalog.tensors[entry.source];
    parameters += entry.decision == Decision::kTie ? 0 : tensor.elements;
    quantized += entry.decision == Decision::kQuantize ? tensor.elements : 0;
    for (const Output &output : entry.outputs) {
      output_bytes += output.alias ? 0 : output.bytes;
    }
    tensors += tensors.empty() ? "" : ",";
    tensors += json_text(tensor_json(tensor, entry));
  }
  Json warnings = Json::array();
  for (const Warning &warning : plan.warnings) {
    warnings.push_back(warning_json(warning));
  }
  const double bits_per_weight =
      parameters == 0 ? 0.0
                      : 8.0 * static_cast<double>(output_bytes) / static_cast<double>(parameters);
  const Json sizes{{"sourceBytes", plan.catalog.file_bytes},
                   {"outputBytes", plan.file_bytes},
                   {"parameters", parameters},
                   {"quantizedParameters", quantized},
                   {"bitsPerWeight", bits_per_weight}};
  return concat(R"({"sizes":)", json_text(sizes), R"(,"tensors":[)", tensors, R"(],"warnings":)",
                json_text(warnings), "}");
}

} // namespace monoquant::plan
