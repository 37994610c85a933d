// How bitsandbytes' files are written. Source: QuantState.as_dict of bitsandbytes 0.50, and what transformers 5.23 saves.
#include <algorithm>
#include <array>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/bitsandbytes/bitsandbytes.h"
#include "monoquant/layout/bitsandbytes/nested.h"
#include "monoquant/layout/coded/codebook_codec.h"
#include "monoquant/layout/loaders.h"
#include "monoquant/quant/codebook.h"
#include "monoquant/quant/named_codes.h"

namespace monoquant::layout::bitsandbytes {
namespace {

using catalog::Tensor;
using quant::Codebook;

/// Models whose layers are of a class of their own, which does not become one with codes, or that compute with their
/// weights themselves. Source: loading tiny random
/// models with transformers 5.23 (docs/conformance.md).
constexpr std::array<std::string_view, 4> kFaultyTypes = {"falcon", "falcon_mamba", "mamba",
                                                          "mamba2"};

bool is_four_bits(const quant::Scheme &scheme) {
  return scheme.codebook == Codebook::kNf4 || scheme.codebook == Codebook::kFp4;
}

std::string_view type_name(const quant::Scheme &scheme) {
  return scheme.codebook == Codebook::kFp4 ? "fp4" : "nf4";
}

/// What values become again, as PyTorch calls it.
std::string_view torch_name(Dtype dtype) {
  return dtype == Dtype::kF16 ? "float16" : dtype == Dtype::kBF16 ? "bfloat16" : "float32";
}

/// As Python's json.dumps writes it. If scales are nested, all but the offset and what follows it.
std::string state_text(const Tensor &tensor, const quant::Scheme &scheme) {
  std::string shape;
  for (const uint64_t extent : tensor.shape) {
    shape += concat(shape.empty() ? "" : ", ", extent);
  }
  return concat(R"({"quant_type": ")", type_name(scheme), R"(", "blocksize": )", scheme.group_size,
                R"(, "dtype": ")", torch_name(tensor.dtype), R"(", "shape": [)", shape, "]",
                scheme.nested ? concat(R"(, "nested_blocksize": )", kInNestedBlock,
                                       R"(, "nested_dtype": "float32", "nested_offset": )")
                              : std::string("}"));
}

std::string map_bytes(std::span<const float> map) {
  // Little-endian, as all targets are.
  return {reinterpret_cast<const char *>(map.data()), map.size_bytes()};
}

bool is_linear(const Tensor &tensor) {
  return tensor.shape.size() == 2 && tensor.name.ends_with(".weight") &&
         catalog::class_name(tensor) == "Linear";
}

} // namespace

std::string_view fit(quant::Scheme &scheme, bool /*weights_only*/) {
  if (!scheme.symmetric) {
    return "the symmetric scheme";
  }
  if (scheme.has_kernels() && scheme.bits == 4) { // what bitsandbytes has of 4 bits
    quant::use_codes(scheme, quant::CodesKind::kNf4);
  }
  if (is_four_bits(scheme)) {
    if (scheme.nested) { // all scales have to be known before the first code
      scheme.method = quant::Method::kRtn;
    }
    return {};
  }
  if (scheme.nested) {
    return "NF4 or FP4 for scales that are quantized themselves";
  }
  if (!scheme.has_kernels() && scheme.codebook != Codebook::kFractions) {
    return "INT8, NF4 or FP4";
  }
  if (scheme.strategy != quant::Strategy::kChannel) {
    return "one scale for a channel of 8 bits";
  }
  scheme.codebook = Codebook::kFractions;
  scheme.scale_dtype = Dtype::kF32;
  return {};
}

/// The configuration says it once for all.
std::string_view fits_together(std::span<const Described> tensors) {
  const Stored *first = nullptr;
  for (const Described &tensor : tensors) {
    if (tensor.stored == nullptr) {
      continue;
    }
    first = first == nullptr ? tensor.stored : first;
    if (first->scheme.codebook != tensor.stored->scheme.codebook) {
      return "one kind of codes in all layers";
    }
  }
  return {};
}

/// Blocks run over all elements in row-major order. They may cross rows, so rows are whatever is one block long.
std::string arrange(const Tensor &tensor, Stored &stored) {
  if (!is_linear(tensor)) {
    return "bitsandbytes has codes of Linear layers only";
  }
  const uint64_t block = is_four_bits(stored.scheme) ? stored.scheme.group_size : 1;
  if (tensor.elements % block != 0) {
    return concat("its ", tensor.elements, " weights are no whole blocks of ", block);
  }
  if (stored.columns % block != 0) {
    stored.rows = tensor.elements / block;
    stored.columns = block;
  }
  if (stored.scheme.nested) {
    stored.note = state_text(tensor, stored.scheme);
  }
  return {};
}

namespace {

/// Of scales that are codes themselves.
std::vector<Stream> nested_streams(const Tensor &tensor, const Stored &stored) {
  const std::string &name = tensor.name;
  const uint64_t scales = tensor.elements / stored.scheme.group_size;
  return {{Written::kByRow, name, Dtype::kU8, {tensor.elements / 2, 1}},
          {Written::kByBand, concat(name, ".absmax"), Dtype::kU8, {scales}},
          {Written::kByBand,
           concat(name, ".nested_absmax"),
           Dtype::kF32,
           {divide_up(scales, kInNestedBlock)}},
          {Written::kByBand,
           concat(name, ".quant_state.bitsandbytes__", type_name(stored.scheme)),
           Dtype::kU8,
           {stored.note.size() + kOffsetText}},
          {Written::kFixed,
           concat(name, ".quant_map"),
           Dtype::kF32,
           {16},
           map_bytes(quant::codebook_table(stored.scheme.codebook))},
          {Written::kFixed,
           concat(name, ".nested_quant_map"),
           Dtype::kF32,
           {256},
           map_bytes(nested_table())}};
}

} // namespace

std::vector<Stream> streams(const Tensor &tensor, const Stored &stored) {
  const std::string &name = tensor.name;
  const quant::Scheme &scheme = stored.scheme;
  if (!is_four_bits(scheme)) {
    const std::string_view module = catalog::module_name(name);
    return {{Written::kByRow, name, Dtype::kI8, tensor.shape},
            {Written::kByBand, concat(module, ".SCB"), Dtype::kF32, {stored.rows}},
            {Written::kFixed, concat(module, ".weight_format"), Dtype::kU8, {}, std::string(1, 0)}};
  }
  if (scheme.nested) {
    return nested_streams(tensor, stored);
  }
  std::string state = state_text(tensor, scheme);
  const uint64_t length = state.size();
  return {{Written::kByRow, name, Dtype::kU8, {tensor.elements / 2, 1}},
          {Written::kByBand,
           concat(name, ".absmax"),
           Dtype::kF32,
           {tensor.elements / scheme.group_size}},
          {Written::kFixed,
           concat(name, ".quant_map"),
           Dtype::kF32,
           {16},
           map_bytes(quant::codebook_table(scheme.codebook))},
          {Written::kFixed,
           concat(name, ".quant_state.bitsandbytes__", type_name(scheme)),
           Dtype::kU8,
           {length},
           std::move(state)}};
}

std::unique_ptr<RowCodec> make_codec(const Stored &stored) {
  return stored.scheme.nested
             ? make_nested_codec(stored)
             : std::make_unique<coded::CodebookCodec>(stored, coded::Pair::kHighFirst);
}

/// Every Linear that is not skipped is looked for among the codes. llm_int8_threshold is left out: 6.0 is the default,
/// and a 6, which is what JavaScript makes of it, is refused.
std::string configuration(const catalog::Catalog &catalog, std::span<const Described> tensors) {
  std::set<std::string> skipped;
  const quant::Scheme *scheme = nullptr;
  Dtype type = Dtype::kF32;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor &tensor = catalog.tensors[i];
    if (tensors[i].stored != nullptr) {
      scheme = &tensors[i].stored->scheme;
      type = tensor.dtype;
    } else if (tensor.shape.size() == 2 && tensor.name.ends_with(".weight")) {
      const std::string module(catalog::module_name(tensor.name));
      for (std::string &name : names_on_loading(catalog, module)) {
        skipped.insert(std::move(name));
      }
    }
  }
  for (std::string &name : catalog::modules_without_tensors(catalog)) {
    skipped.insert(std::move(name));
  }
  const bool is_4 = scheme != nullptr && is_four_bits(*scheme);
  JsonWriter json;
  json.begin_object();
  json.member("quant_method", kBitsAndBytes.name);
  json.member("_load_in_4bit", is_4);
  json.member("_load_in_8bit", !is_4);
  json.member("load_in_4bit", is_4);
  json.member("load_in_8bit", !is_4);
  json.member("bnb_4bit_compute_dtype", torch_name(is_4 ? type : Dtype::kF32));
  json.member("bnb_4bit_quant_storage", "uint8");
  json.member("bnb_4bit_quant_type", is_4 ? type_name(*scheme) : std::string_view("fp4"));
  json.member("bnb_4bit_use_double_quant", is_4 && scheme->nested);
  json.member("llm_int8_enable_fp32_cpu_offload", false);
  json.member("llm_int8_has_fp16_weight", false);
  json.member("llm_int8_skip_modules", skipped);
  json.end();
  return json.take();
}

std::string fault_of_loading(const catalog::Catalog &catalog) {
  const bool is_faulty = catalog.model && !catalog.model->architectures.empty() &&
                         std::find(kFaultyTypes.begin(), kFaultyTypes.end(),
                                   catalog.model->model_type) != kFaultyTypes.end();
  return is_faulty
             ? concat("transformers 5.23 cannot load bitsandbytes' codes of models of type \"",
                      catalog.model->model_type, "\". 16 bits load there.")
             : std::string();
}

} // namespace monoquant::layout::bitsandbytes
