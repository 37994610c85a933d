// Reading one tensor of a file.
#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "monoquant/run/tensor_stage.h"
#include "support/catalog_builder.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::Random;

struct Taken {
  Bytes bytes;
  uint64_t read = 0; // bytes of the file
};

Taken taken(const Bytes &file, const catalog::Catalog &catalog, size_t tensor) {
  TensorStage stage(catalog, tensor, test::kSmallestBlock);
  Taken taken;
  taken.bytes.assign(static_cast<size_t>(stage.total_bytes()), 0xCC);
  const auto done = test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        taken.read += to.size();
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
      },
      [&](uint64_t offset, std::span<const uint8_t> bytes) {
        std::copy(bytes.begin(), bytes.end(),
                  taken.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
      });
  EXPECT_TRUE(done);
  EXPECT_EQ(stage.done_bytes(), stage.total_bytes());
  return taken;
}

TEST(TensorStage, hands_out_the_bytes_of_one_tensor_and_reads_no_other) {
  Random random(630);
  const std::vector<test::FileTensor> tensors = {
      test::random_bytes(random, "a", Dtype::kF64, {700, 800}), // more than one part
      test::random_bytes(random, "b", Dtype::kBool, {5}),
      test::random_bytes(random, "none", Dtype::kF32, {0, 3}),
      test::random_bytes(random, "c", Dtype::kBF16, {3, 1000})};
  const Bytes file = test::make_file(tensors);
  const auto catalog = test::inspect(file);
  ASSERT_TRUE(catalog);
  for (const test::FileTensor &tensor : tensors) {
    const Taken found = taken(file, catalog.value(), test::index_of(catalog.value(), tensor.name));
    EXPECT_EQ(found.bytes, tensor.bytes) << tensor.name;
    EXPECT_EQ(found.read, tensor.bytes.size()) << tensor.name;
  }
}

TEST(TensorStage, codes_come_out_as_values) {
  Random random(631);
  const Bytes source =
      test::make_file({test::random_weights(random, "w.weight", Dtype::kF32, {64, 256})});
  const test::MemoryRun run(test::plan_for(source, test::asymmetric_int4()), source);
  const auto catalog = test::inspect(run.output(), {{}, {}, false, true});
  Json options = test::default_options();
  options["bits"] = "none";
  options["dequantizedType"] = "F32";
  const test::MemoryRun values(test::plan_for(catalog.value(), options), run.output());
  EXPECT_EQ(taken(run.output(), catalog.value(), 0).bytes,
            test::parse_file(values.output()).tensors.at("w.weight").bytes);
}

} // namespace
} // namespace monoquant::run
