#include "monoquant/plan/rules.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "monoquant/base/text.h"
#include "monoquant/catalog/families.h"
#include "monoquant/layout/loaders.h"
#include "monoquant/quant/method.h"
#include "monoquant/quant/search.h"

namespace monoquant::plan {
namespace {

using catalog::LayerKind;
using catalog::Tensor;

constexpr std::array<uint64_t, 3> kFallbackGroups = {128, 64, 32};
constexpr uint64_t kLongestShortConvolution = 4;

/// A tensor's wishes from options and overrides together.
struct Wish {
  Treatment treatment;
  bool is_explicit = false; // an override speaks of this tensor
  bool ignored = false;
  bool shared = false; // other names are tied to it
  const Unfit *unfit = nullptr;
};

std::vector<Wish> collect_wishes(const catalog::Catalog &catalog, const Options &options) {
  std::vector<Wish> wishes(catalog.tensors.size());
  for (Wish &wish : wishes) {
    wish.treatment = options.treatment;
  }
  // What is said of one name of tied tensors is said of them all.
  const auto owner = [&](size_t index) { return catalog.tensors[index].tied_to.value_or(index); };
  for (size_t i = 0; i < wishes.size(); ++i) {
    wishes[owner(i)].shared = wishes[owner(i)].shared || owner(i) != i;
  }
  for (const size_t index : options.ignore) {
    wishes[owner(index)].ignored = true;
  }
  for (const Override &override : options.overrides) {
    for (const size_t index : override.tensors) {
      Treatment &treatment = wishes[owner(index)].treatment;
      wishes[owner(index)].is_explicit = true;
      if (override.bits && *override.bits != treatment.bits) {
        treatment.bits = *override.bits;
        // Formats of their own have groups for all widths.
        const bool keeps = options.layout->refuse != nullptr &&
                           options.treatment.strategy == quant::Strategy::kGroup;
        const bool grouped = *override.bits < 8 || keeps;
        treatment.strategy = grouped ? quant::Strategy::kGroup : quant::Strategy::kChannel;
        treatment.group_size = keeps     ? options.treatment.group_size
                               : grouped ? kFallbackGroups[0]
                                         : 0;
        treatment.method = std::nullopt;
        treatment.codes = quant::CodesKind::kIntegers;
      }
      treatment.method = override.method.value_or(treatment.method);
      treatment.symmetric = override.symmetric.value_or(treatment.symmetric);
      if (override.group_size) {
        const bool grouped = *override.group_size > 0;
        treatment.strategy = grouped ? quant::Strategy::kGroup : quant::Strategy::kChannel;
        treatment.group_size = grouped ? static_cast<uint64_t>(*override.group_size) : 0;
      }
    }
  }
  for (const Unfit &unfit : options.unfit) {
    wishes[owner(unfit.tensor)].unfit = &unfit;
  }
  return wishes;
}

/// State spaces and linear attention mix a few neighbouring tokens, each channel for itself. A scale would cost as
/// much as some of the few weights that it serves, and every loader keeps these floats.
bool is_short_convolution(const Tensor &tensor) {
  return tensor.kind == LayerKind::kConv1d && tensor.shape.size() == 3 && tensor.shape[1] == 1 &&
         tensor.shape[2] <= kLongestShortConvolution;
}

/// Transformers and vLLM cut these apart as they load them, and have no place for scales.
bool is_pile(const Tensor &tensor) {
  return tensor.kind == LayerKind::kExperts && !tensor.is_stack();
}

struct Refusal {
  Reason reason;
  std::string explanation;
};

/// Why this kind of tensor is left alone unless it was selected, or nothing for kinds of their own right.
Refusal kind_refusal(LayerKind kind) {
  switch (kind) {
  case LayerKind::kNorm:
    return {Reason::kNorm, "a normalization's parameters are few and sensitive"};
  case LayerKind::kBias:
    return {Reason::kBias, "biases are few and sensitive"};
  case LayerKind::kEmbedding:
    return {Reason::kEmbedding, "embeddings are left alone by default"};
  case LayerKind::kHead:
    return {Reason::kHead, "the last projection is left alone by default"};
  case LayerKind::kRouter:
    return {Reason::kRouter, "expert routers are left alone by default"};
  case LayerKind::kGpt2Conv1d:
    return {Reason::kGpt2Conv1d,
            "stored [in, out] as GPT-2 does, which no loader expects quantized"};
  case LayerKind::kWeightNorm:
    return {Reason::kWeightNorm, "the weight is computed from this parameter and another one"};
  case LayerKind::kAdapter:
    return {Reason::kAdapter,
            "part of an adapter: merge it into its base model, and quantize that"};
  case LayerKind::kOther:
    return {Reason::kUnknownKind,
            "neither its name nor its shape says which layer computes with it"};
  default:
    return {Reason::kLayerNotSelected,
            concat("layers of kind ", layer_kind_name(kind), " are not selected")};
  }
}

std::optional<Refusal> refuse_quantizing(const catalog::Catalog &catalog, const Tensor &tensor,
                                         const Wish &wish, const Options &options) {
  const bool small_part = tensor.kind == LayerKind::kBias || tensor.kind == LayerKind::kNorm;
  if (tensor.shape.size() < 2) {
    return small_part ? kind_refusal(tensor.kind)
                      : Refusal{Reason::kOneDimensional,
                                tensor.shape.empty() ? "a single number"
                                                     : "one-dimensional: no output channels"};
  }
  if (wish.is_explicit) {
    return std::nullopt;
  }
  const bool selected = options.layers.test(static_cast<size_t>(tensor.kind));
  Refusal refusal = kind_refusal(tensor.kind);
  const bool only_by_name = refusal.reason == Reason::kLayerNotSelected ||
                            refusal.reason == Reason::kWeightNorm ||
                            refusal.reason == Reason::kAdapter;
  if (!selected && (only_by_name || options.default_ignore)) {
    return refusal;
  }
  if (wish.shared && options.default_ignore) {
    return Refusal{Reason::kTied, "other names are tied to it, and they are left alone by default"};
  }
  if (options.default_ignore && is_pile(tensor)) {
    return Refusal{Reason::kNotLoadable,
                   "experts in one matrix below each other, which no loader takes quantized"};
  }
  if (options.default_ignore && !layout::is_loadable(catalog, tensor)) {
    return Refusal{Reason::kNotLoadable,
                   concat("transformers and vLLM load no quantized ", layout::what_it_is(tensor))};
  }
  if (options.default_ignore && options.layout->spare != nullptr &&
      !options.layout->spare(tensor).empty()) {
    return Refusal{Reason::kNotLoadable, std::string(options.layout->spare(tensor))};
  }
  if (options.default_ignore && is_short_convolution(tensor)) {
    return Refusal{Reason::kNotLoadable, "a short convolution, which no loader takes quantized"};
  }
  if (tensor.elements < options.min_elements) {
    return Refusal{Reason::kSmall, concat(tensor.elements, " elements, fewer than ",
                                          options.min_elements, ": scales would cost too much")};
  }
  return std::nullopt;
}

/// Why this tensor cannot or shall not be changed, or nothing.
std::optional<Refusal> refuse(const catalog::Catalog &catalog, const Tensor &tensor,
                              const Wish &wish, const Options &options) {
  if (wish.unfit != nullptr) {
    return Refusal{wish.unfit->reason, wish.unfit->explanation};
  }
  if (!dtype_is_quantizable(tensor.dtype)) {
    return Refusal{Reason::kNotFloat,
                   concat("dtype ", dtype_name(tensor.dtype), " is not a float that is quantized")};
  }
  if (tensor.elements == 0) {
    return Refusal{Reason::kEmpty, "it has no elements"};
  }
  if (wish.ignored) {
    return Refusal{Reason::kIgnored, "an ignore pattern names it"};
  }
  if (wish.treatment.bits == 0) {
    return Refusal{Reason::kOverrideNone, "an override leaves it alone"};
  }
  if (wish.treatment.bits != 16) {
    return refuse_quantizing(catalog, tensor, wish, options);
  }
  const bool narrow = dtype_bits(tensor.dtype) <= 8 || tensor.dtype == options.float_type;
  if (narrow) {
    return Refusal{Reason::kAlreadyNarrow, concat("already stored as ", dtype_name(tensor.dtype))};
  }
  return std::nullopt;
}

/// Rows are what one scale may serve: the first dimension, or expert and output of a stack.
layout::Stored matrix_view(const Tensor &tensor) {
  const bool stack = tensor.is_stack();
  layout::Stored stored;
  stored.matrices = stack ? tensor.shape[0] : 1;
  stored.rows = stack ? tensor.shape[1] : tensor.shape[0];
  stored.columns = tensor.elements / (stored.matrices * stored.rows);
  return stored;
}

/// The group size that divides the row: the wanted one, else a smaller usual one, else none.
uint64_t fitting_group(uint64_t columns, uint64_t wanted) {
  if (columns % wanted == 0) {
    return wanted;
  }
  for (const uint64_t group : kFallbackGroups) {
    if (group < wanted && columns % group == 0) {
      return group;
    }
  }
  return 0;
}

/// Searches pay for few bits, and beside biases, whose rounding costs more than that of zero points. That of outputs is the best one, where something is known of the inputs; what is known of
/// each layer's is seen later (plan_inputs).
quant::Method best_method(const quant::Scheme &scheme, const Options &options) {
  if (scheme.bits >= 8 && !scheme.has_bias) {
    return quant::Method::kRtn;
  }
  if (!scheme.has_kernels()) {
    return quant::Method::kMse;
  }
  return options.calibration ? quant::Method::kGptq : quant::Method::kMse;
}

/// A search needs all that shares a scale at once.
void set_method(layout::Stored &stored, quant::Method method, std::string &explanation) {
  quant::Scheme &scheme = stored.scheme;
  if (method == quant::Method::kRtn ||
      scheme.nested) { // all scales are needed before the first code
    return;
  }
  if (quant::facts_of(method).needs_moments && !scheme.has_kernels()) {
    method = quant::Method::kMse; // plans that ask for it are refused
  }
  if (quant::facts_of(method).needs_scopes &&
      (stored.shares_scale() || scheme.strategy == quant::Strategy::kBlock)) {
    explanation += " (too much for a search: rtn)";
    return;
  }
  if (quant::facts_of(method).needs_scopes && scheme.strategy == quant::Strategy::kChannel &&
      stored.columns > quant::kLongestSearch) {
    explanation += concat(" (", stored.columns, " weights are too long for a search: rtn)");
    return;
  }
  scheme.method = method;
  // Among 8 bits the one level more matters too little (0.03 dB) to surprise anybody with negative scales.
  scheme.signed_scales = scheme.symmetric && scheme.bits < 8 && scheme.has_kernels();
  explanation += ", searched";
}

/// Of the weights, which may be stored as codes: then their scales tell it.
Dtype weight_type(const catalog::Catalog &catalog, const Tensor &tensor) {
  if (!tensor.codes) {
    return tensor.dtype;
  }
  const Dtype stored = tensor.codes->scale.dtype;
  // Blocks hold products of scales, which are finer than the halves that these are made of.
  const bool half = (stored == Dtype::kF16 || stored == Dtype::kBF16) &&
                    !tensor.codes->value_blocks &&
                    catalog.quantization_note(catalog::kQuantizedFrom).empty();
  return half ? stored : Dtype::kF32;
}

/// Scales that are stored as floats of any width, and not as some code.
bool is_any_float(Dtype scale) {
  return scale == Dtype::kF32 || scale == Dtype::kF16 || scale == Dtype::kBF16;
}

/// That of the weights, so that whoever computes in it loses nothing. Groups of few bits have so many scales that those
/// of wide weights would be a ninth of the file: BF16 reaches as far as F32 does, and codes are chosen for what is
/// stored. With 8 bits, 255 steps of a scale that was rounded down are up to one less than the values need.
Dtype scale_type(Dtype weights, const quant::Scheme &scheme) {
  if (weights == Dtype::kF16 || weights == Dtype::kBF16) {
    return weights;
  }
  const bool is_fine = scheme.bits < 8 && scheme.strategy == quant::Strategy::kGroup;
  return is_fine ? Dtype::kBF16 : Dtype::kF32;
}

void quantize(TensorPlan &plan, const catalog::Catalog &catalog, const Treatment &treatment,
              const Options &options) {
  const Tensor &tensor = catalog.tensors[plan.source];
  Quantize quantize{matrix_view(tensor)};
  layout::Stored &stored = quantize.stored;
  quant::Scheme &scheme = stored.scheme;
  scheme.bits = treatment.bits;
  scheme.symmetric = treatment.symmetric;
  scheme.strategy = treatment.strategy;
  quant::use_codes(scheme, treatment.codes);
  scheme.nested = options.double_quant;
  // Loaders know groups of integers only in packed files.
  stored.weights_only = options.weights_only() ||
                        (scheme.has_kernels() &&
                         (treatment.bits < 8 || treatment.strategy == quant::Strategy::kGroup));
  options.layout->fit(scheme, stored.weights_only); // make_plan refuses what cannot be

  std::string &explanation = plan.explanation;
  explanation =
      scheme.has_kernels()
          ? concat("INT", scheme.bits, scheme.symmetric ? "" : " asymmetric")
          : concat(quant::codes_name(scheme), quant::codes_name(scheme) == "FP8" ? " (E4M3)" : "");
  if (scheme.strategy == quant::Strategy::kGroup && scheme.has_kernels()) {
    scheme.group_size = fitting_group(stored.columns, treatment.group_size);
    if (scheme.group_size == 0) {
      scheme.strategy = quant::Strategy::kChannel;
    }
    if (scheme.group_size != treatment.group_size) {
      quantize.asked_group = treatment.group_size;
    }
  }
  if (options.layout->arrange != nullptr) {
    if (std::string refusal = options.layout->arrange(tensor, stored); !refusal.empty()) {
      return leave_alone(plan, Reason::kNotLoadable, std::move(refusal));
    }
  }
  if (options.layout->scale_type != nullptr) {
    scheme.scale_dtype =
        options.layout->scale_type(weight_type(catalog, tensor), options.scale_type);
  } else if (scheme.has_kernels()) {
    scheme.scale_dtype =
        options.scale_type.value_or(scale_type(weight_type(catalog, tensor), scheme));
  } else if (options.layout->scales_as_weights && is_any_float(scheme.scale_dtype)) {
    scheme.scale_dtype = options.scale_type.value_or(
        weight_type(catalog, tensor) == Dtype::kBF16 ? Dtype::kBF16 : Dtype::kF32);
  }
  switch (scheme.strategy) {
  case quant::Strategy::kTensor:
    explanation += " per tensor";
    break;
  case quant::Strategy::kChannel:
    explanation += " per channel";
    break;
  case quant::Strategy::kGroup:
    explanation +=
        concat(", groups of ", scheme.group_size, scheme.nested ? ", scales in 8 bits" : "");
    break;
  case quant::Strategy::kBlock:
    explanation += concat(", blocks of ", scheme.block_rows, "x", scheme.group_size);
    break;
  }
  if (quantize.asked_group != 0) {
    explanation += concat(" (", quantize.asked_group, " does not divide ", stored.columns, ")");
  }
  quantize.asked_method = treatment.method;
  set_method(stored, treatment.method.value_or(best_method(scheme, options)), explanation);
  plan.action = std::move(quantize);
}

/// As it is, or, of codes, the values that they stand for.
void copy(TensorPlan &plan, const catalog::Catalog &catalog, const Wish &wish,
          const Options &options) {
  const Tensor &tensor = catalog.tensors[plan.source];
  if (!tensor.codes) {
    plan.explanation = "copied bit for bit";
    return;
  }
  plan.reason = Reason::kDequantized;
  if (wish.unfit != nullptr) { // too large for the type asked for: F32 holds everything
    plan.reason = wish.unfit->reason;
    plan.explanation = wish.unfit->explanation;
    return;
  }
  const Dtype type = options.dequantized_type.value_or(weight_type(catalog, tensor));
  if (type != tensor.dtype) {
    plan.action = Convert{type};
  }
  if (tensor.codes->value_blocks) {
    plan.explanation = concat(tensor.codes->value_blocks->name, " blocks to ", dtype_name(type));
    return;
  }
  plan.explanation = concat(tensor.codes->is_integer ? "INT" : "FP", tensor.codes->bits,
                            " codes to ", dtype_name(type));
}

/// What its loaders do not take stays as it is, whoever asked for it.
std::optional<Refusal> refuse_in_layout(const Tensor &tensor, const Treatment &treatment,
                                        const Options &options) {
  if (options.layout->refuse == nullptr) {
    return std::nullopt;
  }
  layout::Stored stored = matrix_view(tensor);
  stored.scheme.bits = treatment.bits;
  std::string why = options.layout->refuse(tensor, stored);
  return why.empty() ? std::nullopt : std::optional(Refusal{Reason::kNotLoadable, std::move(why)});
}

TensorPlan decide_one(const catalog::Catalog &catalog, size_t index, const Wish &wish,
                      const Options &options) {
  const Tensor &tensor = catalog.tensors[index];
  TensorPlan plan;
  plan.source = index;
  if (options.copy_all) {
    copy(plan, catalog, wish, options);
    return plan;
  }
  auto refusal = refuse(catalog, tensor, wish, options);
  if (!refusal && wish.treatment.bits != 16) {
    refusal = refuse_in_layout(tensor, wish.treatment, options);
  }
  if (refusal) {
    leave_alone(plan, refusal->reason, std::move(refusal->explanation));
    if (tensor.codes && wish.unfit == nullptr && weight_type(catalog, tensor) != tensor.dtype) {
      plan.action = Convert{weight_type(catalog, tensor)};
    }
    return plan;
  }
  plan.reason = wish.is_explicit ? Reason::kOverride : Reason::kRequested;
  if (wish.treatment.bits == 16) {
    plan.action = Convert{options.float_type};
    plan.explanation = concat("to ", dtype_name(options.float_type));
  } else {
    quantize(plan, catalog, wish.treatment, options);
  }
  return plan;
}

/// Where the group size asked for does not divide all rows of these tensors, the smaller one that does serves all of
/// them. Sizes are powers of two, so the smallest one in use divides every row.
void use_one_group_size(const catalog::Catalog &catalog, const std::vector<Wish> &wishes,
                        const Options &options, const std::vector<size_t> &members,
                        std::string_view whole, std::vector<TensorPlan> &plans) {
  const auto group_of = [](const TensorPlan &plan) -> uint64_t {
    const Quantize *quantize = plan.quantize();
    const bool follows = quantize != nullptr && plan.reason == Reason::kRequested &&
                         quantize->stored.scheme.strategy == quant::Strategy::kGroup;
    return follows ? quantize->stored.scheme.group_size : 0;
  };
  uint64_t common = options.treatment.group_size;
  for (const size_t member : members) {
    const uint64_t size = group_of(plans[member]);
    common = size == 0 ? common : std::min(common, size);
  }
  for (const size_t member : members) {
    TensorPlan &plan = plans[member];
    if (group_of(plan) != 0 && group_of(plan) != common) {
      Treatment treatment = wishes[plan.source].treatment;
      treatment.group_size = common;
      quantize(plan, catalog, treatment, options);
      plan.quantize()->asked_group = options.treatment.group_size;
      plan.explanation += concat(" (", options.treatment.group_size,
                                 " does not divide all rows of the ", whole, ")");
    }
  }
}

TensorPlan tie_to(size_t index, std::string_view owner) {
  TensorPlan plan;
  plan.source = index;
  plan.action = Tie{};
  plan.reason = Reason::kTied;
  plan.explanation = concat("another name for ", owner);
  return plan;
}

} // namespace

void leave_alone(TensorPlan &tensor, Reason reason, std::string explanation) {
  const size_t source = tensor.source;
  tensor = TensorPlan{};
  tensor.source = source;
  tensor.reason = reason;
  tensor.explanation = std::move(explanation);
}

std::vector<TensorPlan> decide(const catalog::Catalog &catalog, const Options &options) {
  const std::vector<Wish> wishes = collect_wishes(catalog, options);
  std::vector<TensorPlan> plans;
  plans.reserve(wishes.size());
  for (size_t i = 0; i < wishes.size(); ++i) {
    const std::optional<size_t> owner = catalog.tensors[i].tied_to;
    if (owner && !options.duplicate_ties) {
      plans.push_back(tie_to(i, catalog.tensors[*owner].name));
    } else {
      plans.push_back(decide_one(catalog, i, wishes[owner.value_or(i)], options));
    }
  }
  // Loaders of whole models stumble over groups of two sizes, and some formats have no word for them.
  if (catalog.model || options.layout->has_one_scheme) {
    std::vector<size_t> all(plans.size());
    std::iota(all.begin(), all.end(), size_t{0});
    use_one_group_size(catalog, wishes, options, all, "model", plans);
  }
  for (const auto &[name, members] : catalog::expert_families(catalog)) {
    use_one_group_size(catalog, wishes, options, members, "experts", plans);
  }
  return plans;
}

} // namespace monoquant::plan
