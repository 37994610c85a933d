// Any text as options: refused in words, or every value is in range and a plan can be made with them.
// It exists because options come from programs and files of others, and the engine believes what it has parsed.
// The first byte chooses: odd the text itself, even valid options in which something was changed.
#include "generate/options.h"
#include <algorithm>

#include "generate/documents.h"
#include "monoquant/plan/plan.h"
#include "properties.h"
#include "support/catalog_builder.h"

namespace monoquant::fuzz {
namespace {

catalog::Catalog planned_model() {
  auto catalog = test::make_catalog({{"a.q_proj.weight", {64, 32}},
                                     {"a.k_proj.weight", {32, 32}, Dtype::kF32},
                                     {"conv.weight", {8, 4, 3, 3}},
                                     {"lstm.weight_ih_l0", {32, 8}},
                                     {"lstm.weight_hh_l0", {32, 8}},
                                     {"mlp.experts.w", {2, 16, 32}},
                                     {"norm.weight", {64}},
                                     {"ids", {3}, Dtype::kI64}});
  test::add_tie(catalog, "head.weight", "a.q_proj.weight");
  return catalog;
}

void check_ranges(const plan::Options &options, size_t tensors) {
  const auto is_index = [&](size_t index) { return index < tensors; };
  const auto all = [&](const std::vector<size_t> &list) {
    return std::all_of(list.begin(), list.end(), is_index);
  };
  const plan::Treatment &treatment = options.treatment;
  const bool are_codes = treatment.bits >= 2 && treatment.bits <= 8;
  require(options.copy_all || are_codes || treatment.bits == 16);
  require(treatment.strategy != quant::Strategy::kGroup || treatment.group_size > 0);
  require(options.percentile > 50 && options.percentile <= 100);
  require(all(options.ignore));
  require(!options.static_inputs() || options.calibration != nullptr);
  for (const plan::Override &override : options.overrides) {
    require(all(override.tensors) && override.group_size.value_or(-1) != 0);
  }
  for (const plan::Unfit &unfit : options.unfit) {
    require(is_index(unfit.tensor));
  }
}

} // namespace

void check_options(Input input) {
  Choices choices(input);
  const catalog::Catalog catalog = planned_model();
  const std::string text =
      choices.flag() ? std::string(choices.rest().begin(), choices.rest().end())
                     : document_text(make_damaged(choices, make_options(choices, catalog)));
  const auto options = plan::parse_options(text, catalog.tensors.size());
  if (!options) {
    require(options.error().code == ErrorCode::kInvalidOptions, "wrong options are called so");
    require(!options.error().message.empty(), "a refusal is said in words");
    return;
  }
  check_ranges(options.value(), catalog.tensors.size());
  const auto plan = plan::make_plan(catalog, options.value());
  require(plan.has_value(), "options that were taken are planned with",
          plan ? "" : plan.error().message);
  require(parse_json(plan::plan_json(plan.value())).is_object(), "plans are JSON");
}

} // namespace monoquant::fuzz
