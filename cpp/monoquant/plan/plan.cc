#include "monoquant/plan/plan.h"

#include <algorithm>
#include <unordered_set>

#include "monoquant/base/checked.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"
#include "monoquant/plan/compressed_tensors.h"
#include "monoquant/plan/rules.h"
#include "monoquant/plan/siblings.h"

namespace monoquant::plan {
namespace {

Output same_name(const catalog::Tensor &tensor, Dtype dtype) {
  return {
      Role::kData, tensor.name,
      dtype,       tensor.shape,
      0,           dtype == tensor.dtype ? tensor.bytes : tensor.elements * dtype_bits(dtype) / 8};
}

/// A tensor whose new names are taken stays as it is: the file has most likely been quantized before, and
/// overwriting its scales would destroy it.
void refuse_taken_names(Plan &plan) {
  std::unordered_set<std::string_view> taken;
  for (const catalog::Tensor &tensor : plan.catalog.tensors) {
    taken.insert(tensor.name);
  }
  for (TensorPlan &entry : plan.tensors) {
    if (entry.decision != Decision::kQuantize) {
      continue;
    }
    const catalog::Tensor &tensor = plan.catalog.tensors[entry.source];
    const std::vector<Output> outputs = quantized_outputs(tensor, entry);
    const auto clash = std::find_if(outputs.begin(), outputs.end(), [&](const Output &output) {
      return output.name != tensor.name && taken.contains(output.name);
    });
    if (clash != outputs.end()) {
      leave_alone(entry, Reason::kNameTaken,
                  concat(clash->name, " is already in the file: it seems to be quantized already"));
    }
  }
}

void add_outputs(Plan &plan, const Options &options) {
  for (TensorPlan &entry : plan.tensors) {
    const catalog::Tensor &tensor = plan.catalog.tensors[entry.source];
    if (entry.decision == Decision::kQuantize) {
      entry.outputs = quantized_outputs(tensor, entry);
    } else {
      const bool convert = entry.decision == Decision::kConvert;
      entry.outputs = {same_name(tensor, convert ? options.float_type : tensor.dtype)};
    }
  }
}

/// The source's metadata, with what loaders need to know about the output.
container::Metadata output_metadata(const Plan &plan) {
  container::Metadata metadata = plan.catalog.metadata;
  const auto set = [&](std::string key, std::string value, bool overwrite) {
    const auto found = std::find_if(metadata.begin(), metadata.end(),
                                    [&](const auto &entry) { return entry.first == key; });
    if (found == metadata.end()) {
      metadata.emplace_back(std::move(key), std::move(value));
    } else if (overwrite) {
      found->second = std::move(value);
    }
  };
  set("format", "pt", false); // transformers refuses files whose metadata lacks it
  const bool quantized =
      std::any_of(plan.tensors.begin(), plan.tensors.end(),
                  [](const auto &entry) { return entry.decision == Decision::kQuantize; });
  if (quantized) {
    set("quantization_config", quantization_config(plan.catalog, plan.tensors), true);
  }
  return metadata;
}

Result<void> lay_out(Plan &plan) {
  std::vector<Output *> outputs;
  std::vector<container::SafetensorsEntry> entries;
  for (TensorPlan &tensor : plan.tensors) {
    for (Output &output : tensor.outputs) {
      outputs.push_back(&output);
      entries.push_back({output.name, output.dtype, output.shape, 0, output.bytes});
    }
  }
  auto layout = container::layout_safetensors(output_metadata(plan), entries);
  if (!layout) {
    return layout.error();
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i]->offset = entries[i].offset;
  }
  plan.header = std::move(layout.value().header);
  plan.file_bytes = layout.value().file_bytes;
  return {};
}

/// A warning of `code` about the tensors for which `applies` holds, where there are any.
template <typename Predicate>
void warn_about(Plan &plan, std::string_view code, std::string message, Predicate applies) {
  Warning warning{code, std::move(message), {}};
  for (const TensorPlan &entry : plan.tensors) {
    if (applies(entry)) {
      warning.tensors.push_back(plan.catalog.tensors[entry.source].name);
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
    const catalog::Tensor &tensor = plan.catalog.tensors[entry.source];
    const bool copy = entry.decision == Decision::kCopy;
    bytes += tensor.bytes;
    copied += copy ? tensor.bytes : 0;
    if (entry.decision == Decision::kQuantize) {
      ++changed_layers;
    } else if (tensor.shape.size() > 1 && dtype_is_quantizable(tensor.dtype)) {
      ++copied_layers;
    }
  }
  if (changed_layers > 0 && copied_layers == 0) {
    plan.warnings.push_back(
        {"everything-quantized",
         "Every layer is quantized, the first and the last included; these often "
         "cost the most accuracy. --ignore leaves layers alone.",
         {}});
  }
  if (changed_layers > 0 && copied > bytes / 2) {
    plan.warnings.push_back({"mostly-unquantized",
                             concat(copied * 100 / bytes, " % of the bytes are left unquantized."),
                             {}});
  }
}

void add_warnings(Plan &plan) {
  const auto quantized = [](const TensorPlan &entry) {
    return entry.decision == Decision::kQuantize;
  };
  warn_about(plan, "group-fallback",
             "The group size asked for does not divide these tensors' rows.",
             [](const TensorPlan &entry) { return entry.asked_group != 0; });
  warn_about(
      plan, "activation-scheme",
      "vLLM's INT8 kernels take symmetric weights only; other loaders read these zero points.",
      [&](const TensorPlan &entry) {
        return quantized(entry) && !entry.scheme.packed && !entry.scheme.symmetric;
      });
  warn_about(plan, "already-quantized", "The file seems to be quantized already.",
             [](const TensorPlan &entry) { return entry.reason == Reason::kNameTaken; });
  warn_about(plan, "non-finite",
             "These tensors contain NaN or infinity and are copied unquantized.",
             [](const TensorPlan &entry) { return entry.reason == Reason::kNonFinite; });
  warn_about(plan, "overflow", "Values in these tensors are too large for the 16-bit type.",
             [](const TensorPlan &entry) { return entry.reason == Reason::kOverflow; });
  warn_about_whole(plan);
}

} // namespace

const Output *TensorPlan::output(Role role) const {
  const auto found = std::find_if(outputs.begin(), outputs.end(),
                                  [&](const Output &output) { return output.role == role; });
  return found == outputs.end() ? nullptr : &*found;
}

uint64_t TensorPlan::row_bytes() const {
  return scheme.packed ? divide_up(columns * scheme.bits, 32) * 4 : columns;
}

Result<Plan> make_plan(catalog::Catalog catalog, const Options &options) {
  Plan plan;
  plan.catalog = std::move(catalog);
  plan.tensors = decide(plan.catalog, options);
  refuse_taken_names(plan);
  align_siblings(plan.catalog, plan.tensors, plan.warnings);
  add_outputs(plan, options);
  if (auto laid_out = lay_out(plan); !laid_out) {
    return laid_out.error();
  }
  add_warnings(plan);
  return plan;
}

} // namespace monoquant::plan
