// Which biases make up for their weights' errors, and which stay as they are.
#include "monoquant/plan/bias_correction.h"

#include <gtest/gtest.h>

#include "support/catalog_builder.h"
#include "support/given_means.h"
#include "support/memory_host.h"

namespace monoquant::plan {
namespace {

catalog::Catalog layers_with_biases() {
  return test::make_catalog({{"fc.weight", {32, 64}, Dtype::kF32},
                             {"fc.bias", {32}, Dtype::kF32},
                             {"half.weight", {32, 64}, Dtype::kF16},
                             {"half.bias", {32}, Dtype::kBF16},
                             {"conv.weight", {16, 32, 3, 3}, Dtype::kF32},
                             {"conv.bias", {16}, Dtype::kF32},
                             {"wide.weight", {32, 64}, Dtype::kF32},
                             {"wide.bias", {32}, Dtype::kF64},
                             {"odd.weight", {32, 64}, Dtype::kF32},
                             {"odd.bias", {16}, Dtype::kF32},
                             {"bare.weight", {32, 64}, Dtype::kF32},
                             {"alone.weight", {32, 64}, Dtype::kI32},
                             {"alone.bias", {32}, Dtype::kF32},
                             {"norm.weight", {64}, Dtype::kF32},
                             {"norm.bias", {64}, Dtype::kF32}});
}

std::vector<std::string> corrected_in(const Plan &plan) {
  std::vector<std::string> names;
  for (const TensorPlan &entry : plan.tensors) {
    if (const auto *correct = std::get_if<Correct>(&entry.action)) {
      names.push_back(plan.catalog->tensors[entry.source].name);
      const Quantize *quantize = plan.tensors[correct->weight].quantize();
      EXPECT_TRUE(quantize != nullptr && quantize->correction);
      EXPECT_EQ(quantize->correction->bias, entry.source);
      const std::vector<Output> written = outputs(plan, entry.source);
      EXPECT_EQ(written.size(), 1U);
      EXPECT_EQ(written[0].name, names.back());
      EXPECT_EQ(written[0].dtype, plan.catalog->tensors[entry.source].dtype);
    }
  }
  return names;
}

Plan plan_with(Json options, const char *choice = nullptr) {
  const catalog::Catalog catalog = layers_with_biases();
  if (choice != nullptr) {
    options["biasCorrection"] = choice;
  }
  return test::plan_for(catalog, test::with_means(catalog, std::move(options)));
}

using Names = std::vector<std::string>;
const Names kCorrectable = {"fc.bias", "half.bias", "conv.bias"};

TEST(BiasCorrector, takes_biases_of_few_bits_where_means_are_known) {
  EXPECT_EQ(corrected_in(plan_with(test::int4_options(32))), kCorrectable);
  EXPECT_EQ(corrected_in(plan_with(test::int4_options(32), "on")), kCorrectable);
  EXPECT_EQ(corrected_in(plan_with(test::int4_options(32), "off")), Names());
  EXPECT_EQ(corrected_in(plan_with(test::default_options())), Names());
  EXPECT_EQ(corrected_in(plan_with(test::default_options(), "on")), kCorrectable);
  EXPECT_EQ(corrected_in(plan_with(test::float_options("F16"), "on")), Names());
}

TEST(BiasCorrector, needs_means) {
  const catalog::Catalog catalog = layers_with_biases();
  Json options = test::with_means(catalog, test::int4_options(32));
  for (auto &[name, module] : options["calibration"]["modules"].items()) {
    if (name == "fc") {
      module.erase("sums");
    }
  }
  options["calibration"]["modules"].erase("conv");
  EXPECT_EQ(corrected_in(test::plan_for(catalog, options)), Names({"half.bias"}));
  options["biasCorrection"] = "on";
  const Plan plan = test::plan_for(catalog, options);
  bool is_warned = false;
  for (const Warning &warning : plan.warnings) {
    is_warned = is_warned || (warning.code == "calibration-missing" &&
                              warning.tensors == Names({"fc.weight", "conv.weight"}));
  }
  EXPECT_TRUE(is_warned);
}

TEST(BiasCorrector, leaves_biases_alone_that_other_layers_share) {
  catalog::Catalog catalog = layers_with_biases();
  catalog.tensors[3].dtype = Dtype::kF32;
  catalog.tensors[3].tied_to = 1; // half.bias is fc.bias
  const Json options = test::with_means(catalog, test::int4_options(32));
  EXPECT_EQ(corrected_in(test::plan_for(catalog, options)), Names({"conv.bias"}));
}

TEST(BiasCorrector, notes_it_in_the_file) {
  const auto has_note = [](const Plan &plan) {
    const Json header = Json::parse(plan.fixed[0].bytes.substr(8));
    return header["__metadata__"].contains("corrected_biases");
  };
  EXPECT_TRUE(has_note(plan_with(test::int4_options(32))));
  EXPECT_FALSE(has_note(plan_with(test::int4_options(32), "off")));
}

} // namespace
} // namespace monoquant::plan
