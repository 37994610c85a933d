// Any text as a calibration: refused in words, or it is written and read again without a change, and used.
// It exists because calibrations are files that people keep, edit and pass on.
// The first byte chooses: odd the text itself, even a valid calibration in which something was changed.
#include "monoquant/calibration/calibration.h"

#include <cmath>

#include "generate/calibration.h"
#include "generate/documents.h"
#include "monoquant/plan/plan.h"
#include "properties.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"

namespace monoquant::fuzz {
namespace {

catalog::Catalog small_model() {
  return test::make_catalog({{"fc.weight", {64, 32}},
                             {"a.q_proj.weight", {32, 16}},
                             {"a.k_proj.weight", {32, 16}},
                             {"a.v_proj.weight", {32, 16}},
                             {"conv.weight", {8, 4, 3, 3}},
                             {"lstm.weight_ih_l0", {32, 8}},
                             {"lstm.weight_hh_l0", {32, 8}}});
}

/// Whatever was measured, what is planned with it can be computed with.
void plan_with(const catalog::Catalog &catalog, const Json &calibration, bool is_static,
               bool symmetric) {
  Json options = is_static ? test::default_options() : test::int4_options(16);
  options["mode"] = is_static ? "static" : "weights-only";
  options["inputScheme"] = symmetric ? "symmetric" : "asymmetric";
  options["minElements"] = 0;
  options["calibration"] = calibration;
  const plan::Plan plan = test::plan_for(catalog, options);
  for (const plan::TensorPlan &entry : plan.tensors) {
    if (entry.input) {
      const quant::ActivationQparams &params = entry.input->params;
      require(std::isfinite(params.scale) && params.scale > 0, "scales of inputs are usable");
      require(params.zero_point >= -128 && params.zero_point <= 127);
    }
    const plan::Quantize *quantize = entry.quantize();
    if (quantize != nullptr && quantize->importance) {
      require(quantize->importance->size() == quantize->stored.columns,
              "every column has its importance");
      for (const float importance : *quantize->importance) {
        require(std::isfinite(importance) && importance >= 0, "importances are usable");
      }
    }
  }
}

} // namespace

void check_calibration(Input input) {
  Choices choices(input);
  const catalog::Catalog catalog = small_model();
  const std::string text =
      choices.flag() ? std::string(choices.rest().begin(), choices.rest().end())
                     : document_text(make_damaged(choices, make_calibration(choices, catalog)));
  const auto read = calibration::read_calibration(parse_json(text));
  if (!read) {
    require(read.error().code == ErrorCode::kInvalidOptions && !read.error().message.empty(),
            "a refusal is said in words");
    return;
  }
  const std::string written = calibration::calibration_json(read.value());
  const Json document = parse_json(written);
  const auto again = calibration::read_calibration(document);
  require(again.has_value(), "what was written is read", again ? "" : again.error().message);
  require(calibration::calibration_json(again.value()) == written, "reading changes nothing");
  plan_with(catalog, document, choices.flag(), choices.flag());
  plan_with(catalog, document, true, false);
}

} // namespace monoquant::fuzz
