#include "monoquant/catalog/catalog_json.h"

#include "monoquant/base/words.h"
#include "monoquant/catalog/wrappers.h"
#include "monoquant/quant/scheme.h"
#include "monoquant/quant/words.h"

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

/// StoredCodes of js/api/catalog.ts.
void write_codes(JsonWriter &json, const Codes &codes) {
  const bool has_blocks = codes.value_blocks.has_value(); // never of more than a row
  const bool per_tensor = !has_blocks && codes.scope == codes.elements;
  const bool grouped = has_blocks || (!per_tensor && codes.scope != codes.columns);
  const auto strategy = per_tensor ? quant::Strategy::kTensor
                        : grouped  ? quant::Strategy::kGroup
                                   : quant::Strategy::kChannel;
  json.begin_object();
  json.member("bits", codes.bits);
  json.member("type", codes.is_integer ? "int" : "float");
  json.member("scheme", word_of(quant::kSchemeWords, !codes.zero_point));
  json.member("strategy",
              codes.blocks ? std::string_view("block") : word_of(quant::kStrategyWords, strategy));
  json.member("groupSize", grouped && !codes.blocks ? static_cast<int64_t>(codes.scope) : -1);
  if (codes.blocks) {
    json.member("blockSize", std::vector<uint64_t>{codes.blocks->rows, codes.blocks->columns});
  }
  json.member("scaleDtype", dtype_name(codes.scale.dtype));
  if (codes.value_blocks) {
    json.member("blockType", codes.value_blocks->name);
  }
  json.end();
}

void write_tensor(JsonWriter &json, const Tensor &tensor, const Catalog &catalog) {
  json.begin_object();
  json.member("name", tensor.name);
  json.member("kind", layer_kind_name(tensor.kind));
  json.member("dtype", dtype_name(tensor.dtype));
  json.member("shape", tensor.shape);
  json.member("bytes", tensor.codes ? tensor.codes->stored_bytes() : tensor.bytes);
  json.member("offset", tensor.offset);
  if (!tensor.module_type.empty()) {
    json.member("moduleType", tensor.module_type);
  }
  if (tensor.tied_to) {
    json.member("tiedTo", catalog.tensors[*tensor.tied_to].name);
  }
  if (tensor.codes) {
    json.key("quantization");
    write_codes(json, *tensor.codes);
  }
  if (tensor.view) {
    json.member("assembled", true);
  }
  if (tensor.view && !tensor.view->deflated) {
    json.member("strides", tensor.view->strides);
  }
  json.end();
}

void write_problems(JsonWriter &json, std::span<const Problem> problems) {
  json.begin_array();
  for (const Problem &problem : problems) {
    json.begin_object();
    json.member("code", problem.code);
    json.member("message", problem.message);
    json.member("tensor", problem.tensor);
    json.end();
  }
  json.end();
}

/// Members that only PyTorch's files have.
void write_torch(JsonWriter &json, const Catalog &catalog) {
  json.member("key", catalog.key);
  json.member("wrapperPrefix", wrapper_prefix(catalog));
  json.key("candidates").begin_array();
  for (const torch::Candidate &candidate : catalog.candidates) {
    json.begin_object();
    json.member("key", candidate.key);
    json.member("tensors", candidate.tensors);
    json.member("bytes", candidate.bytes);
    json.end();
  }
  json.end().key("leftOut").begin_array();
  for (const torch::LeftOut &left : catalog.left_out) {
    json.begin_object();
    json.member("name", left.name);
    json.member("reason", left.reason);
    json.member("tensors", left.tensors);
    json.member("bytes", left.bytes);
    json.member("lost", left.is_lost);
    json.end();
  }
  json.end().key("globals").begin_array();
  for (const torch::Global &global : catalog.globals) {
    json.begin_object();
    json.member("module", global.module);
    json.member("name", global.name);
    json.member("danger", danger_name(global.danger));
    json.end();
  }
  json.end().key("opaque").begin_array();
  for (const torch::Opaque &part : catalog.opaque) {
    json.begin_object();
    json.member("member", part.member);
    json.member("reason", part.reason);
    json.end();
  }
  json.end().key("code").value(catalog.code);
}

void write_metadata(JsonWriter &json, const Catalog &catalog) {
  json.begin_object();
  for (const auto *metadata : {&catalog.metadata, &catalog.quantization_metadata}) {
    for (const auto &[key, value] : *metadata) {
      json.key(key).value(value);
    }
  }
  json.end();
}

} // namespace

bool is_of_quantization(std::string_view key) {
  return key == kQuantizationConfig || key == kQuantizedBy || key == kQuantizedFrom ||
         key == kCorrectedBiases;
}

std::string_view Catalog::quantization_note(std::string_view key) const {
  for (const auto *entries : {&quantization_metadata, &metadata}) {
    for (const auto &[own, value] : *entries) {
      if (own == key) {
        return value;
      }
    }
  }
  return {};
}

std::string_view Catalog::own_quantization_config() const {
  return quantization_note(kQuantizationConfig);
}

std::string_view Catalog::quantization_config() const {
  const std::string_view own = own_quantization_config();
  return own.empty() ? folder_config : own;
}

std::string problems_json(std::span<const Problem> problems) {
  JsonWriter json;
  write_problems(json, problems);
  return json.take();
}

void write_catalog(JsonWriter &json, const Catalog &catalog) {
  uint64_t parameters = 0;
  for (const Tensor &tensor : catalog.tensors) {
    parameters += tensor.tied_to ? 0 : tensor.elements;
  }
  json.begin_object();
  json.member("format", catalog.format);
  json.member("bytes", catalog.file_bytes);
  json.member("parameters", parameters);
  json.key("metadata");
  write_metadata(json, catalog);
  write_torch(json, catalog);
  json.key("problems");
  write_problems(json, catalog.problems);
  json.key("foreign").begin_array();
  for (const Foreign &foreign : catalog.foreign) {
    json.begin_object();
    json.member("layout", foreign.layout);
    json.member("tensor", foreign.tensor);
    json.member("tensors", foreign.tensors);
    json.end();
  }
  json.end();
  json.key("tensors").begin_array();
  for (const Tensor &tensor : catalog.tensors) {
    write_tensor(json, tensor, catalog);
  }
  json.end().end();
}

std::string catalog_json(const Catalog &catalog) {
  JsonWriter json;
  write_catalog(json, catalog);
  return json.take();
}

} // namespace monoquant::catalog
