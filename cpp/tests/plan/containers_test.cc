// The two kinds of files that are written: what each can hold, and where things lie in it.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "monoquant/base/text.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/random.h"

namespace monoquant::plan {
namespace {

using test::Entry;

Json in_container(std::string_view container, Json options = test::default_options()) {
  options["container"] = container;
  return options;
}

std::set<std::string_view> dropped(const catalog::Catalog &catalog, const Json &options) {
  const Plan plan = test::plan_for(catalog, options);
  std::set<std::string_view> types;
  std::vector<std::string> names;
  for (const TensorPlan &entry : plan.tensors) {
    const catalog::Tensor &tensor = plan.catalog->tensors[entry.source];
    const bool drop = entry.decision() == Decision::kDrop;
    EXPECT_EQ(outputs(plan, entry.source).empty(), drop) << tensor.name;
    EXPECT_EQ(entry.reason == Reason::kNotRepresentable, drop) << tensor.name;
    if (drop) {
      types.insert(dtype_name(tensor.dtype));
      names.push_back(tensor.name);
      EXPECT_NE(entry.explanation.find(dtype_name(tensor.dtype)), std::string::npos);
    }
  }
  const auto warning =
      std::find_if(plan.warnings.begin(), plan.warnings.end(),
                   [](const Warning &candidate) { return candidate.code == "dropped"; });
  if (names.empty()) {
    EXPECT_EQ(warning, plan.warnings.end());
  } else if (warning == plan.warnings.end() || warning->tensors != names) {
    ADD_FAILURE() << "no warning names what is missing in the output";
  }
  return types;
}

catalog::Catalog every_dtype() {
  std::vector<Entry> entries;
  for (int i = 0; i < kDtypeCount; ++i) {
    entries.push_back({concat("x", i), {4, 8}, static_cast<Dtype>(i)});
  }
  catalog::Catalog catalog = test::make_catalog(entries);
  test::add_tie(catalog, "tied", concat("x", static_cast<int>(Dtype::kC128)));
  return catalog;
}

TEST(Containers, drop_only_what_they_have_no_dtype_for) {
  const catalog::Catalog catalog = every_dtype();
  for (const Json &bits : {Json(8), Json("none")}) {
    Json options = test::default_options();
    options["bits"] = bits;
    using Names = std::set<std::string_view>;
    EXPECT_EQ(dropped(catalog, in_container("safetensors", options)), (Names{"C32", "C128"}));
    EXPECT_EQ(dropped(catalog, in_container("pt", options)), (Names{"F4", "F6_E2M3", "F6_E3M2"}));
  }
}

/// The message of a plan that is refused.
std::string refusal(const catalog::Catalog &catalog, const Json &options) {
  auto parsed = parse_options(options.dump(), catalog.tensors.size());
  const auto plan = make_plan(catalog, parsed.value());
  return plan ? "" : plan.error().message;
}

TEST(Containers, a_checkpoint_that_would_hold_nothing_is_refused) {
  const catalog::Catalog packed = test::make_catalog({{"x", {4, 8}, Dtype::kF4}});
  EXPECT_NE(refusal(packed, in_container("pt")).find("F4"), std::string::npos);
  EXPECT_EQ(refusal(packed, in_container("safetensors")), "");
  const catalog::Catalog complex = test::make_catalog({{"x", {4, 8}, Dtype::kC128}});
  EXPECT_EQ(refusal(complex, in_container("safetensors")), "") << "a file without tensors is one";
  EXPECT_EQ(refusal(complex, in_container("pt")), "");
}

TEST(Containers, refuse_a_name_that_means_something_else_in_them) {
  const catalog::Catalog catalog = test::make_catalog({{"__metadata__", {64, 64}}});
  EXPECT_NE(refusal(catalog, in_container("safetensors")).find("__metadata__"), std::string::npos);
  EXPECT_EQ(refusal(catalog, in_container("pt")), "");
}

TEST(Containers, copying_all_changes_no_tensor) {
  catalog::Catalog catalog = test::make_catalog(
      {{"a.weight", {64, 128}, Dtype::kF32}, {"norm.weight", {64}}, {"ids", {5}, Dtype::kI64}});
  test::add_tie(catalog, "b.weight", "a.weight");
  Json options = test::default_options();
  options["bits"] = "none";
  options["overrides"] = {{{"tensors", {0}}, {"bits", 4}}};
  for (const std::string_view container : {"safetensors", "pt"}) {
    const Plan plan = test::plan_for(catalog, in_container(container, options));
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(plan.tensors[i].decision(), Decision::kCopy);
      EXPECT_EQ(outputs(plan, i).at(0).dtype, catalog.tensors[i].dtype);
      EXPECT_EQ(outputs(plan, i).at(0).bytes, catalog.tensors[i].bytes);
    }
    EXPECT_EQ(plan.tensors[3].decision(), Decision::kTie);
    EXPECT_TRUE(plan.warnings.empty());
  }
}

/// A zip whose outputs are of every size from nothing on.
Plan zip_plan(test::Random &random) {
  std::vector<Entry> entries;
  for (uint64_t count = random.below(30); count > 0; --count) {
    static constexpr Dtype kTypes[] = {Dtype::kF32, Dtype::kBF16, Dtype::kU8, Dtype::kC128};
    entries.push_back({concat("layers.", entries.size(), std::string(random.index(100), 'x'),
                              random.chance(2) ? ".weight" : ".alpha"),
                       {random.below(100), random.below(100)},
                       random.pick(kTypes)});
  }
  catalog::Catalog catalog = test::make_catalog(entries);
  if (!entries.empty()) {
    test::add_tie(catalog, "tied.weight", entries[0].name);
  }
  if (random.chance(2)) {
    catalog.metadata = {{"format", "pt"}, {"note", "kept"}};
  }
  Json options =
      in_container("pt", random.chance(2) ? test::int4_options(32) : test::float_options("F16"));
  options["minElements"] = random.below(600);
  options["defaultIgnore"] = random.chance(2);
  return test::plan_for(catalog, options);
}

TEST(Containers, records_of_a_zip_lie_apart_at_multiples_of_64) {
  test::Random random(141);
  for (int round = 0; round < 300; ++round) {
    const Plan plan = zip_plan(random);
    uint64_t position = 0;
    std::set<std::string> names;
    for (const container::ZipRecord &record : plan.records) {
      ASSERT_EQ(record.header_offset, position);
      ASSERT_GE(record.offset, record.header_offset + 30 + record.name.size());
      ASSERT_EQ(record.offset % 64, 0U) << record.name;
      ASSERT_TRUE(names.insert(record.name).second) << record.name;
      position = record.offset + record.bytes;
    }
    ASSERT_EQ(plan.zip.directory_offset, position);
    ASSERT_EQ(plan.zip.file_bytes, plan.file_bytes);

    // Fixed bytes and tensors fill the records, one each.
    std::map<uint64_t, uint64_t> filled;
    for (const FixedBytes &fixed : plan.fixed) {
      filled[fixed.offset] += fixed.bytes.size();
    }
    size_t parts = plan.fixed.size();
    for (const TensorPlan &entry : plan.tensors) {
      for (const Output &output : outputs(plan, entry.source)) {
        const bool is_fixed = output.written == layout::Written::kFixed;
        parts += output.alias || is_fixed ? 0 : 1;
        filled[output.offset] += output.alias || is_fixed ? 0 : output.bytes;
      }
    }
    ASSERT_EQ(parts, plan.records.size());
    for (const container::ZipRecord &record : plan.records) {
      ASSERT_EQ(filled.at(record.offset), record.bytes) << record.name;
    }
  }
}

std::string_view fixed_text(const Plan &plan, std::string_view name) {
  for (size_t i = 0; i < plan.fixed.size(); ++i) {
    if (plan.records[i].name == name) {
      EXPECT_EQ(plan.fixed[i].offset, plan.records[i].offset);
      return plan.fixed[i].bytes;
    }
  }
  return {};
}

TEST(Containers, a_zip_says_beside_its_tensors_what_loaders_need) {
  catalog::Catalog catalog = test::make_catalog({{"a.weight", {64, 128}}});
  catalog.metadata = {{"format", "pt"}, {"note", "kept"}};
  const Plan plan = test::plan_for(catalog, in_container("pt"));
  EXPECT_EQ(plan.records[0].name, "archive/data.pkl");
  EXPECT_EQ(fixed_text(plan, "archive/byteorder"), "little");
  EXPECT_EQ(fixed_text(plan, "archive/version"), "3\n");
  const Json metadata = Json::parse(fixed_text(plan, "archive/metadata.json"));
  EXPECT_EQ(metadata["note"], "kept");
  EXPECT_FALSE(metadata.contains("format")) << "that speaks of safetensors";
  const Json config = Json::parse(metadata["quantization_config"].get<std::string>());
  EXPECT_EQ(config["quant_method"], "compressed-tensors");
}

} // namespace
} // namespace monoquant::plan
