#include "generate/options.h"

#include "generate/calibration.h"
#include "monoquant/catalog/layer_kind.h"
#include "monoquant/execute/activations.h"
#include "monoquant/layout/layout.h"
#include "monoquant/plan/options.h"
#include "monoquant/quant/words.h"

namespace monoquant::fuzz {
namespace {

/// Without gptq, which needs captured inputs beside the model: cpp/tests/run/gptq_stage_test.cc.
constexpr std::string_view kMethods[] = {"rtn", "mse"};

constexpr std::string_view kScaleTypes[] = {"F32", "F16", "BF16", "auto"};
constexpr int kNarrow[] = {4, 4, 4, 2, 3, 5, 6, 7}; // the first is the most common
constexpr int64_t kGroups[] = {128, 32, 64, 16, 256, -1};
constexpr double kPercentiles[] = {99.99, 100, 50.5, 99};
constexpr uint64_t kMinElements[] = {0, 512, 1, 17, 100'000};

/// Some of the tensors, in any order and perhaps twice.
Json make_indices(Choices &choices, size_t count) {
  Json indices = Json::array();
  for (uint64_t left = choices.below(4); left > 0 && count > 0; --left) {
    indices.push_back(choices.index(count));
  }
  return indices;
}

Json make_override(Choices &choices, size_t count) {
  Json override = Json::object();
  override["tensors"] = make_indices(choices, count);
  switch (choices.below(6)) {
  case 1:
    override["bits"] = choices.pick(kNarrow);
    break;
  case 2:
    override["bits"] = 8;
    break;
  case 3:
    override["bits"] = 16;
    break;
  case 4:
    override["bits"] = "none";
    break;
  default:
    break;
  }
  if (choices.chance(3)) {
    override["scheme"] = choices.pick(quant::kSchemeWords);
  }
  if (choices.chance(3)) {
    override["groupSize"] = choices.pick(kGroups);
  }
  if (choices.chance(3)) {
    override["method"] = choices.pick(kMethods);
  }
  return override;
}

Json make_layers(Choices &choices) {
  Json layers = Json::array();
  const bool all = choices.flag();
  for (int kind = 0; kind < catalog::kLayerKindCount; ++kind) {
    if (all || choices.flag()) {
      layers.push_back(layer_kind_name(static_cast<catalog::LayerKind>(kind)));
    }
  }
  return layers;
}

/// Of other programs than compressed-tensors' ones, with choices that each can store, as far as all tensors have them.
void take_format(Choices &choices, Json &options) {
  constexpr std::string_view kFormats[] = {"gptq", "awq", "mlx"};
  constexpr int kGptqBits[] = {4, 2, 3, 8};
  constexpr int kMlxBits[] = {4, 2, 3, 5, 6, 8};
  constexpr int64_t kFormatGroups[] = {32, 64, 128};
  const std::string_view format = choices.pick(kFormats);
  options["format"] = format;
  options["container"] = "safetensors";
  options["mode"] = "weights-only";
  options["strategy"] = "group";
  options["groupSize"] = choices.pick(kFormatGroups);
  options["bits"] = format == "awq"   ? 4
                    : format == "mlx" ? choices.pick(kMlxBits)
                                      : choices.pick(kGptqBits);
  if (format == "gptq") {
    options["scheme"] = "symmetric";
  }
}

} // namespace

Json make_options(Choices &choices, const catalog::Catalog &catalog) {
  const size_t count = catalog.tensors.size();
  Json options = Json::object();
  options["container"] = choices.chance(3) ? "pt" : "safetensors";
  options["duplicateTies"] = choices.chance(4);
  switch (choices.below(8)) {
  default:
    options["bits"] = 8;
    break;
  case 1:
  case 2:
  case 3:
    options["bits"] = choices.pick(kNarrow);
    break;
  case 4:
    options["bits"] = 16;
    break;
  case 5:
    options["bits"] = "none";
    break;
  }
  options["scheme"] = choices.pick(quant::kSchemeWords);
  constexpr std::string_view kOfIntegers[] = {"tensor", "channel", "group"};
  const std::string_view strategy = choices.pick(kOfIntegers);
  int64_t group = choices.pick(kGroups);
  if (strategy == "group" && group == -1) {
    group = 16;
  }
  options["strategy"] = strategy;
  options["groupSize"] = group;
  options["method"] = choices.pick(kMethods);
  options["mode"] = choices.pick(execute::kActivationWords);
  options["calibration"] = nullptr;
  if (options["mode"] == "static" || choices.chance(4)) {
    options["calibration"] = make_calibration(choices, catalog);
  }
  options["observer"] = choices.pick(quant::kObserverWords);
  options["percentile"] = choices.pick(kPercentiles);
  options["minInputSqnr"] = choices.flag() ? 20 : 0;
  options["inputScheme"] = choices.pick(quant::kSchemeWords);
  options["floatType"] = choices.flag() ? "BF16" : "F16";
  options["layers"] = make_layers(choices);
  options["defaultIgnore"] = choices.flag();
  options["minElements"] = choices.pick(kMinElements);
  options["ignore"] = choices.chance(3) ? make_indices(choices, count) : Json::array();
  options["overrides"] = Json::array();
  while (options["overrides"].size() < 3 && choices.chance(3)) {
    options["overrides"].push_back(make_override(choices, count));
  }
  if (choices.chance(12)) { // the default, named
    options["format"] = layout::layouts()[0]->name;
  } else if (choices.chance(5)) {
    take_format(choices, options);
  }
  if (choices.chance(8)) {
    options["dequantizedType"] = choices.flag() ? "F32" : "auto";
  }
  options["unfit"] = Json::array();
  if (choices.chance(4)) {
    options["scaleType"] = choices.pick(kScaleTypes);
  }
  if (choices.chance(6)) {
    options["method"] = "auto";
  }
  if (choices.chance(6)) {
    options["biasCorrection"] = choices.pick(plan::kBiasCorrectionWords);
  }
  return options;
}

} // namespace monoquant::fuzz
