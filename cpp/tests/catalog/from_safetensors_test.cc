// Names that safetensors files only note in their metadata.
#include <gtest/gtest.h>

#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::catalog {
namespace {

using test::Bytes;
using test::Random;

Bytes file_with(const test::Metadata &metadata) {
  Random random(130);
  return test::make_file({test::random_weights(random, "embed.weight", Dtype::kF32, {64, 32}),
                          test::random_weights(random, "fc.weight", Dtype::kF16, {32, 32})},
                         metadata);
}

Catalog opened(const Bytes &file) {
  const auto catalog = test::inspect(file);
  EXPECT_TRUE(catalog) << catalog.error().message;
  return catalog.value();
}

TEST(FromSafetensors, dropped_names_come_back_as_ties) {
  const Catalog catalog = opened(file_with(
      {{"format", "pt"}, {"lm_head.weight", "embed.weight"}, {"head2.weight", "embed.weight"}}));
  ASSERT_EQ(catalog.tensors.size(), 4U);
  const size_t kept = test::index_of(catalog, "embed.weight");
  for (const std::string_view name : {"lm_head.weight", "head2.weight"}) {
    const Tensor &tied = catalog.tensors[test::index_of(catalog, name)];
    EXPECT_EQ(tied.tied_to, kept);
    EXPECT_EQ(tied.dtype, Dtype::kF32);
    EXPECT_EQ(tied.shape, (std::vector<uint64_t>{64, 32}));
    EXPECT_EQ(tied.offset, catalog.tensors[kept].offset);
    EXPECT_EQ(tied.bytes, catalog.tensors[kept].bytes);
  }
  EXPECT_EQ(catalog.tensors[kept].tied_to, std::nullopt);
  const std::vector<std::pair<std::string, std::string>> left = {{"format", "pt"}};
  EXPECT_EQ(catalog.metadata, left) << "a note that was understood is not kept";
}

TEST(FromSafetensors, other_metadata_stay_what_they_are) {
  const test::Metadata metadata = {{"format", "pt"},
                                   {"fc.weight", "embed.weight"}, // both are in the file
                                   {"lm_head.weight", "nobody.weight"},
                                   {"note", "embed"},
                                   {"chain", "chain"}};
  const Catalog catalog = opened(file_with(metadata));
  EXPECT_EQ(catalog.tensors.size(), 2U);
  EXPECT_EQ(catalog.metadata, metadata);
}

/// Everything of a catalog that a user would see of its tensors: names, types, shapes and ties.
std::map<std::string, std::tuple<Dtype, std::vector<uint64_t>, std::string>>
seen(const Catalog &catalog) {
  std::map<std::string, std::tuple<Dtype, std::vector<uint64_t>, std::string>> all;
  for (const Tensor &tensor : catalog.tensors) {
    all[tensor.name] = {tensor.dtype, tensor.shape,
                        tensor.tied_to ? catalog.tensors[*tensor.tied_to].name : ""};
  }
  return all;
}

Bytes converted(const Bytes &file, std::string_view container) {
  Json options = test::default_options();
  options["bits"] = "none";
  options["container"] = container;
  test::MemoryRun run(test::plan_for(file, options), file);
  const auto sealed = run.seal();
  EXPECT_TRUE(sealed) << sealed.error().message;
  const auto verified = run.verify(run.output());
  EXPECT_TRUE(verified) << verified.error().message;
  return run.output();
}

TEST(FromSafetensors, ties_survive_the_way_through_a_zip_archive_and_back) {
  const Bytes file = file_with({{"format", "pt"}, {"note", "kept"}, {"a_head", "embed.weight"}});
  const Bytes zip = converted(file, "pt");
  // Of names for the same bytes the model's own one is kept, the embedding, whichever sorts first.
  const auto unchanged = seen(opened(file));
  EXPECT_EQ(seen(opened(zip)), unchanged);

  const Bytes back = converted(zip, "safetensors");
  EXPECT_EQ(seen(opened(back)), unchanged);
  const auto before = test::parse_file(file).tensors;
  const auto after = test::parse_file(back);
  EXPECT_EQ(after.tensors.at("embed.weight").bytes, before.at("embed.weight").bytes);
  EXPECT_EQ(after.tensors.at("fc.weight"), before.at("fc.weight"));
  const Json &metadata = after.header["__metadata__"];
  EXPECT_EQ(metadata.value("a_head", ""), "embed.weight");
  EXPECT_EQ(metadata.value("note", ""), "kept");

  // From now on nothing changes any more.
  EXPECT_TRUE(converted(back, "safetensors") == back);
  const Bytes again = converted(zip, "pt"); // in the order that the kept name has now
  EXPECT_TRUE(converted(again, "pt") == again);
  EXPECT_EQ(seen(opened(again)), unchanged);
}

} // namespace
} // namespace monoquant::catalog
