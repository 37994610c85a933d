// What a run will do, tensor by tensor, and the exact layout of its output.
// It exists so that everything is decided, sized and explained before any work: the run only obeys.
// A pure function of catalog and options; every tensor of the source is in it, once, in the source's order.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "monoquant/base/json_writer.h"
#include "monoquant/base/result.h"
#include "monoquant/catalog/catalog.h"
#include "monoquant/container/zip_writer.h"
#include "monoquant/layout/layout.h"
#include "monoquant/plan/options.h"
#include "monoquant/plan/reason.h"
#include "monoquant/plan/value_change.h"
#include "monoquant/quant/observers/range_choice.h"

namespace monoquant::plan {

struct Output {
  layout::Written written = layout::Written::kByRow;
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  uint64_t offset = 0; // in the output file
  uint64_t bytes = 0;
  bool alias = false;     // has no bytes of its own: those at `offset` are another output's
  std::string fixed = {}; // the bytes, if they are known
  const layout::gguf::BlockFacts *blocks =
      nullptr; // what its values are stored in, if not as they are

  /// What the file calls it: "F32", "Q4_K".
  [[nodiscard]] std::string_view type_name() const {
    return blocks == nullptr ? dtype_name(dtype) : blocks->name;
  }
};

/// What is kept of an output: all else follows from the tensor and what is decided about it.
struct Place {
  uint64_t offset = 0; // in the output file
  layout::Written written = layout::Written::kByRow;
};

/// How the inputs of a layer are quantized, where that is known before it runs.
struct InputPlan {
  quant::RangeMethod method = quant::RangeMethod::kMinMax; // that was asked for, or chosen
  quant::ObservedRange range;
  quant::ActivationQparams params;
  bool symmetric = true;
  uint64_t samples = 0;
  std::vector<quant::RangeEstimate> estimates; // of all methods, where one of them was to be chosen
  double sqnr_db = 0;                          // calibration::estimated_sqnr_db
  bool is_global = false;                      // StoredInput::is_global

  [[nodiscard]] layout::StoredInput stored() const {
    return {params.scale, static_cast<int8_t>(params.zero_point), symmetric, is_global};
  }
};

/// What moves the mean of a layer's outputs back by as much as the errors of its weight move it.
struct BiasCorrection {
  size_t bias = 0; // index of a TensorPlan: one element for each row of the weight
  // The means of the inputs of all columns, for one group of rows after the other.
  std::shared_ptr<const std::vector<float>> means;
  uint64_t rows_per_group = 1;
};

/// As it is; of codes, the values that they stand for, as F32.
struct Copy {};
struct Quantize {
  layout::Stored stored;
  uint64_t asked_group = 0; // the group size that was asked for, if it is another one
  std::optional<quant::Method> asked_method = {}; // nothing: the best one
  // How much errors count, column by column: finite and not negative. Only for methods that take it, and for errors of
  // outputs; null: all alike.
  std::shared_ptr<const std::vector<float>> importance = {};
  // Tensors that a runtime makes one layer of with this one, whose outer number is then that of all.
  std::vector<size_t> measured_with = {};
  std::optional<BiasCorrection> correction = {};
};
struct Convert {
  Dtype to = Dtype::kF16; // or BF16; or F32, of F32 with other values
};
/// Another name for what comes of the tensor that it is tied to.
struct Tie {};
/// Not in the output.
struct Drop {};
/// A bias that is written with the weight whose errors it makes up for.
struct Correct {
  size_t weight = 0; // index of a TensorPlan
};

/// The alternatives of TensorPlan::action, in their order.
enum class Decision : uint8_t { kCopy, kQuantize, kConvert, kTie, kDrop, kCorrect };

struct TensorPlan {
  size_t source = 0; // index in the catalog
  std::variant<Copy, Quantize, Convert, Tie, Drop, Correct> action;
  Reason reason = Reason::kRequested;
  std::string explanation;
  // Of the module that the tensor belongs to; null: inputs are quantized as they come, or not at all.
  std::shared_ptr<const InputPlan> input;
  // What becomes of the values before they are stored; null: nothing. Quantized or converted tensors only.
  std::shared_ptr<const ValueChange> change = {};
  std::string name = {};     // in the output; empty: its own, with whatever the layout adds
  bool stores_input = false; // the tensors of `input` are outputs of this one: once a module
  size_t first_place = 0;    // in Plan::places, of its first output

  [[nodiscard]] Decision decision() const { return static_cast<Decision>(action.index()); }
  /// Null for other decisions.
  [[nodiscard]] const Quantize *quantize() const { return std::get_if<Quantize>(&action); }
  [[nodiscard]] Quantize *quantize() { return std::get_if<Quantize>(&action); }
  /// Whether its values become codes, and no plain type of a GGUF file.
  [[nodiscard]] bool is_quantized() const {
    const Quantize *found = quantize();
    return found != nullptr &&
           (!found->stored.blocks || layout::gguf::facts_of(found->stored.blocks->type).values > 1);
  }
  [[nodiscard]] const Convert *convert() const { return std::get_if<Convert>(&action); }
};

struct Warning {
  std::string_view code; // WarningCode in js/api/warning.ts
  std::string message;
  std::vector<std::string> tensors;
};

/// One file of the output: they follow one another as if they were one, each with a header of its own.
struct OutputFile {
  uint64_t begin = 0;
  uint64_t bytes = 0;
};

/// Bytes of the output that are known before the run.
struct FixedBytes {
  uint64_t offset = 0;
  std::string bytes;
  std::optional<size_t> tensor = {}; // index of a TensorPlan, if they are of one
};

struct Plan {
  std::shared_ptr<const catalog::Catalog> catalog = std::make_shared<catalog::Catalog>();
  const layout::Layout *layout = nullptr; // of what is quantized
  std::vector<TensorPlan> tensors;        // one a tensor of the catalog, in its order
  std::vector<Place> places;              // one an output, in the order of `tensors` and `outputs`
  std::vector<FixedBytes> fixed;
  std::vector<Output>
      added; // that stand for no tensor of the source: their bytes are among `fixed`
  // Of a zip: what is written last, when all checksums are known.
  std::vector<container::ZipRecord> records;
  container::ZipLayout zip;
  uint64_t file_bytes = 0;         // of all files
  std::vector<OutputFile> files;   // at least one
  std::string quantization_config; // JSON; empty where nothing is quantized
  std::vector<Warning> warnings;
};

/// Decides about every tensor of the catalog. Errors: kLimitExceeded (the output's header).
Result<Plan> make_plan(std::shared_ptr<const catalog::Catalog> catalog, const Options &options);
Result<Plan> make_plan(catalog::Catalog catalog, const Options &options);

/// { sizes, tensors, warnings } of TypeScript's Plan.
void write_plan(JsonWriter &json, const Plan &plan);
std::string plan_json(const Plan &plan);

/// What becomes of a tensor in the output file: first what is written by rows. Made anew by each call: models of many
/// tensors have several times as many of these, each with a name and a shape.
std::vector<Output> outputs(const Plan &plan, size_t tensor);

/// Of the outputs of a tensor, without their names and shapes.
std::span<const Place> places(const Plan &plan, size_t tensor);

/// The index of the file that an output is in.
size_t file_of(const Plan &plan, const Output &output);

/// What is decided about a tensor of the catalog: for a tied one, about the tensor that it is tied to.
const TensorPlan &decided(const Plan &plan, size_t tensor);

} // namespace monoquant::plan
