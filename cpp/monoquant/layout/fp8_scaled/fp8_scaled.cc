#include <algorithm>
#include <array>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/json.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/coded/codebook_codec.h"
#include "monoquant/layout/fp8_scaled/fp8_scaled.h"
#include "monoquant/layout/loaders.h"

namespace monoquant::layout {
namespace fp8_scaled {
namespace {

using catalog::Codes;
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

std::unique_ptr<RowCodec> make_codec(const Stored &stored) {
  return std::make_unique<coded::CodebookCodec>(stored);
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

/// How tools call the scales of codes. Source: the files of transformers, vLLM, llm-compressor and DeepSeek
/// (`weight_scale_inv` is multiplied with, whatever it is called), ComfyUI and quanto.
struct Spelling {
  std::string_view codes; // ends of names behind a common stem
  std::string_view scale;
  std::string_view name; // of the tensor of values
};
constexpr std::array<Spelling, 5> kSpellings = {{
    {"", kScale, ""},
    {"", "_scale_inv", ""},
    {".weight", ".scale_weight", ".weight"},
    {".weight", ".scale", ".weight"},
    {".weight._data", ".weight._scale", ".weight"},
}};

/// What stands beside such codes and says nothing of their values.
constexpr std::array<std::string_view, 3> kNotes = {".comfy_quant", ".scale_input",
                                                    ".output_scale"};
/// Of the whole file: ComfyUI's mark that its layers have scales.
constexpr std::string_view kMark = "scaled_fp8";

bool is_code(const Tensor &tensor) {
  return (tensor.dtype == Dtype::kF8E4M3 || tensor.dtype == Dtype::kF8E5M2) && tensor.elements > 0;
}

bool holds_any_scales(Dtype dtype) {
  return holds_scales(dtype) || dtype == Dtype::kU8 || dtype == Dtype::kF8E8M0;
}

/// Sizes of blocks that a configuration speaks of, or that are usual.
std::vector<Codes::Blocks> likely_blocks(const catalog::Catalog &catalog) {
  std::vector<Codes::Blocks> likely;
  const auto note = [&](const Json &size) {
    if (size.is_array() && size.size() == 2 && size[0].is_number_unsigned() &&
        size[1].is_number_unsigned()) {
      likely.push_back({size[0].get<uint64_t>(), size[1].get<uint64_t>()});
    }
  };
  const Json config = parse_json(catalog.quantization_config());
  if (config.is_object()) {
    note(config.value("weight_block_size", Json()));
    const Json groups = config.value("config_groups", Json());
    for (const Json &group : groups.is_object() ? groups : Json::object()) {
      const Json weights = group.is_object() ? group.value("weights", Json()) : Json();
      if (weights.is_object()) {
        note(weights.value("block_structure", Json()));
      }
    }
  }
  if (likely.empty()) {
    likely.push_back({128, 128});
  }
  return likely;
}

/// The blocks that scales of this shape belong to; nothing if there are no such ones.
std::optional<Codes::Blocks> blocks_of(const Tensor &codes, const Tensor &scales,
                                       const std::vector<Codes::Blocks> &likely) {
  const size_t rank = codes.shape.size();
  if (rank < 2 || scales.shape.size() != rank ||
      !std::equal(codes.shape.begin(), codes.shape.end() - 2, scales.shape.begin())) {
    return std::nullopt;
  }
  const uint64_t rows = codes.shape[rank - 2];
  const uint64_t columns = codes.shape[rank - 1];
  const uint64_t down = scales.shape[rank - 2];
  const uint64_t across = scales.shape[rank - 1];
  for (const Codes::Blocks &block : likely) {
    if (block.rows > 0 && block.columns > 0 && divide_up(rows, block.rows) == down &&
        divide_up(columns, block.columns) == across) {
      return Codes::Blocks{block.rows, block.columns, rows};
    }
  }
  if (down == 0 || across == 0 || rows % down != 0 || columns % across != 0) {
    return std::nullopt;
  }
  return Codes::Blocks{rows / down, columns / across, rows};
}

class Finder {
public:
  explicit Finder(Joining &joining)
      : joining_(joining), likely_(likely_blocks(joining.catalog())) {}

  void run() {
    for (size_t i = 0; i < joining_.catalog().tensors.size(); ++i) {
      if (is_code(joining_.tensor(i)) && is_plain(joining_.tensor(i)) && !joining_.is_claimed(i)) {
        look_at(i);
      }
    }
    if (const auto mark = found_ ? joining_.find(kMark, "") : std::nullopt) {
      joining_.drop(*mark);
    }
    joining_.take_inputs(kInputNames);
  }

private:
  void look_at(size_t index) {
    const std::string_view name = joining_.tensor(index).name;
    for (const Spelling &spelling : kSpellings) {
      if (!name.ends_with(spelling.codes)) {
        continue;
      }
      const std::string_view stem = name.substr(0, name.size() - spelling.codes.size());
      const auto scale = joining_.find(stem, spelling.scale);
      if (scale && holds_any_scales(joining_.tensor(*scale).dtype) &&
          is_at_hand(joining_.tensor(*scale))) {
        take(index, concat(stem, spelling.name), *scale);
        return;
      }
    }
  }

  void take(size_t index, std::string name, size_t scale) {
    const Tensor &tensor = joining_.tensor(index);
    const Tensor &scales = joining_.tensor(scale);
    const auto scope = scope_of(tensor.shape, scales.shape);
    const auto blocks = scope ? std::nullopt : blocks_of(tensor, scales, likely_);
    if (!scope && !blocks) {
      return joining_.problem("wrong-shape",
                              concat("Expected one scale for all of ", tensor.name, " (",
                                     shape_text(tensor.shape),
                                     "), for each of its rows, or for blocks of it, found ",
                                     scales.name, " of shape ", shape_text(scales.shape), "."),
                              tensor.name);
    }
    Joined found{std::move(name), tensor.shape, {}, {scale}};
    found.codes.layout = kFp8Scaled.name;
    found.codes.is_integer = false;
    found.codes.elements = tensor.elements;
    found.codes.columns =
        blocks ? tensor.shape.back() : tensor.elements / rows_of(tensor.shape, scales.shape);
    found.codes.scope = scope.value_or(tensor.elements);
    found.codes.blocks = blocks;
    found.codes.data = part_of(tensor);
    found.codes.scale = part_of(scales);
    for (const std::string_view note : kNotes) {
      if (const auto beside = joining_.find(catalog::module_name(found.name), note)) {
        found.parts.push_back(*beside);
      }
    }
    found_ = true;
    joining_.take(index, std::move(found));
  }

  Joining &joining_;
  std::vector<Codes::Blocks> likely_;
  bool found_ = false;
};

void join(Joining &joining) { Finder(joining).run(); }

/// A weight of a Linear is either ignored or F8_E4M3 with its scale.
void check(const catalog::Catalog &catalog, std::string_view text, std::string_view where,
           std::vector<catalog::Problem> &problems) {
  const Json config = parse_json(text);
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
                                 " not to be quantized, as the list of ignored layers in ", where,
                                 " says, found codes."),
                          tensor.name});
    } else if (!tensor.codes && !is_ignored && tensor.dtype == Dtype::kF8E4M3) {
      problems.push_back({"missing-scale",
                          concat("Expected scales in ", tensor.name, kScale, ", found none."),
                          tensor.name});
    } else if (!tensor.codes && !is_ignored && may_be_linear_weight(tensor) &&
               catalog::class_name(tensor) == "Linear") {
      problems.push_back({"config-mismatch",
                          concat("Expected ", tensor.name, " to be quantized, as ", where,
                                 " says, found ", dtype_name(tensor.dtype), "."),
                          tensor.name});
    }
  }
}

} // namespace
} // namespace fp8_scaled

constexpr Layout kFp8Scaled = {
    .name = "fp8",
    .fit = fp8_scaled::fit,
    .streams = fp8_scaled::streams,
    .part_suffixes = fp8_scaled::kPartSuffixes,
    .make_codec = fp8_scaled::make_codec,
    .stores_inputs = fp8_scaled::stores_inputs,
    .input_streams = fp8_scaled::input_streams,
    .input_names = fp8_scaled::kInputNames,
    .configuration = fp8_scaled::configuration,
    .join = fp8_scaled::join,
    .check = fp8_scaled::check,
    .make_decoder = fp8_scaled::make_decoder,
};

} // namespace monoquant::layout
