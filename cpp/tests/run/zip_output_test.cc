// Zip archives that a run has written, read back by the engine's own reader.
#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::MemoryRun;
using test::Random;

/// A model in safetensors, with a name that is tied.
Bytes zipped_model() {
  Random random(150);
  return test::make_file({test::random_weights(random, "a.weight", Dtype::kF16, {8, 64}),
                          test::random_weights(random, "norm.weight", Dtype::kF32, {16}),
                          test::random_bytes(random, "ids", Dtype::kI64, {3}),
                          test::random_bytes(random, "flags", Dtype::kBool, {5}),
                          test::random_bytes(random, "none", Dtype::kF32, {0})},
                         {{"format", "pt"}, {"note", "kept"}, {"tied.weight", "a.weight"}});
}

Json zip_options() {
  Json options = test::int4_options(32);
  options["scheme"] = "asymmetric";
  options["container"] = "pt";
  options["defaultIgnore"] = false;
  options["minElements"] = 0;
  return options;
}

MemoryRun sealed_run(const Json &options, uint64_t shares) {
  const Bytes file = zipped_model();
  MemoryRun run(test::plan_for(file, options), file, {size_t{1} << 19U, 1, 2, shares});
  const auto sealed = run.seal();
  EXPECT_TRUE(sealed) << sealed.error().message;
  return run;
}

TEST(ZipOutput, is_read_as_it_was_planned) {
  const MemoryRun run = sealed_run(zip_options(), 2);
  const auto read = test::inspect(run.output());
  ASSERT_TRUE(read) << read.error().message;
  const catalog::Catalog &catalog = read.value();
  EXPECT_EQ(catalog.format, "torch-zip");
  EXPECT_TRUE(catalog.left_out.empty());
  size_t outputs = 0;
  for (const plan::TensorPlan &entry : run.plan().tensors) {
    for (const plan::Output &output : plan::outputs(run.plan(), entry.source)) {
      const catalog::Tensor &tensor = catalog.tensors[test::index_of(catalog, output.name)];
      EXPECT_EQ(tensor.dtype, output.dtype) << output.name;
      EXPECT_EQ(tensor.shape, output.shape) << output.name;
      EXPECT_EQ(tensor.offset, output.offset) << output.name;
      EXPECT_EQ(tensor.view, nullptr) << output.name << " is no plain run of bytes";
      ++outputs;
    }
  }
  EXPECT_EQ(catalog.tensors.size(), outputs);
  const auto same_tensor = [&](std::string_view a, std::string_view b) {
    const auto owner = [&](std::string_view name) {
      const size_t index = test::index_of(catalog, name);
      return catalog.tensors[index].tied_to.value_or(index);
    };
    return owner(a) == owner(b);
  };
  for (const std::string_view part : {"_packed", "_scale", "_zero_point", "_shape"}) {
    EXPECT_TRUE(same_tensor(concat("a.weight", part), concat("tied.weight", part))) << part;
  }
  EXPECT_FALSE(same_tensor("a.weight_scale", "a.weight_packed"));
}

TEST(ZipOutput, carries_metadata_and_configuration) {
  const auto read = test::inspect(sealed_run(zip_options(), 1).output());
  ASSERT_TRUE(read);
  std::map<std::string, std::string> metadata(read.value().metadata.begin(),
                                              read.value().metadata.end());
  EXPECT_EQ(metadata["note"], "kept");
  EXPECT_EQ(Json::parse(metadata["quantization_config"], nullptr, false)["quant_method"],
            "compressed-tensors");
}

TEST(ZipOutput, that_was_written_passes) {
  Json copy = zip_options();
  copy["bits"] = "none";
  Json twice = zip_options();
  twice["duplicateTies"] = true;
  Json safetensors = zip_options(); // where ties of quantized tensors are only noted
  safetensors["container"] = "safetensors";
  for (const Json &options : {zip_options(), copy, twice, safetensors}) {
    for (const uint64_t shares : {1U, 2U, 3U}) {
      const MemoryRun run = sealed_run(options, shares);
      const auto verified = run.verify(run.output());
      EXPECT_TRUE(verified) << verified.error().message;
    }
  }
}

TEST(ZipOutput, that_was_not_sealed_fails) {
  const Bytes file = zipped_model();
  const MemoryRun run(test::plan_for(file, zip_options()), file);
  EXPECT_FALSE(run.verify(run.output()));
}

TEST(ZipOutput, every_single_byte_counts) {
  const MemoryRun run = sealed_run(zip_options(), 2);
  Random random(151);
  for (size_t at = 0; at < run.output().size(); ++at) {
    Bytes damaged = run.output();
    damaged[at] = static_cast<uint8_t>(damaged[at] ^ (1U << random.below(8)));
    const auto verified = run.verify(damaged);
    ASSERT_FALSE(verified) << "byte " << at << " of " << damaged.size();
    ASSERT_FALSE(verified.error().message.empty());
  }
}

TEST(ZipOutput, truncation_at_any_length_fails) {
  const MemoryRun run = sealed_run(zip_options(), 1);
  for (size_t length = 0; length < run.output().size(); length += 5) {
    const auto end = run.output().begin() + static_cast<std::ptrdiff_t>(length);
    ASSERT_FALSE(run.verify(Bytes(run.output().begin(), end))) << length;
  }
  Bytes longer = run.output();
  longer.push_back(0);
  EXPECT_FALSE(run.verify(longer));
}

} // namespace
} // namespace monoquant::run
