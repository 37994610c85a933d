// What the caller wants, as the engine understands it.
// It exists so that parsing is over before deciding begins: every value here is in range.
// Patterns never reach the engine: the host resolves them to tensor indices of the catalog.
#pragma once

#include <bitset>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monoquant/base/dtype.h"
#include "monoquant/base/result.h"
#include "monoquant/calibration/calibration.h"
#include "monoquant/catalog/layer_kind.h"
#include "monoquant/execute/activations.h"
#include "monoquant/layout/layout.h"
#include "monoquant/llama_cpp/mixture.h"
#include "monoquant/plan/folding.h"
#include "monoquant/plan/model_folder.h"
#include "monoquant/plan/reason.h"
#include "monoquant/plan/rescaling.h"
#include "monoquant/plan/value_change.h"
#include "monoquant/quant/named_codes.h"
#include "monoquant/quant/scheme.h"
#include "monoquant/quant/words.h"

namespace monoquant::plan {

/// Nothing: the best that is known of the inputs allows.
using WantedMethod = std::optional<quant::Method>;

/// What to do with a tensor: codes of 2 to 8 bits, a 16-bit float, or nothing.
struct Treatment {
  uint32_t bits = 8; // 2 to 8, or 16; 0: leave it alone
  quant::CodesKind codes = quant::CodesKind::kIntegers;
  bool symmetric = true;
  quant::Strategy strategy = quant::Strategy::kChannel;
  uint64_t group_size = 0; // where the strategy is kGroup
  WantedMethod method = {};
};

/// Whether biases take back what codes do to the means of outputs; kAuto: of few bits, where means are known.
enum class BiasCorrectionChoice : uint8_t { kAuto, kOn, kOff };
inline constexpr std::string_view kBiasCorrectionWords[] = {"auto", "on", "off"};

struct Override {
  std::vector<size_t> tensors;
  std::optional<uint32_t> bits; // 0: leave it alone
  std::optional<bool> symmetric;
  std::optional<int64_t> group_size; // -1: per channel
  std::optional<WantedMethod> method;
};

/// A tensor whose values, met in an earlier run, cannot be stored as planned.
struct Unfit {
  size_t tensor = 0;
  Reason reason = Reason::kNonFinite;
  std::string explanation;
};

/// The kind of file that is written.
enum class Container : uint8_t {
  kSafetensors,
  kTorchZip, // what torch.save writes: a state dict
  kGguf,     // with llama.cpp's names and keys, where the model is one that it runs
};
inline constexpr std::string_view kContainerWords[] = {"safetensors", "pt", "gguf"};

struct Options {
  Container container = Container::kSafetensors;
  const layout::Layout *layout = layout::layouts()[0]; // of what is quantized
  // Of a GGUF file: which type each tensor gets. Nothing: the floats that it has.
  std::optional<llama_cpp::Mixture> mixture;
  std::shared_ptr<const ModelFolder> folder = {}; // of a GGUF file: what stands beside the weights
  bool duplicate_ties = false;                    // write the bytes of tied tensors once a name
  // Of a safetensors output that is to be several files. Nothing: one file.
  uint64_t max_file_bytes = 0; // of tensors in each, if there are several; 0: no limit
  std::vector<uint64_t>
      file_ends; // where in the source each of its own files ends: the output is divided alike
  // Change no value: of what is below, only the type of dequantized tensors matters.
  bool copy_all = false;
  Treatment treatment;
  double prune = 0; // percent of each row's weights that become zeros
  std::optional<PruneMethod>
      prune_method; // nothing: the better one of those that there are data for
  std::vector<Fold> folds;
  bool drops_norms = false;  // that are folded
  bool double_quant = false; // of bitsandbytes: scales are codes themselves
  std::vector<Rescale> rescales;
  std::optional<Dtype> scale_type;       // nothing: that of the weights, or a narrower one
  std::optional<Dtype> dequantized_type; // of what was stored as codes; nothing: that of its scales
  // kWeightsOnly: 8-bit codes are packed. kStatic: scales of activations are stored.
  execute::ActivationMode activations = execute::ActivationMode::kDynamic;
  std::shared_ptr<const calibration::Calibration> calibration; // null: no data
  std::optional<quant::RangeMethod> observer;                  // nothing: whichever loses least
  double percentile = 99.99;
  uint64_t min_input_sqnr = 20; // dB: layers whose inputs keep less stay dynamic
  bool symmetric_inputs = true;
  BiasCorrectionChoice bias_correction = BiasCorrectionChoice::kAuto;
  Dtype float_type = Dtype::kF16;
  std::bitset<catalog::kLayerKindCount> layers;
  bool default_ignore = true;
  uint64_t min_elements = 512;
  std::vector<size_t> ignore;
  std::vector<Override> overrides; // in order: later ones win
  std::vector<Unfit> unfit;

  [[nodiscard]] bool weights_only() const {
    return activations == execute::ActivationMode::kWeightsOnly;
  }
  [[nodiscard]] bool static_inputs() const {
    return activations == execute::ActivationMode::kStatic;
  }
};

/// The choices that one value answers, each with its key in EngineOptions (js/engine/engine-options.ts) and what it may
/// be: a new one is a field above, a line here, and an entry in the table of js/api.
template <typename Reader> void read_choices(Reader &reader, Options &options) {
  reader.read("container", options.container, kContainerWords);
  reader.read("format", options.layout, options.mixture);
  reader.read("duplicateTies", options.duplicate_ties);
  reader.read("scheme", options.treatment.symmetric, quant::kSchemeWords);
  reader.read("codes", options.treatment.codes, quant::kCodesWords);
  reader.read("strategy", options.treatment.strategy, quant::kStrategyWords);
  reader.read("method", options.treatment.method);
  reader.read("mode", options.activations, execute::kActivationWords);
  reader.read("doubleQuant", options.double_quant);
  reader.read("dropBn", options.drops_norms);
  reader.read("pruneMethod", options.prune_method);
  reader.read("percentile", options.percentile, 50, 100);
  reader.read("minInputSqnr", options.min_input_sqnr, 0, 100);
  reader.read("inputScheme", options.symmetric_inputs, quant::kSchemeWords);
  reader.read("biasCorrection", options.bias_correction, kBiasCorrectionWords);
  reader.read("defaultIgnore", options.default_ignore);
  reader.read("minElements", options.min_elements, 0, 1LL << 53U);
  reader.read("maxFileBytes", options.max_file_bytes, 0, 1LL << 53U);
}

/// Those that tensors may have each for itself.
template <typename Reader> void read_choices(Reader &reader, Override &override) {
  reader.read("scheme", override.symmetric, quant::kSchemeWords);
  reader.read("method", override.method);
}

/// Reads EngineOptions: what is absent is as in `Options`, and an option that nobody reads is an error.
/// Errors: kInvalidOptions.
Result<Options> parse_options(std::string_view json, size_t tensor_count);

} // namespace monoquant::plan
