#include "monoquant/plan/gguf.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>

#include "monoquant/base/bytes.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/gguf/search.h"
#include "monoquant/llama_cpp/model.h"
#include "monoquant/plan/inputs.h"
#include "monoquant/plan/placement.h"
#include "monoquant/plan/pruning.h"
#include "monoquant/plan/rules.h"

namespace monoquant::plan {
namespace {

using catalog::LayerKind;
using catalog::Tensor;
using layout::BlockRows;
using layout::RowChange;
using layout::gguf::BlockFacts;
using layout::gguf::BlockType;
using layout::gguf::facts_of;
using llama_cpp::Change;
using llama_cpp::GgmlType;
using llama_cpp::Mixture;
using llama_cpp::MixtureTensor;

/// ggml's own number of how blocks are packed (GGML_QNT_VERSION).
constexpr uint32_t kQuantizationVersion = 2;
/// ComfyUI-GGUF's converter keeps tensors of so few elements as F32, for old runtimes can't convert them.
constexpr uint64_t kSmallest = 1024;

BlockType block_type(GgmlType type) { return static_cast<BlockType>(type); }

/// Which plain type holds such values as they are; nothing for dtypes that GGUF does not have.
std::optional<BlockType> plain_type(Dtype dtype) {
  const BlockFacts *facts = layout::gguf::find_block_type(dtype_name(dtype));
  return facts != nullptr && facts->values == 1 ? std::optional(facts->type) : std::nullopt;
}

/// The type of a tensor's values if they are floats that are not quantized.
GgmlType kept_type(Dtype dtype) {
  return dtype == Dtype::kF16    ? GgmlType::kF16
         : dtype == Dtype::kBF16 ? GgmlType::kBf16
                                 : GgmlType::kF32;
}

/// What is said of single tensors: their types, and those that cannot have them.
class Wishes {
public:
  Wishes(const catalog::Catalog &catalog, const Options &options)
      : is_searched_(options.treatment.method == quant::Method::kMse) {
    const auto all_names = [&](size_t index) {
      return catalog.tensors[index].tied_to.value_or(index);
    };
    for (const size_t index : options.ignore) {
      ignored_[all_names(index)] = Reason::kIgnored;
    }
    for (const Override &override : options.overrides) {
      for (const size_t index : override.tensors) {
        if (const auto mixture = override.bits ? mixture_of(*override.bits) : std::nullopt) {
          mixtures_[all_names(index)] = *mixture;
          ignored_.erase(all_names(index));
        } else if (override.bits) {
          ignored_[all_names(index)] = Reason::kOverrideNone;
        }
        if (override.method) {
          searched_[all_names(index)] = *override.method == quant::Method::kMse;
        }
      }
    }
    for (const Unfit &unfit : options.unfit) {
      unfit_[all_names(unfit.tensor)] = &unfit;
    }
  }

  /// Why a tensor keeps its floats, if it was asked for.
  [[nodiscard]] std::optional<Reason> kept(size_t index) const { return find(ignored_, index); }
  [[nodiscard]] std::optional<Mixture> mixture(size_t index) const {
    return find(mixtures_, index);
  }
  /// Whether its scales are searched for.
  [[nodiscard]] bool is_searched(size_t index) const {
    return find(searched_, index).value_or(is_searched_);
  }
  [[nodiscard]] const Unfit *unfit(size_t index) const {
    return find(unfit_, index).value_or(nullptr);
  }

private:
  template <typename T>
  static std::optional<T> find(const std::map<size_t, T> &entries, size_t index) {
    const auto found = entries.find(index);
    return found == entries.end() ? std::nullopt : std::optional<T>(found->second);
  }

  /// The types that have so many bits; nothing for floats.
  static std::optional<Mixture> mixture_of(uint32_t bits) {
    switch (bits) {
    case 2:
      return Mixture::kQ2K; // Q2_K_S is for those who have data
    case 3:
      return Mixture::kQ3KS;
    case 4:
      return Mixture::kQ4KS;
    case 5:
      return Mixture::kQ5KS;
    case 6:
      return Mixture::kQ6K;
    case 8:
      return Mixture::kQ80;
    default:
      return std::nullopt;
    }
  }

  std::map<size_t, Reason> ignored_;
  std::map<size_t, Mixture> mixtures_;
  std::map<size_t, const Unfit *> unfit_;
  std::map<size_t, bool> searched_;
  bool is_searched_;
};

/// A tensor of the file.
struct Target {
  size_t source = 0;
  std::string name; // empty: its own
  GgmlType type = GgmlType::kF32;
  RowChange change = RowChange::kNone;
  uint64_t head_rows = 0;
  std::optional<uint64_t> kept_rows = {}; // of its first dimension, if not all
  bool is_searched = false;
};

/// How its values are seen: a row is what is encoded on its own. Plain numbers are one long row.
layout::Stored stored_as(const Tensor &tensor, const Target &target) {
  const uint64_t first = tensor.shape.empty() ? 1 : tensor.shape.front();
  const uint64_t kept = tensor.elements / first * target.kept_rows.value_or(first);
  layout::Stored stored;
  stored.weights_only = true;
  stored.blocks =
      BlockRows{block_type(target.type), target.change, target.head_rows, target.is_searched};
  const bool is_plain = facts_of(stored.blocks->type).values == 1;
  if (target.change == RowChange::kInterleave) {
    stored.columns = tensor.elements / first;
  } else {
    stored.columns = is_plain ? kept : tensor.shape.back();
  }
  stored.rows = kept / stored.columns;
  const layout::gguf::BlockWords words = layout::gguf::words_of(stored.blocks->type);
  stored.scheme.bits = words.bits;
  stored.scheme.symmetric = !words.has_minimum;
  stored.scheme.strategy = quant::Strategy::kGroup;
  stored.scheme.group_size = words.group;
  stored.scheme.scale_dtype = Dtype::kF16;
  // ggml weighs errors by the inputs of columns; how it searches is the type's affair.
  stored.scheme.method = is_plain ? quant::Method::kRtn : quant::Method::kMse;
  return stored;
}

std::string explanation_of(const Target &target) {
  std::string text = concat(facts_of(block_type(target.type)).name);
  switch (target.change) {
  case RowChange::kNone:
    break;
  case RowChange::kInterleave:
    text += ", rows of heads in llama.cpp's order";
    break;
  case RowChange::kAddOne:
    text += ", with 1 added as llama.cpp has it";
    break;
  }
  if (target.kept_rows) {
    text += concat(", the first ", *target.kept_rows, " rows");
  }
  if (target.is_searched) {
    text += ", scales searched for the smallest error";
  }
  return text;
}

TensorPlan plan_of(const catalog::Catalog &catalog, Target target, const Wishes &wishes) {
  const Tensor &tensor = catalog.tensors[target.source];
  target.is_searched = wishes.is_searched(tensor.tied_to.value_or(target.source)) &&
                       layout::gguf::is_searched(block_type(target.type));
  TensorPlan plan;
  plan.source = target.source;
  plan.name = target.name;
  plan.explanation = explanation_of(target);
  const Unfit *unfit = wishes.unfit(tensor.tied_to.value_or(target.source));
  if (unfit != nullptr) {
    plan.reason = unfit->reason;
    plan.explanation = concat(unfit->explanation, ": ", plan.explanation);
  }
  const bool is_same = !tensor.codes && plain_type(tensor.dtype) == block_type(target.type) &&
                       target.change == RowChange::kNone && !target.kept_rows;
  if (!is_same && tensor.elements > 0) {
    plan.action = Quantize{stored_as(tensor, target)};
  }
  return plan;
}

bool is_of_floats(Mixture mixture) {
  return mixture == Mixture::kF32 || mixture == Mixture::kF16 || mixture == Mixture::kBf16;
}

GgmlType float_type(Mixture mixture) {
  return mixture == Mixture::kF16    ? GgmlType::kF16
         : mixture == Mixture::kBf16 ? GgmlType::kBf16
                                     : GgmlType::kF32;
}

/// What is planned tensor by tensor: the rules of mixtures look at all of them together.
Result<std::vector<GgmlType>> types_of(const std::optional<Mixture> &mixture,
                                       const llama_cpp::MixtureFacts &facts,
                                       std::span<const MixtureTensor> tensors,
                                       const Options &options) {
  if (mixture && !is_of_floats(*mixture)) {
    return llama_cpp::mixture_types(*mixture, facts, tensors, options.calibration != nullptr);
  }
  std::vector<GgmlType> floats;
  for (const MixtureTensor &tensor : tensors) {
    floats.push_back(mixture ? float_type(*mixture) : tensor.kept);
  }
  return floats;
}

/// The type for a tensor alone: without the rules for what it is in a language model.
GgmlType type_alone(Mixture mixture, std::span<const uint64_t> shape, GgmlType kept,
                    const Options &options) {
  const MixtureTensor tensor{"weight", shape, kept};
  const auto types = types_of(mixture, {}, std::span(&tensor, 1), options);
  return types ? types.value().front() : kept;
}

/// general.file_type of floats: that of the first matrix.
Mixture mixture_of_floats(std::span<const MixtureTensor> tensors) {
  for (const MixtureTensor &tensor : tensors) {
    if (tensor.shape.size() > 1) {
      return tensor.kept == GgmlType::kF16    ? Mixture::kF16
             : tensor.kept == GgmlType::kBf16 ? Mixture::kBf16
                                              : Mixture::kF32;
    }
  }
  return Mixture::kF32;
}

void leave_out(Plan &plan, size_t source, Reason reason, std::string why) {
  TensorPlan &entry = plan.tensors[source];
  leave_alone(entry, reason, std::move(why));
  entry.action = Drop{};
}

std::string bytes_of(const std::vector<float> &values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    store_le(reinterpret_cast<uint8_t *>(bytes.data()) + i * sizeof(float), values[i]);
  }
  return bytes;
}

/// A model of transformers, as llama.cpp has it.
class LlamaPlanner {
public:
  LlamaPlanner(Plan &plan, const Options &options)
      : plan_(plan), options_(options), wishes_(*plan.catalog, options) {}

  Result<GgufContents> make() {
    auto made = read_model();
    if (!made) {
      return made.error();
    }
    model_ = std::move(made.value());
    for (const llama_cpp::ModelTensor &tensor : model_.tensors) {
      const bool is_float = tensor.is_always_f32 || !tensor.source;
      tensors_.push_back(
          {tensor.name, tensor.shape,
           is_float ? GgmlType::kF32 : kept_type(plan_.catalog->tensors[*tensor.source].dtype)});
    }
    auto types = choose_types();
    if (!types) {
      return types.error();
    }
    for (const llama_cpp::LeftOutTensor &left : model_.left_out) {
      leave_out(plan_, left.source, Reason::kLeftOut, std::string(left.why));
    }
    return write(types.value());
  }

private:
  Result<llama_cpp::LlamaModel> read_model() const {
    std::vector<llama_cpp::SourceTensor> sources;
    for (const Tensor &tensor : plan_.catalog->tensors) {
      const auto end =
          std::upper_bound(options_.file_ends.begin(), options_.file_ends.end(), tensor.offset);
      sources.push_back({tensor.name, tensor.shape, tensor.dtype,
                         static_cast<size_t>(end - options_.file_ends.begin())});
    }
    llama_cpp::ModelWishes wishes;
    wishes.file_type = static_cast<uint32_t>(options_.mixture.value_or(Mixture::kF32));
    return llama_cpp::make_llama_model(options_.folder->side_files(), sources, wishes);
  }

  Result<std::vector<GgmlType>> choose_types() const {
    const llama_cpp::Hyperparameters &of = model_.hyperparameters;
    auto types = types_of(options_.mixture,
                          {llama_cpp::family_name(of.family), of.layers, of.heads, of.kv_heads, 0},
                          tensors_, options_);
    if (!types) {
      return types;
    }
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const auto source = model_.tensors[i].source;
      if (!source || model_.tensors[i].is_always_f32) {
        types.value()[i] = GgmlType::kF32;
        continue;
      }
      const size_t owner = plan_.catalog->tensors[*source].tied_to.value_or(*source);
      if (wishes_.unfit(owner) != nullptr) {
        types.value()[i] = GgmlType::kF32;
      } else if (wishes_.kept(owner)) {
        types.value()[i] = tensors_[i].kept;
      } else if (const auto mixture = wishes_.mixture(owner)) {
        types.value()[i] = type_alone(*mixture, tensors_[i].shape, tensors_[i].kept, options_);
      }
    }
    return types;
  }

  [[nodiscard]] Target target_of(size_t index, GgmlType type) const {
    const llama_cpp::ModelTensor &tensor = model_.tensors[index];
    Target target{*tensor.source, tensor.name, type};
    switch (tensor.change) {
    case Change::kNone:
      break;
    case Change::kInterleave:
      target.change = RowChange::kInterleave;
      target.head_rows = tensor.shape.front() / tensor.heads;
      break;
    case Change::kAddOne:
      target.change = RowChange::kAddOne;
      break;
    case Change::kCut:
      target.kept_rows = tensor.shape.front();
      break;
    }
    return target;
  }

  Result<GgufContents> write(const std::vector<GgmlType> &types) {
    GgufContents contents{std::move(model_.keys), {}};
    std::vector<size_t> places; // of the model's tensors, as GgufContents::order counts them
    for (size_t i = 0; i < model_.tensors.size(); ++i) {
      llama_cpp::ModelTensor &tensor = model_.tensors[i];
      if (tensor.source) {
        places.push_back(*tensor.source);
        TensorPlan &entry = plan_.tensors[*tensor.source];
        entry = plan_of(*plan_.catalog, target_of(i, types[i]), wishes_);
        const size_t owner =
            plan_.catalog->tensors[*tensor.source].tied_to.value_or(*tensor.source);
        if (const auto kept = wishes_.kept(owner); kept && entry.reason == Reason::kRequested) {
          entry.reason = *kept;
        }
      } else {
        places.push_back(plan_.tensors.size() + plan_.added.size());
        plan_.added.push_back({layout::Written::kFixed, tensor.name, Dtype::kF32, tensor.shape, 0,
                               tensor.values.size() * sizeof(float), false,
                               bytes_of(tensor.values)});
      }
    }
    const Mixture mixture = options_.mixture.value_or(mixture_of_floats(tensors_));
    if (is_of_floats(mixture)) { // as the converter writes it
      contents.keys.set("general.file_type", static_cast<uint32_t>(mixture));
      contents.order = places;
      return contents;
    }
    // As llama-quantize does.
    contents.keys.set_last("general.quantization_version", kQuantizationVersion);
    contents.keys.set_last("general.file_type", static_cast<uint32_t>(mixture));
    for (const size_t index : llama_cpp::mixture_order(tensors_)) {
      contents.order.push_back(places[index]);
    }
    return contents;
  }

  Plan &plan_;
  const Options &options_;
  Wishes wishes_;
  llama_cpp::LlamaModel model_;
  std::vector<MixtureTensor> tensors_; // views of the model's
};

/// Whether a tensor of a model that keeps its names becomes blocks: loaders of diffusion models take matrices of linear
/// layers so.
bool becomes_blocks(const Tensor &tensor, const Options &options) {
  if (tensor.shape.size() != 2 || tensor.elements < std::max(options.min_elements, kSmallest + 1)) {
    return false;
  }
  return options.layers.test(static_cast<size_t>(tensor.kind)) ||
         (!options.default_ignore && tensor.kind != LayerKind::kNorm &&
          tensor.kind != LayerKind::kBias);
}

std::optional<Error> refuse_dimensions(const catalog::Catalog &catalog) {
  for (const Tensor &tensor : catalog.tensors) {
    if (tensor.shape.size() > container::kMaxGgufDimensions) {
      return Error{ErrorCode::kInvalidOptions,
                   concat("A GGUF file holds tensors of at most ", container::kMaxGgufDimensions,
                          " dimensions, but \"", tensor.name, "\" is ", shape_text(tensor.shape),
                          "."),
                   "Take another format.",
                   tensor.name,
                   {}};
    }
  }
  return std::nullopt;
}

Result<GgufContents> keep_names(Plan &plan, const Options &options) {
  if (auto refused = refuse_dimensions(*plan.catalog)) {
    return *refused;
  }
  const Wishes wishes(*plan.catalog, options);
  GgufContents contents;
  contents.longest_name = container::kMaxDiffusionName;
  std::vector<MixtureTensor> matrices;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const Tensor &tensor = plan.catalog->tensors[i];
    if (!dtype_is_quantizable(tensor.dtype)) {
      if (!plain_type(tensor.dtype)) {
        leave_out(plan, i, Reason::kNotRepresentable,
                  concat("GGUF has no dtype ", dtype_name(tensor.dtype)));
        continue;
      }
      leave_alone(plan.tensors[i], Reason::kNotFloat, "copied bit for bit");
      contents.order.push_back(i);
      continue;
    }
    const size_t owner = tensor.tied_to.value_or(i);
    const bool is_small = tensor.shape.size() < 2 || tensor.elements <= kSmallest;
    const GgmlType kept = kept_type(tensor.dtype);
    const auto own = wishes.mixture(owner);
    const auto mixture = own ? own : options.mixture;
    Target target{i, {}, options.copy_all ? kept : is_small ? GgmlType::kF32 : kept};
    if (wishes.unfit(owner) != nullptr) {
      target.type = GgmlType::kF32;
    } else if (mixture && is_of_floats(*mixture) && !is_small) {
      target.type = wishes.kept(owner) ? kept : type_alone(*mixture, tensor.shape, kept, options);
    } else if (mixture && !wishes.kept(owner) && tensor.shape.size() == 2 &&
               (own || becomes_blocks(tensor, options))) {
      target.type = type_alone(*mixture, tensor.shape, kept, options);
    }
    matrices.push_back({tensor.name, tensor.shape, kept});
    plan.tensors[i] = plan_of(*plan.catalog, target, wishes);
    if (const auto reason = wishes.kept(owner); reason && wishes.unfit(owner) == nullptr) {
      plan.tensors[i].reason = *reason;
    }
    contents.order.push_back(i);
  }
  const Mixture mixture = options.mixture.value_or(mixture_of_floats(matrices));
  contents.keys.set("general.quantization_version", kQuantizationVersion);
  contents.keys.set("general.file_type", static_cast<uint32_t>(mixture));
  return contents;
}

/// What llama-quantize says of the file that has weighed errors: the last keys of its own.
void note_importance(const Options &options, container::GgufKeys &keys) {
  if (!options.calibration || !options.calibration->imatrix || !options.mixture ||
      is_of_floats(*options.mixture)) {
    return;
  }
  const auto number = [](uint64_t count) {
    return static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX));
  };
  const calibration::Imatrix &imatrix = *options.calibration->imatrix;
  keys.set_last("quantize.imatrix.file", imatrix.file);
  keys.set_last("quantize.imatrix.dataset", imatrix.dataset);
  keys.set_last("quantize.imatrix.entries_count", number(imatrix.entries));
  if (imatrix.chunks > 0) {
    keys.set_last("quantize.imatrix.chunks_count", number(imatrix.chunks));
  }
}

/// ggml chooses the scales of blocks; the only other choice is to search for them.
std::optional<Error> refuse_method(const Options &options) {
  const auto refused = [](std::string expected) {
    return Error{ErrorCode::kInvalidOptions,
                 std::move(expected),
                 "Leave the method out: then scales are those of llama-quantize.",
                 {},
                 {}};
  };
  const bool searches = options.treatment.method == quant::Method::kMse;
  const auto is_other = [](const WantedMethod &method) {
    return method && *method != quant::Method::kMse;
  };
  if (is_other(options.treatment.method) ||
      std::any_of(options.overrides.begin(), options.overrides.end(),
                  [&](const Override &override) {
                    return override.method && is_other(*override.method);
                  })) {
    return refused("Expected the method mse or none for a GGUF file, found another one.");
  }
  if (searches && (!options.mixture || is_of_floats(*options.mixture))) {
    return refused("Expected a type of blocks for the method mse, found floats, which have no "
                   "scales.");
  }
  if (searches && options.mixture == Mixture::kMxfp4Moe) {
    return refused("Expected a type whose scales are searched for, found MXFP4, whose scales are "
                   "powers of two.");
  }
  return std::nullopt;
}

/// A number among the keys of a GGUF source; 0 if there is none, or a list of them.
uint32_t key_number(const catalog::Catalog &catalog, std::string_view name) {
  const auto found = std::find_if(catalog.metadata.begin(), catalog.metadata.end(),
                                  [&](const auto &entry) { return entry.first == name; });
  uint32_t number = 0;
  if (found != catalog.metadata.end()) {
    const std::string &text = found->second;
    std::from_chars(text.data(), text.data() + text.size(), number);
  }
  return number;
}

std::string_view architecture_of(const catalog::Catalog &catalog) {
  const auto found =
      std::find_if(catalog.metadata.begin(), catalog.metadata.end(),
                   [](const auto &entry) { return entry.first == "general.architecture"; });
  return found == catalog.metadata.end() ? std::string_view() : std::string_view(found->second);
}

/// The keys of the source, as they go into another file.
Result<container::GgufKeys> keys_of_source(const catalog::Catalog &catalog) {
  if (catalog.gguf_keys == nullptr) {
    return Error{ErrorCode::kUnsupportedFormat,
                 "Expected the keys of a little-endian GGUF file, at most 64 MiB of them, found "
                 "others.",
                 "Convert the file to little-endian with the program that made it.",
                 {},
                 {}};
  }
  container::GgufKeys keys = *catalog.gguf_keys;
  // The output is one file, whose tensors begin at multiples of 32.
  for (const std::string_view name :
       {"split.no", "split.count", "split.tensors.count", "general.alignment"}) {
    keys.remove(name);
  }
  return keys;
}

/// A GGUF file of a model that llama.cpp runs, as llama-quantize changes it: names and keys stay.
Result<GgufContents> change_types(Plan &plan, const Options &options) {
  const catalog::Catalog &catalog = *plan.catalog;
  auto keys = keys_of_source(catalog);
  if (!keys) {
    return keys.error();
  }
  const Wishes wishes(catalog, options);
  std::vector<MixtureTensor> tensors;
  for (const Tensor &tensor : catalog.tensors) {
    tensors.push_back({tensor.name, tensor.shape, kept_type(tensor.dtype)});
  }
  const std::string_view architecture = architecture_of(catalog);
  const auto number = [&](std::string_view name) {
    return key_number(catalog, concat(architecture, name));
  };
  const llama_cpp::MixtureFacts facts{architecture, number(".block_count"),
                                      number(".attention.head_count"),
                                      number(".attention.head_count_kv"), number(".expert_count")};
  std::vector<GgmlType> types;
  types.reserve(tensors.size());
  for (const MixtureTensor &tensor : tensors) {
    types.push_back(tensor.kept);
  }
  if (options.mixture) {
    auto chosen =
        llama_cpp::mixture_types(*options.mixture, facts, tensors, options.calibration != nullptr);
    if (!chosen) {
      return chosen.error();
    }
    types = std::move(chosen.value());
  }
  GgufContents contents{std::move(keys.value()), {}};
  for (size_t i = 0; i < tensors.size(); ++i) {
    TensorPlan &entry = plan.tensors[i];
    if (!dtype_is_quantizable(catalog.tensors[i].dtype)) {
      leave_alone(entry, Reason::kNotFloat, "copied bit for bit");
      continue;
    }
    const auto kept = wishes.kept(i);
    const auto own = wishes.mixture(i);
    if (wishes.unfit(i) != nullptr) {
      types[i] = GgmlType::kF32;
    } else if (kept) {
      types[i] = tensors[i].kept;
    } else if (own) {
      types[i] = type_alone(*own, tensors[i].shape, tensors[i].kept, options);
    }
    entry = plan_of(catalog, {i, {}, types[i]}, wishes);
    if (kept && entry.reason == Reason::kRequested) {
      entry.reason = *kept;
    }
  }
  if (!options.mixture) { // nothing changes
    contents.order.resize(tensors.size());
    std::iota(contents.order.begin(), contents.order.end(), size_t{0});
    return contents;
  }
  contents.keys.set_last("general.quantization_version", kQuantizationVersion);
  contents.keys.set_last("general.file_type", static_cast<uint32_t>(*options.mixture));
  contents.order = llama_cpp::mixture_order(tensors);
  return contents;
}

/// What is written: of a folder of transformers, of a GGUF file, or of weights that keep their names.
Result<GgufContents> contents_of(Plan &plan, const Options &options) {
  const bool is_gguf = plan.catalog->format == "gguf";
  if (is_gguf &&
      key_number(*plan.catalog, concat(architecture_of(*plan.catalog), ".block_count")) != 0) {
    return change_types(plan, options);
  }
  if (!is_gguf && options.folder && options.folder->names_architectures()) {
    return LlamaPlanner(plan, options).make();
  }
  auto contents = keep_names(plan, options);
  if (!contents || !is_gguf) {
    return contents;
  }
  auto keys = keys_of_source(*plan.catalog);
  if (!keys) {
    return keys.error();
  }
  for (const container::GgufKeys::Key &key : contents.value().keys.all()) {
    keys.value().set_last(key.name, key.value);
  }
  contents.value().keys = std::move(keys.value());
  return contents;
}

} // namespace

Result<void> plan_gguf(Plan &plan, const Options &options) {
  if (auto refused = refuse_method(options)) {
    return *refused;
  }
  plan.layout = layout::find_layout("gguf");
  plan.tensors.resize(plan.catalog->tensors.size());
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    plan.tensors[i].source = i;
  }
  auto contents = contents_of(plan, options);
  if (!contents) {
    return contents.error();
  }
  note_importance(options, contents.value().keys);
  if (auto pruned = plan_pruning(plan, options); !pruned) {
    return pruned.error();
  }
  plan_inputs(plan, options);
  explain_pruning(plan, options);
  return lay_out_gguf(plan, contents.value());
}

} // namespace monoquant::plan
