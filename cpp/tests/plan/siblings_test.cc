#include "monoquant/plan/siblings.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"

namespace monoquant::plan {
namespace {

using test::Entry;

/// q, k and v of two layers, and a gate with its up; one of them is `odd`.
struct Family {
  std::vector<std::string> members;
};

const std::vector<Family> kFamilies = {
    {{"a.q_proj.weight", "a.k_proj.weight", "a.v_proj.weight"}},
    {{"a.self.query.weight", "a.self.key.weight", "a.self.value.weight"}},
    {{"mlp.gate_proj.weight", "mlp.up_proj.weight"}},
    {{"experts.0.w1.weight", "experts.0.w3.weight"}},
    {{"m.in_proj_qkv.weight", "m.in_proj_z.weight"}},
    {{"q_proj.weight", "k_proj.weight", "v_proj.weight"}},
};

std::vector<Entry> entries_of(const Family &family, size_t odd, const Entry &odd_one) {
  std::vector<Entry> entries;
  for (size_t i = 0; i < family.members.size(); ++i) {
    Entry entry = i == odd ? odd_one : Entry{"", {64, 128}};
    entry.name = family.members[i];
    entries.push_back(std::move(entry));
  }
  entries.push_back({"a.o_proj.weight", {64, 128}}); // no sibling of anything
  return entries;
}

bool has_warning(const Plan &plan, std::string_view code) {
  return std::any_of(plan.warnings.begin(), plan.warnings.end(),
                     [&](const Warning &warning) { return warning.code == code; });
}

TEST(Siblings, where_one_is_left_alone_all_are) {
  for (const Family &family : kFamilies) {
    for (size_t odd = 0; odd < family.members.size(); ++odd) {
      // Too small to be quantized.
      const Plan plan = test::plan_for(test::make_catalog(entries_of(family, odd, {"", {2, 128}})),
                                       test::default_options());
      for (size_t i = 0; i < family.members.size(); ++i) {
        EXPECT_EQ(reason_name(plan.tensors[i].reason), i == odd ? "small" : "sibling")
            << family.members[i];
        if (i != odd) {
          EXPECT_NE(plan.tensors[i].explanation.find(family.members[odd]), std::string::npos);
        }
      }
      EXPECT_EQ(plan.tensors.back().decision(), Decision::kQuantize);
      EXPECT_FALSE(has_warning(plan, "siblings-split"));
    }
  }
}

TEST(Siblings, of_different_groups_are_all_left_alone) {
  // One row can only be cut into groups of 64: a fused layer cannot have both.
  const Plan plan = test::plan_for(
      test::make_catalog({{"a.q_proj.weight", {64, 128}}, {"a.k_proj.weight", {64, 192}}}),
      test::int4_options(128));
  EXPECT_EQ(reason_name(plan.tensors[0].reason), "sibling");
  EXPECT_EQ(reason_name(plan.tensors[1].reason), "sibling");
}

TEST(Siblings, that_agree_are_quantized) {
  for (const Family &family : kFamilies) {
    const Plan plan =
        test::plan_for(test::make_catalog(entries_of(family, 99, {})), test::int4_options());
    for (const TensorPlan &entry : plan.tensors) {
      EXPECT_EQ(entry.decision(), Decision::kQuantize);
    }
  }
}

TEST(Siblings, that_the_user_splits_stay_split_and_are_warned_about) {
  for (const Family &family : kFamilies) {
    for (const Json &choice :
         {Json{{"ignore", {0}}}, Json{{"overrides", {{{"tensors", {0}}, {"bits", "none"}}}}},
          Json{{"overrides", {{{"tensors", {0}}, {"bits", 4}}}}}}) {
      Json options = test::default_options();
      options.update(choice);
      const Plan plan = test::plan_for(test::make_catalog(entries_of(family, 99, {})), options);
      EXPECT_EQ(plan.tensors[1].decision(), Decision::kQuantize) << choice;
      EXPECT_NE(reason_name(plan.tensors[0].reason), "sibling") << choice;
      EXPECT_TRUE(has_warning(plan, "siblings-split")) << choice;
    }
  }
}

/// Three experts with their router, and the same of the next layer.
std::vector<Entry> mixture(const std::vector<uint64_t> &odd) {
  std::vector<Entry> entries;
  for (const std::string_view layer : {"l.0.mlp.", "l.1.mlp."}) {
    entries.push_back({concat(layer, "gate.weight"), {64, 64}});
    for (const int expert : {0, 1, 2}) {
      for (const std::string_view part : {"gate_proj", "up_proj", "down_proj"}) {
        entries.push_back({concat(layer, "experts.", expert, ".", part, ".weight"), {64, 128}});
      }
    }
  }
  entries[5].shape = odd;
  return entries;
}

TEST(Siblings, experts_of_one_layer_are_left_alone_together) {
  const Plan plan = test::plan_for(test::make_catalog(mixture({2, 128})), test::default_options());
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const std::string &name = plan.catalog->tensors[i].name;
    const std::string_view expected = name.ends_with("mlp.gate.weight") ? "router"
                                      : i == 5                          ? "small"
                                      : name.starts_with("l.0")         ? "sibling"
                                                                        : "requested";
    EXPECT_EQ(reason_name(plan.tensors[i].reason), expected) << name;
  }
}

TEST(Siblings, experts_of_one_layer_have_one_group_size) {
  const Plan plan = test::plan_for(test::make_catalog(mixture({64, 192})), test::int4_options(128));
  for (const TensorPlan &entry : plan.tensors) {
    const std::string &name = plan.catalog->tensors[entry.source].name;
    if (const Quantize *quantize = entry.quantize()) {
      EXPECT_EQ(quantize->stored.scheme.group_size, name.starts_with("l.0") ? 64U : 128U) << name;
    }
  }
  EXPECT_EQ(plan.tensors[5].decision(), Decision::kQuantize);
}

TEST(Siblings, experts_that_the_user_splits_stay_split_and_are_warned_about) {
  Json options = test::default_options();
  options["ignore"] = {5, 6};
  const Plan plan = test::plan_for(test::make_catalog(mixture({64, 128})), options);
  EXPECT_EQ(reason_name(plan.tensors[5].reason), "ignored");
  EXPECT_EQ(plan.tensors[1].decision(), Decision::kQuantize);
  const auto warning =
      std::find_if(plan.warnings.begin(), plan.warnings.end(),
                   [](const Warning &entry) { return entry.code == "siblings-split"; });
  ASSERT_NE(warning, plan.warnings.end());
  EXPECT_NE(std::find(warning->tensors.begin(), warning->tensors.end(), "l.0.mlp.experts"),
            warning->tensors.end());
}

TEST(Siblings, of_other_layers_are_none_of_their_business) {
  const Plan plan = test::plan_for(test::make_catalog({{"layers.0.q_proj.weight", {2, 128}},
                                                       {"layers.1.k_proj.weight", {64, 128}},
                                                       {"layers.0.q_proj.bias", {2}},
                                                       {"layers.0.k_proj_x.weight", {64, 128}}}),
                                   test::default_options());
  EXPECT_EQ(plan.tensors[1].decision(), Decision::kQuantize);
  EXPECT_EQ(plan.tensors[3].decision(), Decision::kQuantize);
}

TEST(Siblings, are_decided_together_when_values_are_unfit) {
  Json options = test::default_options();
  options["unfit"] = Json::parse(R"([{"tensor":1,"reason":"non-finite","explanation":"NaN"}])");
  const Plan plan = test::plan_for(test::make_catalog(entries_of(kFamilies[0], 99, {})), options);
  EXPECT_EQ(reason_name(plan.tensors[0].reason), "sibling");
  EXPECT_EQ(reason_name(plan.tensors[1].reason), "non-finite");
  EXPECT_EQ(reason_name(plan.tensors[2].reason), "sibling");
}

TEST(Siblings, are_decided_together_when_a_name_is_taken) {
  std::vector<Entry> entries = entries_of(kFamilies[0], 99, {});
  entries.push_back({"a.k_proj.weight_scale", {64, 1}});
  const Plan plan = test::plan_for(test::make_catalog(entries), test::default_options());
  EXPECT_EQ(reason_name(plan.tensors[1].reason), "name-taken");
  EXPECT_EQ(plan.tensors[0].decision(), Decision::kCopy);
  EXPECT_EQ(plan.tensors[2].decision(), Decision::kCopy);
}

} // namespace
} // namespace monoquant::plan
