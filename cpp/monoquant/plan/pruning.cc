#include "monoquant/plan/pruning.h"

#include <algorithm>

#include "monoquant/base/text.h"
#include "monoquant/quant/named_codes.h"
#include "monoquant/quant/pruning.h"
#include "monoquant/quant/search.h"

namespace monoquant::plan {
namespace {

using catalog::LayerKind;
using catalog::Tensor;
using layout::gguf::BlockType;

/// Matrices that a layer multiplies its inputs with. What few weights decide, and tables of rows that stand for
/// themselves, keep all of theirs.
bool is_prunable(const Tensor &tensor) {
  switch (tensor.kind) {
  case LayerKind::kEmbedding:
  case LayerKind::kHead:
  case LayerKind::kRouter:
  case LayerKind::kNorm:
  case LayerKind::kBias:
  case LayerKind::kWeightNorm:
  case LayerKind::kAdapter:
  case LayerKind::kOther:
    return false;
  default:
    return tensor.shape.size() > 1 && tensor.elements > 0 && dtype_is_quantizable(tensor.dtype);
  }
}

/// Blocks without offsets whose codes have a zero among them.
bool has_zero(BlockType type) {
  switch (type) {
  case BlockType::kF32:
  case BlockType::kF16:
  case BlockType::kBF16:
  case BlockType::kQ40:
  case BlockType::kQ50:
  case BlockType::kQ80:
  case BlockType::kQ3K:
  case BlockType::kQ6K:
  case BlockType::kTq10:
  case BlockType::kTq20:
  case BlockType::kMxfp4:
    return true;
  default:
    return false;
  }
}

/// Why codes of a tensor cannot stand for exactly zero; "" if they can.
std::string without_zero(const Plan &plan, const layout::Stored &stored) {
  if (stored.blocks) {
    return has_zero(stored.blocks->type)
               ? ""
               : concat("those of ", layout::gguf::facts_of(stored.blocks->type).name);
  }
  if (stored.scheme.has_bias) {
    return concat("those of the format ", plan.layout->name, ", which have offsets");
  }
  return stored.scheme.rotation == 0 ? "" : concat("rotated ones, as in ", plan.layout->name);
}

/// The rows of a tensor: what is summed up is one of them.
uint64_t row_length(const Tensor &tensor) {
  const uint64_t rows =
      tensor.is_stack() ? tensor.shape[0] * tensor.shape[1] : tensor.shape.front();
  return tensor.elements / rows;
}

/// Plain numbers of a GGUF file are one long row, which they need not be.
void see_rows(layout::Stored &stored, uint64_t columns) {
  const bool is_plain = stored.blocks && layout::gguf::facts_of(stored.blocks->type).values == 1;
  if (is_plain && stored.rows * stored.columns % columns == 0) {
    stored.rows = stored.rows * stored.columns / columns;
    stored.columns = columns;
  }
}

/// Whether it is asked for that its weights change: those that are too narrow to become narrower are written anew.
bool is_changed(const TensorPlan &entry) {
  return entry.decision() == Decision::kQuantize || entry.decision() == Decision::kConvert ||
         (entry.decision() == Decision::kCopy && entry.reason == Reason::kAlreadyNarrow);
}

/// Of a GGUF file also what keeps its floats, unless that was asked for.
bool is_kept(const TensorPlan &entry) {
  return entry.reason == Reason::kIgnored || entry.reason == Reason::kOverrideNone ||
         entry.reason == Reason::kNonFinite || entry.reason == Reason::kOverflow;
}

std::optional<Error> refuse_offsets(const Plan &plan, const TensorPlan &entry) {
  const Quantize *quantize = entry.quantize();
  const std::string what = quantize == nullptr ? "" : without_zero(plan, quantize->stored);
  if (what.empty()) {
    return std::nullopt;
  }
  return Error{
      ErrorCode::kInvalidOptions,
      concat("Expected codes that can stand for exactly 0, which pruning needs, found ", what, "."),
      "Take another format, such as Q8_0 or Q4_0 of a .gguf, or compressed-tensors; or prune "
      "nothing.",
      plan.catalog->tensors[entry.source].name,
      {}};
}

/// The floats that a tensor already has can be written with zeros among them.
bool is_half(Dtype dtype) { return dtype == Dtype::kF16 || dtype == Dtype::kBF16; }

} // namespace

Result<void> plan_pruning(Plan &plan, const Options &options) {
  if (options.prune == 0 || options.copy_all) {
    return {};
  }
  if (options.prune_method == PruneMethod::kWanda && !options.calibration) {
    return Error{ErrorCode::kInvalidOptions,
                 "Expected captured inputs of the layers, or a calibration, for pruning by the "
                 "method wanda, found none.",
                 "Give them as the calibration, or take the method magnitude.",
                 {},
                 {}};
  }
  Warning long_rows{
      "not-pruned",
      concat("Rows of these tensors cannot be seen as a whole, because they are "
             "longer than ",
             quant::kLongestSearch,
             " weights or the format cuts them elsewhere: none of their weights become zeros. "
             "Choose another format, or ignore them by name."),
      {}};
  bool has_some = false;
  for (TensorPlan &entry : plan.tensors) {
    const Tensor &tensor = plan.catalog->tensors[entry.source];
    if (!is_prunable(tensor) || !is_changed(entry) || is_kept(entry)) {
      continue;
    }
    const uint64_t columns = row_length(tensor);
    Quantize *quantize = entry.quantize();
    if (auto refused = refuse_offsets(plan, entry)) {
      return *refused;
    }
    if (quantize != nullptr) {
      see_rows(quantize->stored, columns);
    }
    if (columns > quant::kLongestSearch ||
        (quantize != nullptr && quantize->stored.columns != columns) ||
        (entry.decision() == Decision::kCopy && !is_half(tensor.dtype))) {
      long_rows.tensors.push_back(tensor.name);
      continue;
    }
    const uint64_t zeros = quant::pruned_of(columns, options.prune);
    if (zeros == 0) {
      continue;
    }
    if (entry.decision() == Decision::kCopy) {
      entry.action = Convert{tensor.dtype};
    }
    has_some = true;
    ValueChange change = entry.change ? *entry.change : ValueChange{};
    change.columns = columns;
    change.zeros = zeros;
    entry.change = std::make_shared<const ValueChange>(std::move(change));
  }
  if (!long_rows.tensors.empty()) {
    plan.warnings.push_back(std::move(long_rows));
  }
  if (!has_some) {
    plan.warnings.push_back(
        {"not-pruned",
         "No weights become zeros: only matrices that are quantized or converted are pruned, and "
         "embeddings, heads and routers are left alone.",
         {}});
  }
  return {};
}

void explain_pruning(Plan &plan, const Options &options) {
  Warning by_magnitude{"calibration-missing",
                       "The calibration has no data of these weights' layers: their weights are "
                       "pruned by magnitude alone.",
                       {}};
  for (TensorPlan &entry : plan.tensors) {
    if (!entry.change || entry.change->zeros == 0) {
      continue;
    }
    entry.explanation +=
        concat(", ", entry.change->zeros, " of ", entry.change->columns, " weights a row to zero (",
               kPruneWords[static_cast<size_t>(entry.change->method())], ")");
    if (options.calibration && options.prune_method != PruneMethod::kMagnitude &&
        entry.change->method() == PruneMethod::kMagnitude) {
      by_magnitude.tensors.push_back(plan.catalog->tensors[entry.source].name);
    }
  }
  if (!by_magnitude.tensors.empty()) {
    plan.warnings.push_back(std::move(by_magnitude));
  }
}

uint64_t zeros_of(const Plan &plan, size_t tensor) {
  const TensorPlan &entry = plan.tensors[tensor];
  if (!entry.change || entry.change->zeros == 0) {
    return 0;
  }
  const Quantize *quantize = entry.quantize();
  const uint64_t elements =
      quantize == nullptr
          ? plan.catalog->tensors[entry.source].elements
          : quantize->stored.matrices * quantize->stored.rows * quantize->stored.columns;
  return elements / entry.change->columns * entry.change->zeros;
}

} // namespace monoquant::plan
