// What a run will do, tensor by tensor, and the exact layout of its output.
// It exists so that everything is decided, sized and explained before any work: the run only obeys.
// A pure function of catalog and options; every tensor of the source is in it, once, in the source's order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "monoquant/base/result.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/container/zip_writer.h"
#include "monoquant/plan/options.h"
#include "monoquant/plan/reason.h"
#include "monoquant/quant/observers/range_choice.h"
#include "monoquant/quant/scheme.h"

namespace monoquant::plan {

enum class Decision : uint8_t {
  kQuantize,
  kConvert,
  kCopy,
  kTie,  // another name for what comes of the tensor that it is tied to
  kDrop, // not in the output
};

/// What an output tensor holds.
enum class Role : uint8_t {
  kData, // the copied or converted values, or the codes
  kScale,
  kZeroPoint,
  kShape,      // the original shape, where packing hides it
  kInputScale, // of the layer's inputs, where they are quantized statically
  kInputZeroPoint,
};

struct Output {
  Role role = Role::kData;
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  uint64_t offset = 0; // in the output file
  uint64_t bytes = 0;
  bool alias = false; // has no bytes of its own: those at `offset` are another output's
};

/// How the inputs of a layer are quantized, where that is known before it runs.
struct InputPlan {
  quant::RangeMethod method = quant::RangeMethod::kMinMax; // that was asked for, or chosen
  quant::ObservedRange range;
  quant::ActivationQparams params;
  bool symmetric = true;
  uint64_t samples = 0;
  std::vector<quant::RangeEstimate> estimates; // of all methods, where one of them was to be chosen
};

struct TensorPlan {
  size_t source = 0; // index in the catalog
  Decision decision = Decision::kCopy;
  Reason reason = Reason::kRequested;
  std::string explanation;
  Dtype float_type = Dtype::kF16; // where the decision is to convert
  // Where the decision is to quantize. The tensor is a stack of matrices, usually of one.
  quant::Scheme scheme;
  uint64_t matrices = 1;
  uint64_t rows = 0; // of one matrix
  uint64_t columns = 0;
  uint64_t asked_group = 0; // the group size that was asked for, where it differs from the scheme's
  // How much errors count, column by column: finite and not negative. Only for searches; null: all alike.
  std::shared_ptr<const std::vector<float>> importance;
  // Of the module that the tensor belongs to; null: inputs are quantized as they come, or not at all.
  std::shared_ptr<const InputPlan> input;
  std::vector<Output> outputs;

  [[nodiscard]] const Output *output(Role role) const;
  /// Scales in one row.
  [[nodiscard]] uint64_t groups() const {
    return scheme.strategy == quant::Strategy::kGroup ? columns / scheme.group_size : 1;
  }
  /// Bytes of one row of codes.
  [[nodiscard]] uint64_t row_bytes() const;
};

struct Warning {
  std::string_view code; // WarningCode in js/api/warning.ts
  std::string message;
  std::vector<std::string> tensors;
};

/// Bytes of the output that are known before the run.
struct FixedBytes {
  uint64_t offset = 0;
  std::string bytes;
};

struct Plan {
  catalog::Catalog catalog;
  std::vector<TensorPlan> tensors; // one a tensor of the catalog, in its order
  std::vector<FixedBytes> fixed;
  // Of a zip: what is written last, when all checksums are known.
  std::vector<container::ZipRecord> records;
  container::ZipLayout zip;
  uint64_t file_bytes = 0;
  std::string quantization_config; // JSON; empty where nothing is quantized
  std::vector<Warning> warnings;
};

/// Decides about every tensor of the catalog. Errors: kLimitExceeded (the output's header).
Result<Plan> make_plan(catalog::Catalog catalog, const Options &options);

/// { sizes, tensors, warnings } of TypeScript's Plan.
std::string plan_json(const Plan &plan);

} // namespace monoquant::plan
