#include <algorithm>

#include "monoquant/base/json.h"
#include "monoquant/base/text.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/catalog/problem_json.h"

namespace monoquant::catalog {

namespace {

std::string_view danger_name(torch::Danger danger) {
  switch (danger) {
  case torch::Danger::kSafe:
    return "safe";
  case torch::Danger::kDangerous:
    return "dangerous";
  case torch::Danger::kUnknown:
    break;
  }
  return "unknown";
}

/// The same members as those of a planned tensor.
Json codes_json(const Codes &codes) {
  const bool per_tensor = codes.scope == codes.elements;
  const bool grouped = !per_tensor && codes.scope != codes.columns;
  return {{"bits", codes.bits},
          {"scheme", codes.zero_point ? "asymmetric" : "symmetric"},
          {"strategy", per_tensor ? "tensor" : (grouped ? "group" : "channel")},
          {"groupSize", grouped ? static_cast<int64_t>(codes.scope) : -1},
          {"scaleDtype", dtype_name(codes.scale.dtype)}};
}

Json tensor_json(const Tensor &tensor, const Catalog &catalog) {
  Json json{{"name", tensor.name},
            {"kind", layer_kind_name(tensor.kind)},
            {"dtype", dtype_name(tensor.dtype)},
            {"shape", tensor.shape},
            {"bytes", tensor.bytes},
            {"offset", tensor.offset}};
  if (!tensor.module_type.empty()) {
    json["moduleType"] = tensor.module_type;
  }
  if (tensor.tied_to) {
    json["tiedTo"] = catalog.tensors[*tensor.tied_to].name;
  }
  if (tensor.codes) {
    json["quantization"] = codes_json(*tensor.codes);
    json["bytes"] = tensor.codes->stored_bytes();
  }
  if (tensor.view && !tensor.view->deflated) {
    json["strides"] = tensor.view->strides;
  }
  return json;
}

/// A list, one small document at a time, so that 100,000 entries cost only their text.
template <typename Items, typename Describe>
std::string list_json(const Items &items, const Describe &describe) {
  std::string text = "[";
  for (const auto &item : items) {
    text += text.size() > 1 ? "," : "";
    text += json_text(describe(item));
  }
  return text + "]";
}

/// What only PyTorch's files have.
std::string torch_json(const Catalog &catalog) {
  const Json key{{"key", catalog.key}, {"wrapperPrefix", wrapper_prefix(catalog)}};
  const std::string members = json_text(key);
  return concat(",", std::string_view(members).substr(1, members.size() - 2), R"(,"candidates":)",
                list_json(catalog.candidates,
                          [](const torch::Candidate &candidate) -> Json {
                            return {{"key", candidate.key},
                                    {"tensors", candidate.tensors},
                                    {"bytes", candidate.bytes}};
                          }),
                R"(,"leftOut":)",
                list_json(catalog.left_out,
                          [](const torch::LeftOut &left) -> Json {
                            return {{"name", left.name},
                                    {"reason", left.reason},
                                    {"tensors", left.tensors},
                                    {"bytes", left.bytes}};
                          }),
                R"(,"globals":)",
                list_json(catalog.globals, [](const torch::Global &global) -> Json {
                  return {{"module", global.module},
                          {"name", global.name},
                          {"danger", danger_name(global.danger)}};
                }));
}

} // namespace

std::string_view Catalog::quantization_config() const {
  for (const auto &[key, value] : quantization_metadata) {
    if (key == kQuantizationConfig) {
      return value;
    }
  }
  return {};
}

std::string_view wrapper_prefix(const Catalog &catalog) {
  for (const std::string_view prefix : {"module.", "_orig_mod."}) {
    const bool all =
        std::all_of(catalog.tensors.begin(), catalog.tensors.end(),
                    [&](const Tensor &tensor) { return tensor.name.starts_with(prefix); });
    if (all && !catalog.tensors.empty()) {
      return prefix;
    }
  }
  return {};
}

std::string catalog_json(const Catalog &catalog) {
  uint64_t parameters = 0;
  for (const Tensor &tensor : catalog.tensors) {
    parameters += tensor.tied_to ? 0 : tensor.elements;
  }
  Json metadata = Json::object();
  for (const auto &[key, value] : catalog.metadata) {
    metadata[key] = value;
  }
  const std::string tensors = list_json(
      catalog.tensors, [&](const Tensor &tensor) { return tensor_json(tensor, catalog); });
  for (const auto &[key, value] : catalog.quantization_metadata) {
    metadata[key] = value;
  }
  const std::string problems =
      list_json(catalog.problems, [](const Problem &problem) { return problem_json(problem); });
  return concat(R"({"format":")", catalog.format, R"(","bytes":)", catalog.file_bytes,
                R"(,"parameters":)", parameters, R"(,"metadata":)", json_text(metadata),
                torch_json(catalog), R"(,"problems":)", problems, R"(,"tensors":)", tensors, "}");
}

} // namespace monoquant::catalog
