// Tensors that share all their bytes: decided together, written once or once a name.
#include <gtest/gtest.h>

#include <set>

#include "monoquant/base/text.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::plan {
namespace {

using test::Entry;

/// A file with two matrices, the first of them under two more names.
catalog::Catalog tied_catalog() {
  catalog::Catalog catalog =
      test::make_catalog({{"enc.weight", {64, 128}, Dtype::kF32}, {"fc.weight", {64, 128}}});
  test::add_tie(catalog, "dec.weight", "enc.weight");
  test::add_tie(catalog, "out.weight", "enc.weight");
  return catalog;
}

constexpr size_t kOwner = 0;
constexpr size_t kOther = 1;
const std::vector<size_t> kAliases = {2, 3};

Json with(Json options, const std::string &key, Json value) {
  options[key] = std::move(value);
  return options;
}

Json quantizing_ties() { return with(test::default_options(), "defaultIgnore", false); }

/// The metadata of the safetensors file that is planned.
Json metadata_of(const Plan &plan) {
  return Json::parse(plan.fixed[0].bytes.substr(8))["__metadata__"];
}

void expect_aliases(const Plan &plan) {
  const std::string &owner = plan.catalog->tensors[kOwner].name;
  const std::vector<Output> kept = outputs(plan, kOwner);
  for (const size_t i : kAliases) {
    const TensorPlan &entry = plan.tensors[i];
    EXPECT_EQ(entry.decision(), Decision::kTie);
    EXPECT_EQ(entry.reason, Reason::kTied);
    ASSERT_EQ(outputs(plan, entry.source).size(), kept.size());
    for (size_t part = 0; part < kept.size(); ++part) {
      const Output alias = outputs(plan, entry.source)[part];
      EXPECT_TRUE(alias.alias);
      EXPECT_FALSE(kept[part].alias);
      EXPECT_EQ(alias.name, plan.catalog->tensors[i].name + kept[part].name.substr(owner.size()));
      EXPECT_EQ(alias.offset, kept[part].offset);
      EXPECT_EQ(alias.bytes, kept[part].bytes);
      EXPECT_EQ(alias.shape, kept[part].shape);
      EXPECT_EQ(alias.dtype, kept[part].dtype);
    }
  }
}

TEST(Ties, are_left_alone_by_default) {
  const Plan plan = test::plan_for(tied_catalog(), test::default_options());
  EXPECT_EQ(plan.tensors[kOwner].decision(), Decision::kCopy);
  EXPECT_EQ(plan.tensors[kOwner].reason, Reason::kTied);
  EXPECT_EQ(plan.tensors[kOther].decision(), Decision::kQuantize);
  expect_aliases(plan);
}

TEST(Ties, are_converted_like_any_other_tensor) {
  const Plan plan = test::plan_for(tied_catalog(), test::float_options("F16"));
  EXPECT_EQ(plan.tensors[kOwner].decision(), Decision::kConvert);
  expect_aliases(plan);
}

TEST(Ties, dropped_names_are_noted_beside_the_kept_ones) {
  const Plan copied = test::plan_for(tied_catalog(), test::default_options());
  EXPECT_EQ(metadata_of(copied).value("dec.weight", ""), "enc.weight");
  EXPECT_EQ(metadata_of(copied).value("out.weight", ""), "enc.weight");
  EXPECT_FALSE(metadata_of(copied).contains("enc.weight"));
  EXPECT_FALSE(metadata_of(copied).contains("fc.weight"));
}

TEST(Ties, every_part_of_a_quantized_tensor_is_noted) {
  Json options = with(test::int4_options(32), "defaultIgnore", false);
  options["scheme"] = "asymmetric";
  const Plan plan = test::plan_for(tied_catalog(), options);
  EXPECT_EQ(plan.tensors[kOwner].decision(), Decision::kQuantize);
  expect_aliases(plan);
  const Json metadata = metadata_of(plan);
  for (const std::string_view name : {"dec.weight", "out.weight"}) {
    for (const std::string_view part : {"_packed", "_scale", "_zero_point", "_shape"}) {
      EXPECT_EQ(metadata.value(concat(name, part), ""), concat("enc.weight", part));
    }
    EXPECT_FALSE(metadata.contains(name)) << "no tensor of that name is in the file";
  }
}

TEST(Ties, are_not_made_of_notes_that_name_an_output) {
  catalog::Catalog catalog = tied_catalog();
  catalog.metadata = {{"note", "fc.weight_scale"},   // there with codes only
                      {"dec.weight", "of somebody"}, // the place of a tie's own note
                      {"fc.weight", "enc.weight"},   // of a tensor that is there: no tie
                      {"author", "somebody"}};
  const Plan plan = test::plan_for(catalog, test::default_options());
  const Json metadata = metadata_of(plan);
  EXPECT_FALSE(metadata.contains("note"));
  EXPECT_EQ(metadata.value("dec.weight", ""), "enc.weight");
  EXPECT_EQ(metadata.value("fc.weight", ""), "enc.weight");
  EXPECT_EQ(metadata.value("author", ""), "somebody");
  size_t told = 0;
  for (const Warning &warning : plan.warnings) {
    told += warning.code == "dropped" ? 1U : 0U;
  }
  EXPECT_EQ(told, 2U);
  const Plan floats = test::plan_for(catalog, test::float_options("F16"));
  EXPECT_EQ(metadata_of(floats).value("note", ""), "fc.weight_scale");
}

TEST(Ties, are_quantized_where_one_says_so) {
  EXPECT_EQ(test::plan_for(tied_catalog(), quantizing_ties()).tensors[kOwner].decision(),
            Decision::kQuantize);
  // What is said of any of the names is said of all of them.
  for (const size_t named : {size_t{0}, size_t{2}, size_t{3}}) {
    Json options = test::default_options();
    options["overrides"] = {{{"tensors", {named}}, {"bits", 8}}};
    for (const bool duplicate : {false, true}) {
      options["duplicateTies"] = duplicate;
      const Plan plan = test::plan_for(tied_catalog(), options);
      EXPECT_EQ(plan.tensors[kOwner].decision(), Decision::kQuantize) << named;
      EXPECT_EQ(plan.tensors[kOwner].reason, Reason::kOverride) << named;
      for (const size_t i : kAliases) {
        EXPECT_EQ(plan.tensors[i].decision(), duplicate ? Decision::kQuantize : Decision::kTie);
      }
    }
  }
}

TEST(Ties, are_ignored_where_one_name_is) {
  for (const size_t named : {size_t{0}, size_t{2}, size_t{3}}) {
    for (const bool duplicate : {false, true}) {
      Json options = with(quantizing_ties(), "duplicateTies", duplicate);
      options["ignore"] = {named};
      const Plan plan = test::plan_for(tied_catalog(), options);
      EXPECT_EQ(plan.tensors[kOwner].reason, Reason::kIgnored);
      EXPECT_EQ(plan.tensors[kOther].decision(), Decision::kQuantize);
      options.erase("ignore");
      options["ignore"] = Json::array();
      options["unfit"] = {{{"tensor", named}, {"reason", "non-finite"}, {"explanation", "NaN"}}};
      EXPECT_EQ(test::plan_for(tied_catalog(), options).tensors[kOwner].reason, Reason::kNonFinite);
    }
  }
}

TEST(Ties, are_written_once_a_name_where_that_is_wanted) {
  const Plan once = test::plan_for(tied_catalog(), quantizing_ties());
  const Plan plan = test::plan_for(tied_catalog(), with(quantizing_ties(), "duplicateTies", true));
  std::set<uint64_t> offsets;
  for (const TensorPlan &entry : plan.tensors) {
    EXPECT_EQ(entry.decision(), Decision::kQuantize);
    for (const Output &output : outputs(plan, entry.source)) {
      EXPECT_FALSE(output.alias);
      EXPECT_TRUE(offsets.insert(output.offset).second);
    }
  }
  EXPECT_FALSE(metadata_of(plan).contains("dec.weight"));
  EXPECT_GT(plan.file_bytes, once.file_bytes + 2 * 64 * 128);
}

/// Quantized or not: the same for all names of a tensor.
bool agree(const Plan &plan) {
  for (const TensorPlan &entry : plan.tensors) {
    const auto owner = plan.catalog->tensors[entry.source].tied_to;
    const bool tie = entry.decision() == Decision::kTie;
    if (owner && !tie &&
        (entry.decision() == Decision::kQuantize) !=
            (plan.tensors[*owner].decision() == Decision::kQuantize)) {
      return false;
    }
  }
  return true;
}

TEST(Ties, are_never_half_quantized_because_one_name_is_of_another_kind) {
  catalog::Catalog catalog = test::make_catalog({{"a.fc.weight", {64, 128}}});
  test::add_tie(catalog, "embed_tokens.weight", "a.fc.weight");
  Json options = with(test::default_options(), "duplicateTies", true);
  options["layers"].push_back("embedding");
  ASSERT_EQ(catalog.tensors[1].kind, catalog::LayerKind::kEmbedding);
  options["defaultIgnore"] = false;
  EXPECT_EQ(test::plan_for(catalog, options).tensors[1].decision(), Decision::kQuantize);
  options["layers"] = {"embedding"}; // linear ones are not selected
  const Plan plan = test::plan_for(catalog, options);
  EXPECT_EQ(plan.tensors[0].reason, Reason::kLayerNotSelected);
  EXPECT_EQ(plan.tensors[1].reason, Reason::kTied);
}

TEST(Ties, are_left_alone_where_a_name_of_any_of_them_is_taken) {
  for (const std::string_view taken : {"enc.weight_scale", "dec.weight_scale"}) {
    for (const bool duplicate : {false, true}) {
      catalog::Catalog catalog = test::make_catalog(
          {{"enc.weight", {64, 128}, Dtype::kF32}, {std::string(taken), {64, 1}}});
      test::add_tie(catalog, "dec.weight", "enc.weight");
      const Plan plan =
          test::plan_for(catalog, with(quantizing_ties(), "duplicateTies", duplicate));
      EXPECT_EQ(plan.tensors[0].decision(), Decision::kCopy) << taken;
      EXPECT_EQ(plan.tensors[0].reason, Reason::kNameTaken) << taken;
      EXPECT_TRUE(agree(plan));
    }
  }
}

/// Two layers that share q; something keeps k of the first from being quantized.
catalog::Catalog shared_attention() {
  catalog::Catalog catalog = test::make_catalog({{"l0.q_proj.weight", {64, 128}},
                                                 {"l0.k_proj.weight", {2, 128}}, // too small
                                                 {"l0.v_proj.weight", {64, 128}},
                                                 {"l1.k_proj.weight", {64, 128}},
                                                 {"l1.v_proj.weight", {64, 128}}});
  test::add_tie(catalog, "l1.q_proj.weight", "l0.q_proj.weight");
  return catalog;
}

TEST(Ties, and_siblings_are_decided_together) {
  for (const bool duplicate : {false, true}) {
    const Plan plan =
        test::plan_for(shared_attention(), with(quantizing_ties(), "duplicateTies", duplicate));
    EXPECT_TRUE(agree(plan));
    for (const TensorPlan &entry : plan.tensors) {
      EXPECT_NE(entry.decision(), Decision::kQuantize)
          << plan.catalog->tensors[entry.source].name << " would be fused with what is left alone";
    }
  }
}

TEST(Ties, with_siblings_that_agree_are_quantized) {
  catalog::Catalog catalog = shared_attention();
  catalog.tensors[1].shape = {64, 128};
  catalog.tensors[1].elements = 64 * 128;
  for (const bool duplicate : {false, true}) {
    const Plan plan = test::plan_for(catalog, with(quantizing_ties(), "duplicateTies", duplicate));
    for (const TensorPlan &entry : plan.tensors) {
      EXPECT_NE(entry.decision(), Decision::kCopy) << plan.catalog->tensors[entry.source].name;
    }
  }
}

TEST(Ties, agree_in_any_catalog) {
  test::Random random(140);
  static constexpr std::string_view kNames[] = {"q_proj", "k_proj",  "v_proj", "fc",
                                                "norm",   "lm_head", "embed"};
  for (int round = 0; round < 500; ++round) {
    std::vector<Entry> entries;
    for (const std::string_view name : kNames) {
      entries.push_back({concat("l0.", name, ".weight"), {64, 128}});
    }
    if (random.chance(3)) {
      entries.push_back({"l1.fc.weight_scale", {64, 1}});
    }
    catalog::Catalog catalog = test::make_catalog(entries);
    for (const std::string_view name : kNames) {
      if (random.chance(2)) {
        test::add_tie(catalog, concat("l1.", name, ".weight"),
                      concat("l0.", random.pick(kNames), ".weight"));
      }
    }
    Json options = random.chance(2) ? test::default_options() : test::int4_options(32);
    options["container"] = random.chance(2) ? "pt" : "safetensors";
    options["duplicateTies"] = random.chance(2);
    options["defaultIgnore"] = random.chance(3);
    if (random.chance(3)) {
      options["ignore"].push_back(random.index(catalog.tensors.size()));
    }
    if (random.chance(3)) {
      options["overrides"].push_back(
          {{"tensors", {random.index(catalog.tensors.size())}}, {"bits", 8}});
    }
    const Plan plan = test::plan_for(catalog, options);
    ASSERT_TRUE(agree(plan)) << options;
    std::set<std::string> names;
    for (const TensorPlan &entry : plan.tensors) {
      ASSERT_FALSE(outputs(plan, entry.source).empty());
      for (const Output &output : outputs(plan, entry.source)) {
        ASSERT_TRUE(names.insert(output.name).second) << output.name;
        ASSERT_LE(output.offset + output.bytes, plan.file_bytes);
      }
    }
  }
}

} // namespace
} // namespace monoquant::plan
