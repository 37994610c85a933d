#include "monoquant/plan/plan.h"

#include <algorithm>
#include <set>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/catalog/families.h"
#include "monoquant/layout/foreign.h"
#include "monoquant/layout/loaders.h"
#include "monoquant/plan/folding.h"
#include "monoquant/plan/gguf.h"
#include "monoquant/plan/inputs.h"
#include "monoquant/plan/placement.h"
#include "monoquant/plan/pruning.h"
#include "monoquant/plan/rescaling.h"
#include "monoquant/plan/rules.h"
#include "monoquant/plan/siblings.h"
#include "monoquant/quant/method.h"
#include "monoquant/quant/named_codes.h"

namespace monoquant::plan {
namespace {

using catalog::LayerKind;

Output same_name(const catalog::Tensor &tensor, Dtype dtype) {
  return {layout::Written::kByRow,
          tensor.name,
          dtype,
          tensor.shape,
          0,
          dtype == tensor.dtype ? tensor.bytes : tensor.elements * dtype_bits(dtype) / 8};
}

/// Tensors by the one that owns their bytes: usually each on its own.
std::vector<std::vector<size_t>> tied_groups(const catalog::Catalog &catalog) {
  std::vector<std::vector<size_t>> groups(catalog.tensors.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[catalog.tensors[i].tied_to.value_or(i)].push_back(i);
  }
  return groups;
}

void leave_alone_together(Plan &plan, const std::vector<size_t> &group, Reason reason,
                          const std::string &explanation) {
  for (const size_t i : group) {
    if (plan.tensors[i].decision() == Decision::kQuantize) {
      leave_alone(plan.tensors[i], reason, explanation);
    }
  }
}

/// Not every layout has words for several schemes in one file.
std::optional<Error> refuse_several_schemes(const Plan &plan) {
  const quant::Scheme *first = nullptr;
  for (const TensorPlan &entry : plan.tensors) {
    const Quantize *quantize = entry.quantize();
    if (quantize == nullptr || !plan.layout->has_one_scheme) {
      continue;
    }
    const quant::Scheme &scheme = quantize->stored.scheme;
    first = first == nullptr ? &scheme : first;
    if (scheme.bits != first->bits || scheme.symmetric != first->symmetric ||
        scheme.strategy != first->strategy || scheme.group_size != first->group_size) {
      return Error{
          ErrorCode::kInvalidOptions,
          concat("Expected one number of bits, one scheme and one group size for all "
                 "layers in the format ",
                 plan.layout->name, ", found several."),
          "Give no layer choices of its own but to leave it alone, or take another format.",
          plan.catalog->tensors[entry.source].name,
          {}};
    }
  }
  return std::nullopt;
}

/// Not every layout can store every scheme.
Result<void> check_layout(Plan &plan, const Options &options) {
  if (!plan.layout->safetensors_format.empty() && !options.copy_all &&
      options.container != Container::kSafetensors) {
    return Error{
        ErrorCode::kInvalidOptions,
        concat("Expected a .safetensors file for the format ", plan.layout->name, ", found .pt."),
        "Write .safetensors, or take another format.",
        {},
        {}};
  }
  for (TensorPlan &entry : plan.tensors) {
    Quantize *quantize = entry.quantize();
    if (quantize == nullptr) {
      continue;
    }
    const std::string_view expected =
        plan.layout->fit(quantize->stored.scheme, quantize->stored.weights_only);
    if (!expected.empty()) {
      return Error{ErrorCode::kInvalidOptions,
                   concat("Expected ", expected, " for the format ", plan.layout->name,
                          ", found another choice."),
                   "Take another format.",
                   plan.catalog->tensors[entry.source].name,
                   {}};
    }
    const Dtype scales = quantize->stored.scheme.scale_dtype;
    if (plan.layout->scale_type != nullptr && options.scale_type.value_or(scales) != scales) {
      return Error{ErrorCode::kInvalidOptions,
                   concat("Expected scales of ", dtype_name(scales), " for the format ",
                          plan.layout->name, ", found ", dtype_name(*options.scale_type), "."),
                   "Leave the type of scales out, or take another format.",
                   plan.catalog->tensors[entry.source].name,
                   {}};
    }
  }
  if (auto refused = refuse_several_schemes(plan)) {
    return *refused;
  }
  if (plan.layout->fits_together != nullptr) {
    std::vector<layout::Described> tensors(plan.tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const Quantize *quantize = plan.tensors[i].quantize();
      tensors[i].stored = quantize == nullptr ? nullptr : &quantize->stored;
    }
    const std::string_view expected = plan.layout->fits_together(tensors);
    if (!expected.empty()) {
      return Error{
          ErrorCode::kInvalidOptions,
          concat("Expected ", expected, " for the format ", plan.layout->name, ", found several."),
          "Give all layers the same bits and scheme, or leave some alone.",
          {},
          {}};
    }
  }
  return {};
}

/// A tensor whose new names are taken stays as it is: the file has most likely been quantized before, and
/// overwriting its scales would destroy it. Any of these names would be taken for a part of it by whoever reads the
/// output, so all count, whether this scheme has such a part or not. A tensor called like another one's module or
/// like a scale of inputs stays, too: readers could not tell what is meant.
void refuse_taken_names(Plan &plan, const Options &options) {
  std::set<std::string_view> taken;
  std::set<std::string_view> modules;
  for (const catalog::Tensor &tensor : plan.catalog->tensors) {
    taken.insert(tensor.name);
    modules.insert(catalog::module_name(tensor.name));
  }
  const calibration::SharedInputs shared(*plan.catalog);
  const auto refuse = [&](const std::vector<size_t> &group, const std::string &name) {
    leave_alone_together(plan, group, Reason::kNameTaken,
                         concat(name, " is already in the file: it seems to be quantized already"));
  };
  for (const std::vector<size_t> &group : tied_groups(*plan.catalog)) {
    const bool quantizes = std::any_of(group.begin(), group.end(), [&](size_t i) {
      return plan.tensors[i].decision() == Decision::kQuantize;
    });
    if (!quantizes) {
      continue;
    }
    for (const size_t i : group) {
      const std::string &own = plan.catalog->tensors[i].name;
      const bool is_of_inputs = std::any_of(
          plan.layout->input_names.begin(), plan.layout->input_names.end(),
          [&](std::string_view name) { return own == name || own.ends_with(concat(".", name)); });
      if (modules.contains(own) || is_of_inputs) {
        leave_alone_together(plan, group, Reason::kNotLoadable,
                             concat(own, " means something else to loaders"));
      }
      for (const std::string_view part : plan.layout->part_suffixes) {
        const std::string name = concat(own, part);
        if (taken.contains(name)) {
          refuse(group, name);
        }
      }
      const Quantize *quantize = plan.tensors[i].quantize();
      for (const layout::Stream &stream :
           quantize == nullptr ? std::vector<layout::Stream>()
                               : plan.layout->streams(plan.catalog->tensors[i], quantize->stored)) {
        if (stream.name != own && taken.contains(stream.name)) {
          refuse(group, stream.name);
          break; // it is no longer quantized
        }
      }
    }
    for (const size_t i : group) {
      for (const std::string &name : wanted_input_names(plan, options, shared, i)) {
        if (taken.contains(name)) {
          refuse(group, name);
        }
      }
    }
  }
}

/// Some methods are about what layers compute from their inputs.
std::optional<Error> refuse_without_data(const Plan &plan, const Options &options) {
  for (const TensorPlan &entry : plan.tensors) {
    const Quantize *quantize = entry.quantize();
    if (quantize != nullptr && !quantize->stored.scheme.has_kernels() &&
        quantize->asked_method == quant::Method::kGptq) {
      return Error{ErrorCode::kInvalidOptions,
                   concat("Expected integers for the method gptq, found ",
                          quant::codes_name(quantize->stored.scheme), "."),
                   "Take the method rtn or mse.",
                   plan.catalog->tensors[entry.source].name,
                   {}};
    }
    if (quantize != nullptr && !options.calibration &&
        quant::facts_of(quantize->stored.scheme.method).needs_moments) {
      return Error{ErrorCode::kInvalidOptions,
                   "Expected captured inputs of the layers for the method gptq, found none.",
                   "Give them as the calibration, or take the method mse.",
                   plan.catalog->tensors[entry.source].name,
                   {}};
    }
  }
  return std::nullopt;
}

uint64_t stream_bytes(const layout::Stream &stream) {
  if (stream.blocks != nullptr) {
    return *layout::gguf::block_bytes(*stream.blocks, *checked_product(stream.shape));
  }
  return *checked_product(stream.shape) * dtype_bits(stream.dtype) / 8;
}

/// Rows of a few weights each: their scales cost what their codes save. What was decided by name stays.
void spare_what_would_not_shrink(Plan &plan) {
  constexpr uint64_t kNarrowest = 2; // bytes a weight: FP8 is quantized for other reasons
  for (TensorPlan &entry : plan.tensors) {
    const Quantize *quantize = entry.quantize();
    if (quantize == nullptr || entry.reason != Reason::kRequested) {
      continue;
    }
    const catalog::Tensor &tensor = plan.catalog->tensors[entry.source];
    const uint64_t before =
        tensor.elements * std::max<uint64_t>(dtype_bits(tensor.dtype) / 8, kNarrowest);
    uint64_t after = 0;
    for (const layout::Stream &stream : plan.layout->streams(tensor, quantize->stored)) {
      after += stream_bytes(stream);
    }
    if (after >= before) {
      leave_alone(entry, Reason::kNoGain,
                  concat("codes and scales would take ", after, " bytes instead of ", before));
    }
  }
}

/// Where tied tensors are written once a name, either all of them are quantized or none. True where that has
/// changed a decision.
bool align_ties(Plan &plan) {
  bool changed = false;
  for (const std::vector<size_t> &group : tied_groups(*plan.catalog)) {
    const auto any = [&](Decision decision) {
      return std::any_of(group.begin(), group.end(),
                         [&](size_t i) { return plan.tensors[i].decision() == decision; });
    };
    if (any(Decision::kCopy) && any(Decision::kQuantize)) {
      leave_alone_together(plan, group, Reason::kTied,
                           "other names are tied to it, and one of them is left alone");
      changed = true;
    }
  }
  return changed;
}

/// What is left alone for one reason may be why something else is to be left alone for the other.
void align(Plan &plan) {
  Warning split{"siblings-split",
                "These layers are fused by runtimes such as vLLM, which then refuse different "
                "schemes. Give all "
                "parts of each the same choices, or leave all of them alone.",
                {}};
  bool changed = true;
  while (changed) {
    changed = align_siblings(*plan.catalog, plan.tensors, split.tensors);
    changed = align_ties(plan) || changed;
  }
  if (!split.tensors.empty()) {
    plan.warnings.push_back(std::move(split));
  }
}

/// What the container has no dtype for cannot be copied into it.
/// An error where nothing would be left of a PyTorch file, which would be no checkpoint.
Result<void> drop_what_does_not_fit(Plan &plan, Container container) {
  const std::string_view name = container == Container::kSafetensors ? "safetensors" : "PyTorch";
  for (TensorPlan &entry : plan.tensors) {
    const catalog::Tensor &tensor = plan.catalog->tensors[entry.source];
    const bool copied = entry.decision() == Decision::kCopy || entry.decision() == Decision::kTie;
    if (copied && !can_hold(container, tensor.dtype)) {
      leave_alone(entry, Reason::kNotRepresentable,
                  concat(name, " has no dtype ", dtype_name(tensor.dtype)));
      entry.action = Drop{};
    }
  }
  const bool is_empty =
      container == Container::kTorchZip && !plan.tensors.empty() &&
      std::all_of(plan.tensors.begin(), plan.tensors.end(),
                  [](const TensorPlan &entry) { return entry.decision() == Decision::kDrop; });
  if (is_empty) {
    const Dtype dtype = plan.catalog->tensors[plan.tensors.front().source].dtype;
    return Error{ErrorCode::kInvalidOptions,
                 concat("Expected tensors that ", name, " can hold, found only others, such as ",
                        dtype_name(dtype), "."),
                 "Write a .safetensors file.",
                 {},
                 {}};
  }
  return {};
}

/// A layer that runtimes fuse has one outer number: that of the largest weight of all its parts.
void share_outer_numbers(Plan &plan) {
  for (const auto &[name, members] : catalog::fused_families(*plan.catalog)) {
    std::set<size_t> parts;
    for (const size_t member : members) {
      parts.insert(plan.catalog->tensors[member].tied_to.value_or(member));
    }
    for (const size_t part : parts) {
      Quantize *quantize = plan.tensors[part].quantize();
      if (quantize == nullptr || !quantize->stored.has_outer()) {
        continue;
      }
      for (const size_t other : parts) {
        const Quantize *beside = plan.tensors[other].quantize();
        if (other != part && beside != nullptr && beside->stored.has_outer()) {
          quantize->measured_with.push_back(other);
        }
      }
    }
  }
}

void add_streams(std::vector<Output> &outputs, std::vector<layout::Stream> streams) {
  for (layout::Stream &stream : streams) {
    const uint64_t bytes = stream_bytes(stream);
    outputs.push_back({stream.written, std::move(stream.name), stream.dtype,
                       std::move(stream.shape), 0, bytes, false, std::move(stream.fixed),
                       stream.blocks});
  }
}

/// Without places, and without what is stored of the inputs of its layer.
std::vector<Output> outputs_of_weights(const Plan &plan, size_t index) {
  const TensorPlan &entry = plan.tensors[index];
  const catalog::Tensor &tensor = plan.catalog->tensors[entry.source];
  std::vector<Output> outputs;
  if (const Quantize *quantize = entry.quantize()) {
    add_streams(outputs, plan.layout->streams(tensor, quantize->stored));
  } else if (const Convert *convert = entry.convert()) {
    outputs.push_back(same_name(tensor, convert->to));
  } else if (entry.decision() == Decision::kCopy || entry.decision() == Decision::kCorrect) {
    outputs.push_back(same_name(tensor, tensor.dtype));
  } else if (entry.decision() == Decision::kTie) {
    const size_t owner = *tensor.tied_to;
    outputs = outputs_of_weights(plan, owner);
    const Quantize *quantize = plan.tensors[owner].quantize();
    const std::vector<layout::Stream> streams =
        quantize == nullptr ? std::vector<layout::Stream>()
                            : plan.layout->streams(tensor, quantize->stored);
    for (size_t i = 0; i < outputs.size(); ++i) {
      outputs[i].name = streams.empty() ? tensor.name : streams[i].name;
      outputs[i].alias = true;
      outputs[i].fixed.clear();
    }
  }
  if (!entry.name.empty() && !outputs.empty()) {
    outputs.front().name = entry.name;
  }
  return outputs;
}

/// Tied layers share their weights and not their inputs: these are never aliases. Once a module.
void choose_who_stores_inputs(Plan &plan) {
  std::set<std::string_view> modules;
  for (TensorPlan &entry : plan.tensors) {
    const catalog::Tensor &tensor = plan.catalog->tensors[entry.source];
    entry.stores_input = entry.input && modules.insert(catalog::module_name(tensor.name)).second;
  }
}

/// Empty if nothing is quantized.
std::string configuration(const Plan &plan) {
  std::vector<layout::Described> tensors(plan.tensors.size());
  std::vector<layout::StoredInput> inputs(plan.tensors.size());
  bool quantizes = false;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (const Quantize *quantize = decided(plan, i).quantize()) {
      quantizes = true;
      tensors[i].stored = &quantize->stored;
      if (plan.tensors[i].input) {
        inputs[i] = plan.tensors[i].input->stored();
        tensors[i].input = &inputs[i];
      }
    }
  }
  return quantizes ? plan.layout->configuration(*plan.catalog, tensors) : std::string();
}

/// A warning of `code` about the tensors for which `applies` holds, where there are any.
template <typename Predicate>
void warn_about(Plan &plan, std::string_view code, std::string message, Predicate applies) {
  Warning warning{code, std::move(message), {}};
  for (const TensorPlan &entry : plan.tensors) {
    if (applies(entry)) {
      warning.tensors.push_back(plan.catalog->tensors[entry.source].name);
    }
  }
  if (!warning.tensors.empty()) {
    plan.warnings.push_back(std::move(warning));
  }
}

void warn_about_whole(Plan &plan) {
  uint64_t bytes = 0;
  uint64_t copied = 0;
  size_t changed_layers = 0;
  size_t copied_layers = 0;
  for (const TensorPlan &entry : plan.tensors) {
    const catalog::Tensor &tensor = plan.catalog->tensors[entry.source];
    if (entry.decision() == Decision::kTie) {
      continue;
    }
    const bool copy = entry.decision() == Decision::kCopy;
    bytes += tensor.bytes;
    copied += copy ? tensor.bytes : 0;
    if (entry.decision() == Decision::kQuantize) {
      ++changed_layers;
    } else if (tensor.shape.size() > 1 && dtype_is_quantizable(tensor.dtype)) {
      ++copied_layers;
    }
  }
  if (changed_layers > 0 && copied_layers == 0) {
    plan.warnings.push_back(
        {"everything-quantized",
         "Every layer is quantized, the first and the last included; these often "
         "cost the most accuracy. Ignore patterns leave layers alone.",
         {}});
  }
  if (changed_layers > 0 && copied > bytes / 2) {
    plan.warnings.push_back(
        {"mostly-unquantized",
         concat(copied * 100 / bytes, " % of the bytes are left unquantized. The plan has the "
                                      "reasons; more layer kinds, or choices for single layers, "
                                      "select more."),
         {}});
  }
}

/// What was met in the weights, whatever becomes of them.
void warn_about_values(Plan &plan) {
  warn_about(
      plan, "non-finite",
      "These tensors contain NaN or infinity and are copied unquantized: look for what broke "
      "them, or ignore them by name.",
      [](const TensorPlan &entry) { return entry.reason == Reason::kNonFinite; });
  warn_about(
      plan, "overflow",
      "Values in these tensors are too large for the 16-bit type, or for codes, so they are copied "
      "as they are: BF16 has a wider range than F16, or ignore them by name.",
      [](const TensorPlan &entry) { return entry.reason == Reason::kOverflow; });
}

void warn_about_other_layers(Plan &plan) {
  warn_about(plan, "not-loadable",
             "transformers and vLLM cannot load these tensors quantized, so the whole model will "
             "not load there. Leave them alone: by default they are.",
             [&](const TensorPlan &entry) {
               return entry.quantize() != nullptr &&
                      !layout::is_loadable(*plan.catalog, plan.catalog->tensors[entry.source]);
             });
}

/// Of what transformers and vLLM do with a layout that many programs load, each of them some of it.
void warn_about_loaders(Plan &plan) {
  const auto quantized = [](const TensorPlan &entry) { return entry.quantize() != nullptr; };
  const auto stored = [](const TensorPlan &entry) {
    const Quantize *quantize = entry.quantize();
    return quantize == nullptr ? nullptr : &quantize->stored;
  };
  warn_about_other_layers(plan);
  const bool packs =
      std::any_of(plan.tensors.begin(), plan.tensors.end(), [&](const TensorPlan &entry) {
        return quantized(entry) && stored(entry)->weights_only;
      });
  const std::string_view fault = layout::fault_of_loading(*plan.catalog, packs);
  if (!fault.empty() && std::any_of(plan.tensors.begin(), plan.tensors.end(), quantized)) {
    plan.warnings.push_back(
        {"not-loadable",
         concat("transformers 5.23 cannot load ", fault, " of models of type \"",
                plan.catalog->model->model_type, "\". ",
                fault == "codes" ? "16 bits load there."
                                 : "8 bits with dynamic activations, or 16 bits, load there."),
         {}});
  }
  warn_about(plan, "not-loadable",
             "transformers does not load packed zero points, and vLLM those of 4 bits only. Choose "
             "the symmetric scheme.",
             [&](const TensorPlan &entry) {
               return plan.catalog->model && quantized(entry) && stored(entry)->weights_only &&
                      !stored(entry)->scheme.symmetric;
             });
  warn_about(
      plan, "not-loadable",
      "transformers computes with NVFP4, MXFP4 and MXFP8 in BF16 alone, and these weights are "
      "of another type: load the model with dtype=\"bfloat16\".",
      [&](const TensorPlan &entry) {
        const Quantize *quantize = entry.quantize();
        const Dtype scale = quantize == nullptr ? Dtype::kF32 : quantize->stored.scheme.scale_dtype;
        return plan.catalog->model && quantize != nullptr &&
               (scale == Dtype::kF8E8M0 || scale == Dtype::kF8E4M3) &&
               plan.catalog->tensors[entry.source].dtype != Dtype::kBF16;
      });
  const auto is_packed = [&](const TensorPlan &entry) {
    return plan.catalog->model && quantized(entry) && stored(entry)->weights_only &&
           stored(entry)->scheme.has_kernels();
  };
  warn_about(plan, "not-loadable",
             "vLLM has kernels for groups of 32, 64 and 128 weights and for one scale a row: it "
             "does not load these.",
             [&](const TensorPlan &entry) {
               const uint64_t size = is_packed(entry) ? stored(entry)->scheme.group_size : 0;
               return is_packed(entry) &&
                      stored(entry)->scheme.strategy == quant::Strategy::kGroup && size != 32 &&
                      size != 64 && size != 128;
             });
  warn_about(
      plan, "not-loadable",
      "vLLM does not load packed codes with one scale a tensor. Choose one a row or a group.",
      [&](const TensorPlan &entry) { return is_packed(entry) && stored(entry)->shares_scale(); });
  warn_about(
      plan, "not-loadable",
      "vLLM loads these experts, transformers does not: it takes packed symmetric ones only. "
      "For transformers, quantize weights only, or ignore *.experts.*.",
      [&](const TensorPlan &entry) {
        return quantized(entry) &&
               !(stored(entry)->weights_only && stored(entry)->scheme.symmetric) &&
               layout::is_stacked_on_loading(*plan.catalog, plan.catalog->tensors[entry.source]);
      });
}

/// Of what transformers does with a layout of one tool that it loads.
void warn_about_tool(Plan &plan) {
  const auto quantized = [](const TensorPlan &entry) { return entry.quantize() != nullptr; };
  if (plan.layout->fault_of_loading == nullptr ||
      std::none_of(plan.tensors.begin(), plan.tensors.end(), quantized)) {
    return;
  }
  if (std::string fault = plan.layout->fault_of_loading(*plan.catalog); !fault.empty()) {
    plan.warnings.push_back({"not-loadable", std::move(fault), {}});
  }
  warn_about_other_layers(plan);
  warn_about(
      plan, "not-loadable",
      "transformers stacks experts while it loads them, and these codes it cannot stack; vLLM "
      "loads them as they are. For transformers, ignore *.experts.*.",
      [&](const TensorPlan &entry) {
        return quantized(entry) &&
               layout::is_stacked_on_loading(*plan.catalog, plan.catalog->tensors[entry.source]);
      });
}

void add_warnings(Plan &plan) {
  const auto quantized = [](const TensorPlan &entry) { return entry.quantize() != nullptr; };
  /// What is stored, if it is quantized.
  const auto stored = [](const TensorPlan &entry) {
    const Quantize *quantize = entry.quantize();
    return quantize == nullptr ? nullptr : &quantize->stored;
  };
  // Most of those who have the format's own size did not choose it: that it does not fit some rows is no news, but a fact
  // of the plan.
  warn_about(
      plan, "group-fallback",
      "The group size asked for does not divide these tensors' rows: they get smaller groups, "
      "or one scale a row. A size that divides them, or -1, says what is wanted.",
      [&](const TensorPlan &entry) {
        const Quantize *quantize = entry.quantize();
        return quantize != nullptr && quantize->asked_group != 0 &&
               quantize->asked_group != plan.layout->usual_group;
      });
  warn_about(
      plan, "activation-scheme",
      "vLLM's INT8 kernels take symmetric weights only; other loaders read these zero points. "
      "For vLLM, choose the symmetric scheme.",
      [&](const TensorPlan &entry) {
        return quantized(entry) && !stored(entry)->weights_only && !stored(entry)->scheme.symmetric;
      });
  warn_about(plan, "sensitive-4-bit",
             "Embeddings and heads lose the most by 4 bits. Give them bits:8, or leave them alone.",
             [&](const TensorPlan &entry) {
               const LayerKind kind = plan.catalog->tensors[entry.source].kind;
               return quantized(entry) && stored(entry)->scheme.bits <= 4 &&
                      (kind == LayerKind::kEmbedding || kind == LayerKind::kHead);
             });
  warn_about(plan, "already-quantized",
             "The file seems to be quantized already: begin with the original model.",
             [](const TensorPlan &entry) { return entry.reason == Reason::kNameTaken; });
  warn_about_values(plan);
  warn_about(
      plan, "dropped",
      "The output's container has no dtype for these tensors: they are missing in it. Another "
      "kind of file (.pt, .safetensors) may have one.",
      [](const TensorPlan &entry) { return entry.reason == Reason::kNotRepresentable; });
  if (plan.layout == layout::layouts().front()) {
    warn_about_loaders(plan);
  } else {
    warn_about_tool(plan);
  }
  warn_about_whole(plan);
}

} // namespace

std::vector<Output> outputs(const Plan &plan, size_t tensor) {
  const TensorPlan &entry = plan.tensors[tensor];
  std::vector<Output> made = outputs_of_weights(plan, tensor);
  if (entry.stores_input) {
    add_streams(made, plan.layout->input_streams(plan.catalog->tensors[entry.source],
                                                 entry.input->stored()));
  }
  for (size_t i = 0; i < made.size() && !plan.places.empty(); ++i) {
    made[i].offset = plan.places[entry.first_place + i].offset;
  }
  return made;
}

std::span<const Place> places(const Plan &plan, size_t tensor) {
  const size_t end =
      tensor + 1 < plan.tensors.size() ? plan.tensors[tensor + 1].first_place : plan.places.size();
  const size_t begin = plan.tensors[tensor].first_place;
  return std::span(plan.places).subspan(begin, end - begin);
}

size_t file_of(const Plan &plan, const Output &output) {
  // Behind a header, even one without bytes.
  const auto next =
      std::lower_bound(plan.files.begin(), plan.files.end(), output.offset,
                       [](const OutputFile &file, uint64_t offset) { return file.begin < offset; });
  return static_cast<size_t>(next - plan.files.begin()) - 1;
}

const TensorPlan &decided(const Plan &plan, size_t tensor) {
  const TensorPlan &entry = plan.tensors[tensor];
  return entry.decision() == Decision::kTie ? plan.tensors[*plan.catalog->tensors[tensor].tied_to]
                                            : entry;
}

Result<Plan> make_plan(catalog::Catalog catalog, const Options &options) {
  return make_plan(std::make_shared<const catalog::Catalog>(std::move(catalog)), options);
}

Result<Plan> make_plan(std::shared_ptr<const catalog::Catalog> catalog, const Options &options) {
  Plan plan;
  plan.catalog = std::move(catalog);
  plan.layout = options.layout;
  if (auto refused = options.copy_all ? layout::refuse_blocks(*plan.catalog)
                                      : layout::refuse_quantized(*plan.catalog)) {
    return *refused;
  }
  if (options.container == Container::kGguf) {
    if (auto planned = plan_gguf(plan, options); !planned) {
      return planned.error();
    }
    warn_about_values(plan);
    return plan;
  }
  plan.tensors = decide(*plan.catalog, options);
  if (auto fitting = check_layout(plan, options); !fitting) {
    return fitting.error();
  }
  if (auto refused = refuse_without_data(plan, options)) {
    return *refused;
  }
  spare_what_would_not_shrink(plan);
  refuse_taken_names(plan, options);
  align(plan);
  share_outer_numbers(plan);
  if (auto fitted = drop_what_does_not_fit(plan, options.container); !fitted) {
    return fitted.error();
  }
  if (auto folded = plan_folding(plan, options); !folded) {
    return folded.error();
  }
  if (auto rescaled = plan_rescaling(plan, options); !rescaled) {
    return rescaled.error();
  }
  if (auto pruned = plan_pruning(plan, options); !pruned) {
    return pruned.error();
  }
  plan_inputs(plan, options);
  explain_pruning(plan, options);
  choose_who_stores_inputs(plan);
  plan.quantization_config = configuration(plan);
  if (auto laid_out = lay_out(plan, options); !laid_out) {
    return laid_out.error();
  }
  add_warnings(plan);
  return plan;
}

} // namespace monoquant::plan
