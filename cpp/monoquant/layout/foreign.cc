#include "monoquant/layout/foreign.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <string_view>

#include "monoquant/base/json.h"
#include "monoquant/base/sort.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/comfyui/notes.h"

namespace monoquant::layout {
namespace {

using catalog::Catalog;
using catalog::Foreign;
using catalog::Tensor;

/// Ends of the names of tensors that stand beside each other, STEM + end, and who makes such. The first tensor has one
/// of the dtypes; the others may have any. Earlier rows win.
/// Sources: the files that each tool writes; the names that its loader looks for.
struct Kind {
  std::string_view layout;
  std::array<std::string_view, 3> ends; // "" at the end: fewer
  std::string_view dtypes;              // of the first, as a list of letters: see `letter`
  bool is_read = false; // by a layout that is known here, unless something is wrong with it
};

// i: INT8, u: UINT8, 4: 32-bit integers, 8: FP8, z: FP8 of other kinds, f: floats, any other dtype is 'x'.
constexpr std::string_view kAny = "iu48zfx";
constexpr std::array kKinds = {
    Kind{"bitsandbytes NF4", {".weight.quant_state.bitsandbytes__nf4"}, kAny, true},
    Kind{"bitsandbytes FP4", {".weight.quant_state.bitsandbytes__fp4"}, kAny, true},
    Kind{"bitsandbytes 4 bits", {".absmax", ".quant_map"}, kAny},
    Kind{"bitsandbytes 4 bits", {".weight.absmax"}, kAny},
    Kind{"bitsandbytes INT8", {".SCB"}, kAny, true},
    Kind{"GPTQ", {".qweight", ".qzeros", ".scales"}, "4", true}, // or AWQ: by its shapes
    Kind{"EETQ INT8", {".qweight", ".weight_scales"}, "i"},
    Kind{"packed codes (qweight)", {".qweight"}, kAny},
    Kind{"HQQ", {".W_q", ".scale", ".zero"}, kAny, true},
    Kind{"HQQ", {".W_q"}, kAny},
    Kind{"quanto", {".weight._data", ".weight._scale"}, "i", true},
    Kind{"quanto", {".weight._data._data", ".weight._scale"}, kAny, true},
    Kind{"torchao", {"._weight_qdata", "._weight_scale"}, "i8", true},
    Kind{"torchao", {"._weight_qdata"}, kAny},
    Kind{"torchao", {".weight_qdata"}, kAny},
    Kind{"torchao", {".qdata", ".scale"}, "i8", true},
    Kind{"torchao", {".qdata", ".scale"}, kAny}, // parts of a tensor in a pickle, from here on
    Kind{"torchao", {".tensor_impl.int_data"}, kAny},
    Kind{"torchao", {".tensor_impl.packed_weight"}, kAny},
    Kind{"torchao", {".tensor_impl.float8_data"}, kAny},
    Kind{"MLX", {".weight", ".scales", ".biases"}, "4", true},
    Kind{"MLX", {".weight", ".scales"}, "4", true},
    Kind{"MXFP4", {"_blocks", "_scales"}, "u", true}, // of gpt-oss
    Kind{"NVFP4 of ModelOpt", {".weight", ".weight_scale", ".weight_scale_2"}, kAny},
    Kind{"NVFP4", {"_packed", "_scale", "_global_scale"}, "u", true},
    Kind{"MXFP4 or MXFP6", {"_packed", "_scale"}, "u", true},
    Kind{"AWQ of ModelOpt", {".weight", ".pre_quant_scale"}, kAny},
    Kind{"SmoothQuant", {".weight", ".smooth_scale"}, kAny},
    Kind{"AQLM", {".codes", ".codebooks"}, kAny},
    Kind{"VPTQ", {".indices", ".centroids"}, kAny},
    Kind{"VPTQ", {".indices", ".centroids.weight"}, kAny},
    Kind{"QuIP#", {".Qidxs"}, kAny},
    Kind{"EXL2", {".q_weight", ".q_scale"}, kAny},
    Kind{"EXL3", {".trellis", ".svh"}, kAny},
    Kind{"Marlin", {".B", ".s"}, "4"},
    Kind{"SpQR", {".dense_weights"}, kAny},
    Kind{"ComfyUI", {".weight", ".weight_scale", ".comfy_quant"}, "i", true},
    Kind{"ComfyUI", {".weight", ".comfy_quant"}, "iu"},
    Kind{"compressed-tensors", {"_packed", "_scale"}, "4", true},
    Kind{"INT8 codes with scales", {"", "_scale"}, "i", true},
    Kind{"UINT8 codes with scales", {"", "_scale", "_zero_point"}, "u", true},
    Kind{"BitNet", {".weight", ".weight_scale"}, "u", true},
    Kind{"FP8", {"", "_scale"}, "8", true},
    Kind{"FP8", {"", "_scale_inv"}, "8", true},
    Kind{"FP8", {".weight", ".scale_weight"}, "8", true},
    Kind{"FP8", {".weight", ".scale"}, "8", true},
    Kind{"FP8", {".weight._data", ".weight._scale"}, "8", true},
    Kind{"quanto", {".weight._scale"}, kAny}, // whatever its codes are called
    // Numbers that have been codes, or will be: whoever stored the scale meant it to be used.
    Kind{"weights with scales", {"", "_scale_inv"}, "f"},
    Kind{"weights with scales", {".weight", ".scale_weight"}, "f"},
    Kind{"weights with scales", {".weight", ".weight_scale"}, "f"},
};

/// What configurations call a layout (`quant_method`), and what people call it. Any other name stands for itself.
constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kMethods = {{
    {"aqlm", "AQLM"},
    {"auto-round", "AutoRound"},
    {"awq", "AWQ"},
    {"bitnet", "BitNet"},
    {"fbgemm_fp8", "FBGEMM FP8"},
    {"gptq", "GPTQ"},
    {"hqq", "HQQ"},
    {"mxfp4", "MXFP4"},
    {"quip", "QuIP#"},
    {"spqr", "SpQR"},
    {"vptq", "VPTQ"},
    {"exl2", "EXL2"},
}};

char letter(Dtype dtype) {
  switch (dtype) {
  case Dtype::kI8:
    return 'i';
  case Dtype::kU8:
    return 'u';
  case Dtype::kI32:
  case Dtype::kU32:
    return '4';
  case Dtype::kF8E4M3:
  case Dtype::kF8E5M2:
    return '8';
  case Dtype::kF8E4M3Fnuz:
  case Dtype::kF8E5M2Fnuz:
    return 'z';
  case Dtype::kF64:
  case Dtype::kF32:
  case Dtype::kF16:
  case Dtype::kBF16:
    return 'f';
  default:
    return 'x';
  }
}

/// Types that no training leaves behind in a matrix of weights.
bool may_be_codes(const Tensor &tensor) {
  switch (tensor.dtype) {
  case Dtype::kBool:
  case Dtype::kF64:
  case Dtype::kF32:
  case Dtype::kF16:
  case Dtype::kBF16:
  case Dtype::kC32:
  case Dtype::kC64:
  case Dtype::kC128:
    return false;
  default:
    return tensor.shape.size() > 1 && tensor.elements > 1;
  }
}

std::string_view member_text(const Json &object, const char *key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? std::string_view(found->get_ref<const std::string &>())
             : std::string_view();
}

uint64_t member_number(const Json &object, const char *key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_number_unsigned()
             ? found->get<uint64_t>()
             : 0;
}

/// Tensors by their names.
class Names {
public:
  explicit Names(const Catalog &catalog) {
    for (const Tensor &tensor : catalog.tensors) {
      sorted_.push_back(&tensor);
    }
    sort(sorted_, [](const Tensor *a, const Tensor *b) { return a->name < b->name; });
  }

  [[nodiscard]] const Tensor *find(const std::string &name) const {
    const auto found = lower_bound(name);
    return found != sorted_.end() && (*found)->name == name ? *found : nullptr;
  }

  /// Those whose names begin so, in order.
  [[nodiscard]] std::span<const Tensor *const> beginning_with(std::string_view stem) const {
    const auto first = lower_bound(stem);
    auto last = first;
    while (last != sorted_.end() && (*last)->name.starts_with(stem)) {
      ++last;
    }
    return {first, last};
  }

private:
  [[nodiscard]] std::vector<const Tensor *>::const_iterator
  lower_bound(std::string_view name) const {
    return std::lower_bound(
        sorted_.begin(), sorted_.end(), name,
        [](const Tensor *tensor, std::string_view text) { return tensor->name < text; });
  }

  std::vector<const Tensor *> sorted_;
};

/// "STEM" where the tensor is the first of this kind's and the others stand beside it.
std::optional<std::string_view> stem_of(const Names &names, const Tensor &tensor,
                                        const Kind &kind) {
  const std::string_view name = tensor.name;
  if (!name.ends_with(kind.ends[0]) || kind.dtypes.find(letter(tensor.dtype)) == kind.dtypes.npos) {
    return std::nullopt;
  }
  const std::string_view stem = name.substr(0, name.size() - kind.ends[0].size());
  for (size_t i = 1; i < kind.ends.size() && !kind.ends[i].empty(); ++i) {
    if (names.find(concat(stem, kind.ends[i])) == nullptr) {
      return std::nullopt;
    }
  }
  return stem;
}

/// GPTQ packs along the inputs, AWQ along the outputs; bits follow from how many words hold the zero points.
std::string gptq_or_awq(const Names &names, const Tensor &codes, std::string_view stem) {
  const Tensor *zeros = names.find(concat(stem, ".qzeros"));
  const Tensor *scales = names.find(concat(stem, ".scales"));
  if (zeros == nullptr || scales == nullptr || codes.shape.size() != 2 ||
      zeros->shape.size() != 2 || scales->shape.size() != 2 || scales->shape[1] == 0) {
    return "GPTQ";
  }
  const std::string_view layout = codes.shape[1] == scales->shape[1] ? "GPTQ" : "AWQ";
  const uint64_t bits = zeros->shape[1] * 32 / scales->shape[1];
  return bits == 0 || bits > 8 ? std::string(layout) : concat(layout, " ", bits, " bits");
}

/// Whether the end of a name says that the tensor is about codes. Scales of what goes in or out of a layer change no
/// weight.
bool tells_of_codes(std::string_view end) {
  constexpr std::array<std::string_view, 10> kWords = {"scale", "zero", "absmax", "quant",  "qmap",
                                                       "codeb", "idx",  "perm",   "smooth", "rot"};
  constexpr std::array<std::string_view, 4> kOfActivations = {"input", "output", "k_", "v_"};
  const auto begins = [&](std::string_view word) { return end.starts_with(word); };
  const auto has = [&](std::string_view word) { return end.find(word) != end.npos; };
  return std::none_of(kOfActivations.begin(), kOfActivations.end(), begins) &&
         (end.starts_with("weight") || std::any_of(kWords.begin(), kWords.end(), has));
}

/// A tensor beside codes that must be about them, under the name of their module or their own.
const Tensor *companion(const Names &names, const Tensor &codes) {
  constexpr std::string_view kWeight = ".weight";
  const bool is_weight = codes.name.ends_with(kWeight);
  const std::string stem =
      is_weight ? codes.name.substr(0, codes.name.size() - kWeight.size()) : codes.name;
  // Beside codes that are no parameter otherwise, any other tensor than a bias is about them.
  const bool takes_any = !codes.codes && is_weight && letter(codes.dtype) != 'x';
  for (const std::string_view separator : {".", "_"}) {
    for (const Tensor *other : names.beginning_with(concat(stem, separator))) {
      const std::string_view end = std::string_view(other->name).substr(stem.size() + 1);
      const bool is_deeper = end.find('.') != end.npos && !end.starts_with("weight.");
      if (other == &codes || end == "weight" || end == "bias" || is_deeper || other->codes) {
        continue;
      }
      const bool is_small = other->elements <= codes.elements / 2;
      if ((takes_any && separator == ".") || (is_small && tells_of_codes(end))) {
        return other;
      }
    }
  }
  return nullptr;
}

class Finder {
public:
  explicit Finder(const Catalog &catalog)
      : catalog_(catalog), names_(catalog), config_(parse_json(catalog.quantization_config())) {}

  std::vector<Foreign> run() {
    for (const catalog::Problem &problem : catalog_.problems) { // told of a layout that is read
      known_.insert(std::string(owner_of(problem.tensor)));
    }
    for (const Kind &kind : kKinds) {
      for (const Tensor &tensor : catalog_.tensors) {
        look_for(kind, tensor);
      }
    }
    for (const Tensor &tensor : catalog_.tensors) {
      if (tensor.codes && tensor.codes->value_blocks && !catalog_.is_joined) {
        add(concat("GGUF ", tensor.codes->value_blocks->name), tensor, true);
        continue;
      }
      if (is_known(tensor.name) || !(tensor.codes || may_be_codes(tensor))) {
        continue;
      }
      if (const Tensor *beside = companion(names_, tensor)) {
        const size_t dot = beside->name.rfind('.');
        const std::string_view end =
            std::string_view(beside->name).substr(dot == std::string::npos ? 0 : dot + 1);
        add(concat("a layout that is not known here (with ", end, ")"), tensor, false);
      }
    }
    look_at_config();
    return std::move(found_);
  }

private:
  void look_for(const Kind &kind, const Tensor &tensor) {
    const auto stem = tensor.codes ? std::nullopt : stem_of(names_, tensor, kind);
    if (!stem || !known_.insert(std::string(owner_of(*stem))).second) {
      return;
    }
    if (kind.layout == "GPTQ") {
      add(gptq_or_awq(names_, tensor, *stem), tensor, kind.is_read);
    } else {
      add(described(kind), tensor, kind.is_read);
    }
  }

  /// The module, where a stem is that of its weight.
  static std::string_view owner_of(std::string_view stem) {
    constexpr std::string_view kWeight = ".weight";
    return stem.ends_with(kWeight) ? stem.substr(0, stem.size() - kWeight.size()) : stem;
  }

  /// With what the configuration adds to it.
  [[nodiscard]] std::string described(const Kind &kind) const {
    const std::string_view format = member_text(config_, "format");
    if (format.empty() || (kind.layout != "compressed-tensors" && !kind.layout.starts_with("MX") &&
                           !kind.layout.starts_with("NV"))) {
      return std::string(kind.layout);
    }
    uint64_t bits = 0;
    const auto groups = config_.find("config_groups");
    if (groups != config_.end() && groups->is_object() && groups->size() == 1) {
      bits = member_number(groups->begin()->value("weights", Json()), "num_bits");
    }
    return concat("compressed-tensors ", format,
                  bits == 0 || format != "pack-quantized" ? std::string()
                                                          : concat(" of ", bits, " bits"));
  }

  /// A configuration that speaks of codes of which no tensor is known makes the whole model unknown.
  void look_at_config() {
    const std::string_view method = member_text(config_, "quant_method");
    const bool is_ours = method == "compressed-tensors" || method == "fp8";
    const bool has_codes =
        !found_.empty() ||
        std::any_of(catalog_.tensors.begin(), catalog_.tensors.end(),
                    [](const Tensor &tensor) { return tensor.codes != nullptr; });
    if (method.empty() || has_codes || catalog_.tensors.empty() || is_ours) {
      return;
    }
    const auto *named = std::find_if(kMethods.begin(), kMethods.end(),
                                     [&](const auto &entry) { return entry.first == method; });
    add(concat(named == kMethods.end() ? method : named->second,
               ", as the model's configuration says"),
        catalog_.tensors[0], false);
    found_.back().is_only_said =
        catalog_.own_quantization_config().empty() &&
        std::all_of(catalog_.tensors.begin(), catalog_.tensors.end(), [](const Tensor &tensor) {
          return tensor.shape.size() < 2 ||
                 (dtype_is_quantizable(tensor.dtype) && dtype_bits(tensor.dtype) > 8);
        });
  }

  [[nodiscard]] bool is_known(std::string_view name) const {
    return known_.contains(std::string(owner_of(name)));
  }

  void add(std::string layout, const Tensor &tensor, bool is_read) {
    const auto same = std::find_if(found_.begin(), found_.end(),
                                   [&](const Foreign &each) { return each.layout == layout; });
    if (same != found_.end()) {
      ++same->tensors;
    } else {
      found_.push_back({std::move(layout), tensor.name, 1, is_read});
    }
  }

  const Catalog &catalog_;
  Names names_;
  Json config_;
  std::set<std::string> known_; // modules, or tensors that are none's weight
  std::vector<Foreign> found_;
};

/// Whether a note of ComfyUI's speaks of one scale a row and of nothing else that was done to the weights.
bool is_plain_note(const Json &note) {
  return note.is_object() && member_text(note, "format") == "int8_tensorwise" &&
         !comfyui::is_rotated(note);
}

std::string first_of(const Foreign &foreign) {
  return foreign.tensors == 1 ? foreign.tensor
                              : concat(foreign.tensor, " and ", foreign.tensors - 1, " more");
}

} // namespace

std::vector<bool> claimed_by_others(const Catalog &catalog, const ByteWindow &window) {
  const Names names(catalog);
  const comfyui::Notes notes(catalog, window);
  std::vector<bool> claimed(catalog.tensors.size());
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    const Tensor &tensor = catalog.tensors[i];
    if (tensor.dtype == Dtype::kU8 && !tensor.name.ends_with("_packed") &&
        names.find(concat(tensor.name, "_zero_point")) == nullptr) {
      claimed[i] = true; // unsigned codes without a zero point are several in a byte
    }
    const std::string module(catalog::module_name(tensor.name));
    if (letter(tensor.dtype) == 'i' || letter(tensor.dtype) == 'u') {
      const Json note = notes.of(module, names.find(concat(module, comfyui::kNote)));
      claimed[i] = claimed[i] || (!note.is_null() && !is_plain_note(note));
    }
    for (const std::string_view end : {".SCB", ".weight_scale_2", ".pre_quant_scale"}) {
      claimed[i] = claimed[i] || names.find(concat(module, end)) != nullptr;
    }
  }
  return claimed;
}

std::vector<Foreign> find_foreign(const Catalog &catalog) { return Finder(catalog).run(); }

std::optional<Error> refuse_foreign(const Catalog &catalog) {
  if (catalog.foreign.empty()) {
    return std::nullopt;
  }
  const Foreign &first = catalog.foreign.front();
  return Error{ErrorCode::kUnsupportedLayout,
               concat("Expected plain numbers, or codes in a layout that is read here, found ",
                      first.layout, ": ", first_of(first), "."),
               concat(first.is_only_said ? "If the weights are floats after all, remove "
                                           "quantization_config from config.json. Else save"
                                         : "Save",
                      " the model as floats with the tool that quantized it, or take the original "
                      "model. Copying bit for bit is possible: convert."),
               first.tensor,
               {}};
}

std::optional<Error> refuse_unsound(const Catalog &catalog) {
  if (!catalog.is_joined) {
    return std::nullopt;
  }
  if (!catalog.problems.empty()) {
    const catalog::Problem &problem = catalog.problems.front();
    return Error{ErrorCode::kMalformedFile,
                 problem.message,
                 "Quantize the model again, or get the file again; validate tells all problems.",
                 problem.tensor,
                 {}};
  }
  return refuse_foreign(catalog);
}

std::optional<Error> refuse_blocks(const Catalog &catalog) {
  const auto blocks =
      std::find_if(catalog.tensors.begin(), catalog.tensors.end(),
                   [](const Tensor &tensor) { return tensor.codes && tensor.codes->value_blocks; });
  if (catalog.is_joined || blocks == catalog.tensors.end()) {
    return std::nullopt;
  }
  return Error{ErrorCode::kAlreadyQuantized,
               concat("Expected numbers that can be copied as they are, found blocks of ",
                      blocks->codes->value_blocks->name,
                      ", which only GGUF files hold: ", blocks->name, "."),
               "Dequantize the model instead.",
               blocks->name,
               {}};
}

std::optional<Error> refuse_quantized(const Catalog &catalog) {
  const auto known = std::find_if(catalog.foreign.begin(), catalog.foreign.end(),
                                  [](const Foreign &each) { return !each.is_read; });
  if (known != catalog.foreign.end() || catalog.foreign.empty()) {
    return refuse_foreign(catalog);
  }
  const Foreign &first = catalog.foreign.front();
  return Error{ErrorCode::kAlreadyQuantized,
               concat("Expected weights that are plain numbers, found some that are quantized "
                      "already, as ",
                      first.layout, ": ", first_of(first), "."),
               "Begin with the original model, or dequantize this one first.",
               first.tensor,
               {}};
}

} // namespace monoquant::layout
