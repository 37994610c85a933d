#include <algorithm>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/fp8_scaled/fp8_scaled.h"
#include "monoquant/layout/loaders.h"

namespace monoquant::layout {
namespace fp8_scaled {
namespace {

using catalog::Tensor;

std::string_view fit(quant::Scheme &scheme, bool weights_only) {
  if (scheme.bits != 8 || !scheme.symmetric) {
    return "8 bits and the symmetric scheme";
  }
  if (scheme.strategy == quant::Strategy::kGroup) {
    return "one scale for a whole tensor";
  }
  if (weights_only) {
    return "activations that are quantized as they come";
  }
  scheme.codebook = quant::Codebook::kF8E4M3;
  scheme.strategy = quant::Strategy::kTensor;
  scheme.scale_dtype = Dtype::kF32;
  return {};
}

std::vector<Stream> streams(const Tensor &tensor, const Stored & /*stored*/) {
  return {{Written::kByRow, tensor.name, Dtype::kF8E4M3, tensor.shape},
          {Written::kByBand, concat(tensor.name, kScale), Dtype::kF32, {1}}};
}

/// Scales of inputs go with codes of inputs, which nothing here makes.
bool stores_inputs(const Stored & /*stored*/) { return false; }
std::vector<Stream> input_streams(const Tensor & /*tensor*/, const StoredInput & /*input*/) {
  return {};
}

bool may_be_linear_weight(const Tensor &tensor) {
  return tensor.shape.size() == 2 && tensor.name.ends_with(".weight");
}

/// Source: vLLM's Fp8Config. Every Linear that is not ignored is looked for among the codes.
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors) {
  std::set<std::string> ignored;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor &tensor = catalog.tensors[i];
    if (tensors[i].stored == nullptr && may_be_linear_weight(tensor)) {
      const std::string module(catalog::module_name(tensor.name));
      for (std::string &name : names_on_loading(catalog, module)) {
        ignored.insert(std::move(name));
      }
    }
  }
  for (std::string &name : catalog::modules_without_tensors(catalog)) {
    ignored.insert(std::move(name));
  }
  JsonWriter json;
  json.begin_object();
  json.member("quant_method", kFp8Scaled.name);
  json.member("activation_scheme", "dynamic");
  json.member("ignored_layers", ignored);
  json.end();
  return json.take();
}

void join(Joining &joining) {
  for (size_t i = 0; i < joining.catalog().tensors.size(); ++i) {
    const Tensor &tensor = joining.tensor(i);
    const auto scale =
        tensor.dtype == Dtype::kF8E4M3 ? joining.find(tensor.name, kScale) : std::nullopt;
    if (!scale || !holds_scales(joining.tensor(*scale).dtype) || tensor.elements == 0 ||
        !is_plain(tensor) || !is_at_hand(joining.tensor(*scale))) {
      continue;
    }
    const Tensor &scales = joining.tensor(*scale);
    const auto scope = scope_of(tensor.shape, scales.shape);
    if (!scope) {
      joining.problem("wrong-shape",
                      concat("Expected one scale for all of ", tensor.name,
                             " or for each of its rows, found ", scales.name, " of shape ",
                             shape_text(scales.shape), "."),
                      tensor.name);
      continue;
    }
    Joined found{tensor.name, tensor.shape, {}, {*scale}};
    found.codes.layout = kFp8Scaled.name;
    found.codes.is_integer = false;
    found.codes.elements = tensor.elements;
    found.codes.columns = tensor.elements / rows_of(tensor.shape, scales.shape);
    found.codes.scope = *scope;
    found.codes.data = part_of(tensor);
    found.codes.scale = part_of(scales);
    joining.take(i, std::move(found));
  }
  joining.take_inputs(kInputNames);
}

/// A weight of a Linear is either ignored or F8_E4M3 with its scale.
void check(const catalog::Catalog &catalog, std::vector<catalog::Problem> &problems) {
  const Json config = parse_json(catalog.quantization_config());
  std::set<std::string> ignored;
  for (const char *key : {"ignored_layers", "modules_to_not_convert"}) {
    const Json list = config.value(key, Json::array());
    for (const Json &name : list.is_array() ? list : Json::array()) {
      if (name.is_string()) {
        ignored.insert(name.get<std::string>());
      }
    }
  }
  for (const Tensor &tensor : catalog.tensors) {
    const bool is_ignored = ignored.contains(std::string(catalog::module_name(tensor.name)));
    if (tensor.codes && is_ignored) {
      problems.push_back({"config-mismatch",
                          concat("Expected ", tensor.name,
                                 " not to be quantized, as the config's list of ignored layers "
                                 "says, found codes."),
                          tensor.name});
    } else if (!tensor.codes && !is_ignored && tensor.dtype == Dtype::kF8E4M3) {
      problems.push_back({"missing-scale",
                          concat("Expected scales in ", tensor.name, kScale, ", found none."),
                          tensor.name});
    } else if (!tensor.codes && !is_ignored && may_be_linear_weight(tensor) &&
               catalog::class_name(tensor) == "Linear") {
      problems.push_back(
          {"config-mismatch",
           concat("Expected ", tensor.name, " to be quantized, as the config says, found ",
                  dtype_name(tensor.dtype), "."),
           tensor.name});
    }
  }
}

} // namespace
} // namespace fp8_scaled

constexpr Layout kFp8Scaled = {
    "fp8",
    fp8_scaled::fit,
    fp8_scaled::streams,
    fp8_scaled::kPartSuffixes,
    fp8_scaled::make_codec,
    fp8_scaled::stores_inputs,
    fp8_scaled::input_streams,
    fp8_scaled::kInputNames,
    fp8_scaled::configuration,
    nullptr, // everything is in the header
    fp8_scaled::join,
    fp8_scaled::check,
    fp8_scaled::make_decoder,
};

} // namespace monoquant::layout
