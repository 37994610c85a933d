#include "monoquant/run/compare_stage.h"

#include <gtest/gtest.h>

#include <cmath>

#include "monoquant/base/bytes.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::MemoryRun;
using test::Random;

catalog::Catalog joined(const Bytes &file) {
  auto catalog = test::inspect(file, {{}, {}, false, true});
  EXPECT_TRUE(catalog);
  return catalog ? catalog.value() : catalog::Catalog{};
}

/// The result of a comparison; `reference` may be missing.
Json compare(const Bytes &file, const Bytes *reference, size_t block_bytes = size_t{1} << 20U) {
  const catalog::Catalog of_file = joined(file);
  const catalog::Catalog of_reference =
      reference == nullptr ? catalog::Catalog{} : joined(*reference);
  CompareStage stage(of_file, reference == nullptr ? nullptr : &of_reference, block_bytes);
  const auto done = test::drive(
      stage,
      [&](const ByteRange &read, std::span<uint8_t> into) {
        const Bytes &from = read.source == 0 ? file : *reference;
        ASSERT_LE(read.offset + into.size(), from.size());
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(read.offset), into.size(),
                    into.begin());
      },
      [](uint64_t, std::span<const uint8_t>) { FAIL() << "nothing is to be written"; });
  EXPECT_TRUE(done);
  EXPECT_EQ(stage.done_bytes(), stage.total_bytes());
  return Json::parse(stage.result_json())["tensors"];
}

std::vector<FileTensor> compared_model() {
  Random random(3);
  return {test::random_weights(random, "a.weight", Dtype::kF32, {37, 96}),
          test::random_weights(random, "long.weight", Dtype::kBF16, {3, 700'000}),
          test::random_weights(random, "moe.experts.w", Dtype::kF16, {3, 5, 64}),
          test::random_weights(random, "norm.weight", Dtype::kF32, {64}),
          test::random_bytes(random, "table", Dtype::kI32, {600})};
}

TEST(CompareStage, FindsTheErrorsThatEncodingMeasured) {
  const Bytes source = test::make_file(compared_model());
  for (const Json &options :
       {test::default_options(), test::int4_options(32), test::asymmetric_int4()}) {
    const MemoryRun run(test::plan_for(source, options), source);
    const Json result = compare(run.output(), &source);
    ASSERT_EQ(result.size(), 5U);
    for (const Json &tensor : result) {
      SCOPED_TRACE(tensor.dump());
      if (!tensor.contains("codes")) {
        EXPECT_EQ(tensor["different"], 0);
        continue;
      }
      size_t index = 0;
      while (run.plan().catalog->tensors[index].name != tensor["name"].get<std::string>()) {
        ++index;
      }
      const quant::ErrorSums expected = run.tensor_errors(index);
      EXPECT_NEAR(tensor["signal"].get<double>() / expected.signal, 1, 1e-5);
      EXPECT_NEAR(tensor["noise"].get<double>() / expected.noise, 1, 1e-4);
      EXPECT_EQ(tensor["codes"]["misrounded"], 0);
      EXPECT_EQ(tensor["codes"]["badScales"], 0);
      EXPECT_EQ(tensor["codes"]["badCodes"], 0);
      EXPECT_GT(tensor["different"], 0);
    }
  }
}

TEST(CompareStage, DoesNotDependOnBlocks) {
  const Bytes source = test::make_file(compared_model());
  const MemoryRun run(test::plan_for(source, test::asymmetric_int4()), source);
  const Json expected = compare(run.output(), &source);
  for (const size_t block : {size_t{1} << 19U, size_t{7} << 20U}) {
    EXPECT_EQ(compare(run.output(), &source, block), expected);
  }
}

TEST(CompareStage, CountsEachCodeThatIsNotTheNearest) {
  const Bytes source = test::make_file(compared_model());
  const MemoryRun run(test::plan_for(source, test::default_options()), source);
  const catalog::Catalog plain = test::inspect(run.output()).value();
  Bytes damaged = run.output();
  for (const catalog::Tensor &tensor : plain.tensors) {
    if (tensor.name == "a.weight") {
      for (const size_t at : {size_t{0}, size_t{95}, size_t{96}, size_t{37} * 96 - 1}) {
        damaged[static_cast<size_t>(tensor.offset) + at] ^= 0x08U;
      }
    }
  }
  for (const Json &tensor : compare(damaged, &source)) {
    if (tensor.contains("codes")) {
      EXPECT_EQ(tensor["codes"]["misrounded"], tensor["name"] == "a.weight" ? 4 : 0);
    }
  }
}

TEST(CompareStage, LooksOnlyAtCodesWithoutAReference) {
  const Bytes source = test::make_file(compared_model());
  const MemoryRun run(test::plan_for(source, test::int4_options(32)), source);
  const Json result = compare(run.output(), nullptr);
  EXPECT_EQ(result.size(), 3U);
  for (const Json &tensor : result) {
    EXPECT_FALSE(tensor["compared"]);
    EXPECT_FALSE(tensor.contains("different"));
    EXPECT_EQ(tensor["codes"]["misrounded"], 0);
  }
}

TEST(CompareStage, CountsABadScaleOnceHoweverManyPartsItServes) {
  const Bytes source = test::make_file(compared_model());
  const MemoryRun run(test::plan_for(source, test::default_options()), source);
  Bytes damaged = run.output();
  const catalog::Catalog plain = test::inspect(run.output()).value();
  for (const catalog::Tensor &tensor : plain.tensors) {
    if (tensor.name == "long.weight_scale") {
      store_le(damaged.data() + tensor.offset + 2, uint16_t{0x7FC0}); // NaN
    }
  }
  for (const Json &tensor : compare(damaged, &source)) {
    if (tensor.contains("codes")) {
      EXPECT_EQ(tensor["codes"]["badScales"], tensor["name"] == "long.weight" ? 1 : 0);
    }
  }
}

} // namespace
} // namespace monoquant::run
