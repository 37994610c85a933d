// Outputs of several files: each is a safetensors file, and together they hold what one file would.
#include "monoquant/plan/division.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::plan {
namespace {

using test::Bytes;
using test::MemoryRun;
using test::Random;

Bytes model_of_layers(size_t layers) {
  Random random(70);
  std::vector<test::FileTensor> tensors;
  for (size_t i = 0; i < layers; ++i) {
    tensors.push_back(test::random_weights(random, concat("layers.", i, ".weight"), Dtype::kF32,
                                           {8, 64 + 64 * random.below(3)}));
    tensors.push_back(
        test::random_weights(random, concat("layers.", i, ".bias"), Dtype::kF32, {8}));
  }
  tensors.push_back(test::random_bytes(random, "nothing", Dtype::kF32, {0}));
  return test::make_file(tensors, {{"format", "pt"}, {"note", "kept"}});
}

Json divided_by_size(Json options, uint64_t bytes) {
  options["maxFileBytes"] = bytes;
  return options;
}

Bytes file_at(const MemoryRun &run, size_t file) {
  const auto [begin, bytes] = run.plan().files[file];
  const auto from = run.output().begin() + static_cast<std::ptrdiff_t>(begin);
  return {from, from + static_cast<std::ptrdiff_t>(bytes)};
}

/// The bytes of every tensor of the output, by name; each is in one file only.
std::map<std::string, Bytes> tensors_of(const MemoryRun &run) {
  std::map<std::string, Bytes> tensors;
  for (size_t i = 0; i < run.plan().files.size(); ++i) {
    const Bytes file = file_at(run, i);
    const auto catalog = test::inspect(file);
    EXPECT_TRUE(catalog) << catalog.error().message;
    EXPECT_EQ(catalog.value().file_bytes, file.size());
    for (const catalog::Tensor &tensor : catalog.value().tensors) {
      const auto from = file.begin() + static_cast<std::ptrdiff_t>(tensor.offset);
      const Bytes bytes(from, from + static_cast<std::ptrdiff_t>(tensor.bytes));
      EXPECT_TRUE(tensors.emplace(tensor.name, bytes).second) << tensor.name;
    }
  }
  return tensors;
}

/// Of tensors alone, in one file.
uint64_t data_bytes(const MemoryRun &run, size_t file) {
  uint64_t bytes = 0;
  const Bytes content = file_at(run, file);
  const auto catalog = test::inspect(content);
  for (const catalog::Tensor &tensor : catalog.value().tensors) {
    bytes += tensor.bytes;
  }
  return bytes;
}

TEST(Division, is_one_file_by_default) {
  const Bytes model = model_of_layers(3);
  const Plan plan = test::plan_for(model, test::default_options());
  ASSERT_EQ(plan.files.size(), 1U);
  EXPECT_EQ(plan.files[0].begin, 0U);
  EXPECT_EQ(plan.files[0].bytes, plan.file_bytes);
  // More room than it needs changes nothing.
  const Plan roomy = test::plan_for(model, divided_by_size(test::default_options(), 1U << 30U));
  EXPECT_EQ(roomy.files.size(), 1U);
  EXPECT_EQ(roomy.fixed[0].bytes, plan.fixed[0].bytes);
}

TEST(Division, by_size_holds_what_one_file_would_whoever_writes_it) {
  const Bytes model = model_of_layers(9);
  for (const Json &options :
       {test::default_options(), test::asymmetric_int4(), test::float_options("BF16")}) {
    const auto expected = tensors_of(MemoryRun(test::plan_for(model, options), model));
    for (const uint64_t most : {1U, 700U, 3000U}) {
      for (const uint64_t shares : {1U, 3U}) {
        const MemoryRun run(test::plan_for(model, divided_by_size(options, most)), model,
                            {size_t{1} << 20U, 1, 2, shares});
        EXPECT_GT(run.plan().files.size(), 1U);
        EXPECT_EQ(tensors_of(run), expected) << most;
        const auto verified = run.verify(run.output());
        EXPECT_TRUE(verified) << verified.error().message;
      }
    }
  }
}

TEST(Division, by_size_keeps_to_it_unless_one_tensor_is_larger) {
  const Bytes model = model_of_layers(9);
  const auto catalog = test::inspect(model);
  constexpr uint64_t kMost = 2000;
  const MemoryRun run(test::plan_for(model, divided_by_size(test::default_options(), kMost)),
                      model);
  size_t last = 0;
  std::map<size_t, std::set<size_t>> held; // tensors of the source by file
  for (size_t i = 0; i < run.plan().tensors.size(); ++i) {
    std::set<size_t> files;
    for (const Output &output : outputs(run.plan(), i)) {
      files.insert(file_of(run.plan(), output));
    }
    ASSERT_EQ(files.size(), 1U) << "codes and scales stay together";
    EXPECT_GE(*files.begin(), last) << "tensors stay in the order of the source";
    last = *files.begin();
    held[last].insert(i);
  }
  for (size_t file = 0; file < run.plan().files.size(); ++file) {
    EXPECT_FALSE(held[file].empty());
    EXPECT_TRUE(data_bytes(run, file) <= kMost || held[file].size() == 1) << file;
  }
}

TEST(Division, follows_that_of_the_source) {
  const Bytes model = model_of_layers(6);
  const auto catalog = test::inspect(model).value();
  Json options = test::int4_options(64);
  // Two files: what begins before the fifth tensor, and what is behind it; a third one that holds nothing.
  const uint64_t end = catalog.tensors[4].offset;
  options["fileEnds"] = {end, catalog.file_bytes + 1};
  const MemoryRun run(test::plan_for(model, options), model);
  ASSERT_EQ(run.plan().files.size(), 2U);
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    for (const Output &output : outputs(run.plan(), i)) {
      EXPECT_EQ(file_of(run.plan(), output), catalog.tensors[i].offset < end ? 0U : 1U)
          << output.name;
    }
  }
  const auto whole = tensors_of(MemoryRun(test::plan_for(model, test::int4_options(64)), model));
  EXPECT_EQ(tensors_of(run), whole);
}

TEST(Division, notes_what_is_said_of_the_model_in_the_first_file) {
  const Bytes model = model_of_layers(4);
  const MemoryRun run(test::plan_for(model, divided_by_size(test::default_options(), 1000)), model);
  for (size_t file = 0; file < run.plan().files.size(); ++file) {
    const auto catalog = test::inspect(file_at(run, file)).value();
    const std::map<std::string, std::string> notes(catalog.metadata.begin(),
                                                   catalog.metadata.end());
    EXPECT_EQ(notes.at("format"), "pt");
    EXPECT_EQ(notes.contains("note"), file == 0);
    EXPECT_EQ(notes.contains("quantization_config"), file == 0);
  }
}

TEST(Division, notes_a_tie_where_its_owner_is) {
  auto catalog = test::make_catalog({{"a.weight", {8, 64}}, {"b.weight", {8, 64}}});
  test::add_tie(catalog, "c.weight", "b.weight");
  const Plan plan = test::plan_for(catalog, divided_by_size(test::default_options(), 1));
  ASSERT_EQ(plan.files.size(), 2U);
  for (const Output &output : outputs(plan, 2)) {
    EXPECT_TRUE(output.alias);
    EXPECT_EQ(file_of(plan, output), 1U);
  }
  const Json second = Json::parse(plan.fixed[1].bytes.substr(8));
  EXPECT_EQ(second["__metadata__"]["c.weight"], "b.weight");
}

TEST(Division, finds_damage_in_any_file) {
  const Bytes model = model_of_layers(4);
  const MemoryRun run(test::plan_for(model, divided_by_size(test::default_options(), 1000)), model,
                      {size_t{1} << 20U, 1, 2, 2});
  ASSERT_TRUE(run.verify(run.output()));
  for (size_t at = 0; at < run.output().size(); at += 13) {
    Bytes damaged = run.output();
    damaged[at] = static_cast<uint8_t>(damaged[at] ^ 4U);
    ASSERT_FALSE(run.verify(damaged)) << at;
  }
}

TEST(Division, into_very_many_files_is_refused) {
  std::vector<test::Entry> entries;
  for (size_t i = 0; i < kMaxFiles + 1; ++i) {
    entries.push_back({concat("layers.", i, ".weight"), {8, 64}});
  }
  const auto catalog = test::make_catalog(std::move(entries));
  const auto options =
      parse_options(divided_by_size(test::default_options(), 1).dump(), catalog.tensors.size());
  const auto plan = make_plan(catalog, options.value());
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kLimitExceeded);
  EXPECT_NE(plan.error().message.find("found 1001"), std::string::npos) << plan.error().message;
}

TEST(Division, options_that_make_no_sense_are_refused) {
  for (const Json &ends : {Json::array({8, 7}), Json::array({-1}), Json::array({"8"}), Json("8")}) {
    Json options = test::default_options();
    options["fileEnds"] = ends;
    const auto parsed = parse_options(options.dump(), 1);
    ASSERT_FALSE(parsed) << ends;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidOptions);
  }
}

} // namespace
} // namespace monoquant::plan
