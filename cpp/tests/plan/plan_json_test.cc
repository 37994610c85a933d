#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "monoquant/plan/plan.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"

namespace monoquant::plan {
namespace {

using test::Entry;

TEST(PlanJson, says_what_happens_to_every_tensor) {
  const Plan plan = test::plan_for(
      test::make_catalog({{"l.weight", {64, 128}}, {"norm.weight", {64}}}), test::int4_options(64));
  const Json json = Json::parse(plan_json(plan), nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  ASSERT_EQ(json["tensors"].size(), 2U);
  const Json &weight = json["tensors"][0];
  EXPECT_EQ(weight["name"], "l.weight");
  EXPECT_EQ(weight["kind"], "linear");
  EXPECT_EQ(weight["dtype"], "BF16");
  EXPECT_EQ(weight["shape"], Json::array({64, 128}));
  EXPECT_EQ(weight["bytes"], 64 * 128 * 2);
  EXPECT_EQ(weight["decision"], "quantize");
  EXPECT_EQ(weight["reason"], "requested");
  EXPECT_EQ(weight["explanation"], "INT4, groups of 64");
  EXPECT_EQ(weight["quantization"],
            Json::parse(R"({"bits":4,"scheme":"symmetric","strategy":"group",
    "groupSize":64,"scaleDtype":"BF16","method":"rtn"})"));
  EXPECT_EQ(
      weight["outputs"][0],
      Json::parse(R"({"name":"l.weight_packed","dtype":"I32","shape":[64,16],"bytes":4096})"));
  const Json &norm = json["tensors"][1];
  EXPECT_EQ(norm["decision"], "copy");
  EXPECT_EQ(norm["reason"], "norm");
  EXPECT_FALSE(norm.contains("quantization"));
  EXPECT_EQ(norm["outputs"].size(), 1U);
}

TEST(PlanJson, sizes_are_bytes_on_disk) {
  const Plan plan = test::plan_for(test::make_catalog({{"l.weight", {64, 128}, Dtype::kF32},
                                                       {"norm.weight", {64}, Dtype::kF32}}),
                                   test::default_options());
  const Json sizes = Json::parse(plan_json(plan))["sizes"];
  EXPECT_EQ(sizes["sourceBytes"], plan.catalog->file_bytes);
  EXPECT_EQ(sizes["outputBytes"], plan.file_bytes);
  EXPECT_EQ(sizes["parameters"], 64 * 128 + 64);
  EXPECT_EQ(sizes["quantizedParameters"], 64 * 128);
  const double bits = 8.0 * (64 * 128 + 64 * 4 + 64 * 4) / (64 * 128 + 64);
  EXPECT_DOUBLE_EQ(sizes["bitsPerWeight"].get<double>(), bits);
}

TEST(PlanJson, no_parameters_make_no_nan) {
  const Json sizes =
      Json::parse(plan_json(test::plan_for(catalog::Catalog{}, test::default_options())))["sizes"];
  EXPECT_EQ(sizes["bitsPerWeight"], 0.0);
}

TEST(PlanJson, a_warning_names_twenty_tensors_at_most) {
  std::vector<Entry> entries(30);
  for (size_t i = 0; i < entries.size(); ++i) {
    entries[i] = {concat("l.", i, ".weight"), {64, 48}};
  }
  const Plan plan = test::plan_for(test::make_catalog(entries), test::int4_options(32));
  const Json warnings = Json::parse(plan_json(plan))["warnings"];
  bool found = false;
  for (const Json &warning : warnings) {
    if (warning["code"] == "group-fallback") {
      found = true;
      EXPECT_EQ(warning["tensors"].size(), 20U);
      EXPECT_EQ(warning["total"], 30);
      EXPECT_FALSE(warning["message"].get<std::string>().empty());
    }
  }
  EXPECT_TRUE(found);
}

TEST(PlanJson, names_of_any_kind_stay_json) {
  const Plan plan =
      test::plan_for(test::make_catalog({{"\"\\\n\t.weight", {64, 64}}, {"\xFF.weight", {64, 64}}}),
                     test::default_options());
  EXPECT_TRUE(Json::accept(plan_json(plan)));
}

} // namespace
} // namespace monoquant::plan
