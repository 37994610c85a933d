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
#include "monoquant/layout/layout.h"
#include "monoquant/plan/reason.h"
#include "monoquant/quant/scheme.h"

namespace monoquant::plan {

/// What to do with a tensor: codes of 4 or 8 bits, a 16-bit float, or nothing.
struct Treatment {
  uint32_t bits = 8; // 4, 8 or 16; 0: leave it alone
  bool symmetric = true;
  quant::Strategy strategy = quant::Strategy::kChannel;
  uint64_t group_size = 0; // where the strategy is kGroup
  quant::Method method = quant::Method::kRtn;
};

struct Override {
  std::vector<size_t> tensors;
  std::optional<uint32_t> bits; // 0: leave it alone
  std::optional<bool> symmetric;
  std::optional<int64_t> group_size; // -1: per channel
  std::optional<quant::Method> method;
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
};

struct Options {
  Container container = Container::kSafetensors;
  const layout::Layout *layout = layout::layouts()[0]; // of what is quantized
  bool duplicate_ties = false; // write the bytes of tied tensors once a name
  bool copy_all =
      false; // change no value: of what is below, only the type of dequantized tensors matters
  Treatment treatment;
  std::optional<Dtype> dequantized_type; // of what was stored as codes; nothing: that of its scales
  bool weights_only = false;             // 8-bit codes are packed, activations stay float
  bool static_inputs = false;            // activations are quantized with scales that are stored
  std::shared_ptr<const calibration::Calibration> calibration; // null: no data
  std::optional<quant::RangeMethod> observer;                  // nothing: whichever loses least
  double percentile = 99.99;
  bool symmetric_inputs = true;
  Dtype float_type = Dtype::kF16;
  std::bitset<catalog::kLayerKindCount> layers;
  bool default_ignore = true;
  uint64_t min_elements = 512;
  std::vector<size_t> ignore;
  std::vector<Override> overrides; // in order: later ones win
  std::vector<Unfit> unfit;
};

/// Reads EngineOptions (js/engine/wasm.ts). Errors: kInvalidOptions.
Result<Options> parse_options(std::string_view json, size_t tensor_count);

} // namespace monoquant::plan
