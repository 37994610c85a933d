// Quantized files come back as the values that their codes stand for.
#include <gtest/gtest.h>

#include <ostream>

#include "monoquant/base/text.h"
#include "support/deep.h"
#include "support/reference_quantizer.h"
#include "support/run_checks.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::HostChoice;
using test::MemoryRun;
using test::Random;

std::vector<FileTensor> model(Dtype dtype) {
  Random random(7);
  return {
      test::random_weights(random, "linear.weight", dtype, {37, 100}), // rows that end within words
      test::random_weights(random, "grouped.weight", dtype, {19, 96}),
      test::random_weights(random, "moe.experts.w", dtype, {3, 5, 64}),
      test::random_weights(random, "conv.weight", dtype, {24, 10, 3, 3}),
      test::random_weights(random, "long.weight", dtype, {3, 70'016}),
      test::random_weights(random, "tall.weight", dtype, {70'001, 3}),
      test::random_weights(random, "norm.weight", dtype, {64}),
      test::random_bytes(random, "table", Dtype::kI32, {600}),
  };
}

struct DequantizeCase {
  std::string title;
  Dtype dtype;
  Json options;
};

/// How GoogleTest names it in its output.
void PrintTo(const DequantizeCase &variant, std::ostream *out) { *out << variant.title; } // NOLINT

std::vector<DequantizeCase> dequantize_cases() {
  std::vector<DequantizeCase> result;
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    for (const char *scheme : {"symmetric", "asymmetric"}) {
      for (const int64_t group : {-1, 32}) {
        result.push_back({concat("int4_", group == -1 ? "channel" : "group", "_", scheme, "_",
                                 dtype_name(dtype)),
                          dtype, test::int4_options(group)});
        result.back().options["scheme"] = scheme;
      }
      for (const char *strategy : {"channel", "tensor"}) {
        for (const bool packed : {false, true}) {
          result.push_back(
              {concat("int8_", strategy, packed ? "_packed_" : "_", scheme, "_", dtype_name(dtype)),
               dtype, packed ? test::packed_8_options() : test::default_options()});
          result.back().options["scheme"] = scheme;
          result.back().options["strategy"] = strategy;
        }
      }
    }
  }
  return result;
}

Json dequantize_options(const char *type) {
  Json options = test::default_options();
  options["bits"] = "none";
  options["dequantizedType"] = type;
  return options;
}

catalog::Catalog joined_catalog(const Bytes &file) {
  auto catalog = test::inspect(file, {{}, {}, false, true});
  EXPECT_TRUE(catalog) << (catalog ? "" : catalog.error().message);
  return catalog ? catalog.value() : catalog::Catalog{};
}

class Dequantized : public testing::TestWithParam<DequantizeCase> {};

TEST_P(Dequantized, HasTheStoredValuesUnderTheOriginalNames) {
  const DequantizeCase &variant = GetParam();
  const std::vector<FileTensor> tensors = model(variant.dtype);
  const Bytes source = test::make_file(tensors);
  const MemoryRun quantized(test::plan_for(source, variant.options), source);
  const catalog::Catalog catalog = joined_catalog(quantized.output());
  EXPECT_TRUE(catalog.problems.empty());
  ASSERT_EQ(catalog.tensors.size(), tensors.size());
  const Json options = dequantize_options("F32");
  const MemoryRun run(test::plan_for(catalog, options), quantized.output());
  const test::TensorFile file = test::parse_file(run.output());
  EXPECT_TRUE(run.verify(run.output()));
  size_t compared = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const FileTensor &original = tensors[i];
    ASSERT_TRUE(file.tensors.contains(original.name)) << original.name;
    const FileTensor &found = file.tensors.at(original.name);
    EXPECT_EQ(found.shape, original.shape);
    const plan::TensorPlan &plan = quantized.plan().tensors[i];
    if (plan.decision() != plan::Decision::kQuantize) {
      EXPECT_EQ(found, original);
      continue;
    }
    ASSERT_EQ(found.dtype, Dtype::kF32);
    const layout::Stored &stored = plan.quantize()->stored;
    const test::Matrices shape{stored.matrices, stored.rows, stored.columns};
    const auto codes = test::reference_codes(test::values_of(original), shape, stored.scheme);
    const std::vector<float> values = test::values_of(found);
    for (size_t at = 0; at < values.size(); ++at) {
      const size_t scope = at / codes.scope_size;
      const float expected =
          static_cast<float>(codes.codes[at] - codes.zero_points[scope]) * codes.scales[scope];
      ASSERT_EQ(values[at], expected) << original.name << " element " << at;
    }
    ++compared;
  }
  EXPECT_GE(compared, 5U);
}

TEST_P(Dequantized, DoesNotDependOnTheHost) {
  const DequantizeCase &variant = GetParam();
  const Bytes source = test::make_file(model(variant.dtype));
  const MemoryRun quantized(test::plan_for(source, variant.options), source);
  const catalog::Catalog catalog = joined_catalog(quantized.output());
  for (const char *type : {"F32", "F16"}) {
    const Json options = dequantize_options(type);
    const MemoryRun expected(test::plan_for(catalog, options), quantized.output());
    for (const HostChoice choice :
         {HostChoice{size_t{1} << 19U, 2, 3, 1}, HostChoice{size_t{3} << 20U, 1, 1, 3}}) {
      const MemoryRun other(test::plan_for(catalog, options), quantized.output(), choice);
      EXPECT_TRUE(other.output() == expected.output()) << type << " " << choice.block_bytes;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, Dequantized,
                         testing::ValuesIn(test::samples(dequantize_cases(), 5)),
                         [](const auto &info) { return info.param.title; });

TEST(DequantizedType, IsThatOfTheScalesUnlessAsked) {
  const Bytes source = test::make_file(model(Dtype::kBF16));
  const MemoryRun quantized(test::plan_for(source, test::int4_options(32)), source);
  const catalog::Catalog catalog = joined_catalog(quantized.output());
  for (const auto &[type, dtype] :
       {std::pair{"auto", Dtype::kBF16}, {"F32", Dtype::kF32}, {"F16", Dtype::kF16}}) {
    const MemoryRun run(test::plan_for(catalog, dequantize_options(type)), quantized.output());
    const auto file = test::parse_file(run.output());
    EXPECT_EQ(file.tensors.at("linear.weight").dtype, dtype) << type;
    EXPECT_EQ(file.tensors.at("norm.weight").dtype, Dtype::kBF16) << type;
    EXPECT_FALSE(file.header["__metadata__"].contains("quantization_config"));
  }
}

/// Scales of 16 bits are enough for weights of 32, which is no reason to give these back with 16.
TEST(DequantizedType, IsThatOfWeightsThatHadWiderOnesThanTheirScales) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF64, Dtype::kF16}) {
    const Bytes source = test::make_file(model(dtype));
    const MemoryRun quantized(test::plan_for(source, test::int4_options(32)), source);
    const auto stored = test::parse_file(quantized.output());
    EXPECT_EQ(stored.tensors.at("long.weight_scale").dtype,
              dtype == Dtype::kF16 ? Dtype::kF16 : Dtype::kBF16);
    const catalog::Catalog catalog = joined_catalog(quantized.output());
    const MemoryRun run(test::plan_for(catalog, dequantize_options("auto")), quantized.output());
    const auto file = test::parse_file(run.output());
    EXPECT_EQ(file.tensors.at("long.weight").dtype,
              dtype == Dtype::kF16 ? Dtype::kF16 : Dtype::kF32);
    EXPECT_FALSE(file.header["__metadata__"].contains("quantized_from"));
  }
}

TEST(DequantizedType, LeavesWhatIsTooLargeForItAsItIs) {
  Random random(8);
  auto big = test::random_weights(random, "big.weight", Dtype::kF32, {32, 32}, 0.05);
  test::set_value(big, 5, 1e9);
  const Bytes source = test::make_file({big});
  const MemoryRun quantized(test::plan_for(source, test::default_options()), source);
  const catalog::Catalog catalog = joined_catalog(quantized.output());
  Json options = dequantize_options("F16");
  const MemoryRun first(test::plan_for(catalog, options), quantized.output());
  ASSERT_EQ(first.unfit().size(), 1U);
  options["unfit"] = Json::array({{{"tensor", 0}, {"reason", "overflow"}, {"explanation", "big"}}});
  const MemoryRun run(test::plan_for(catalog, options), quantized.output());
  EXPECT_EQ(test::parse_file(run.output()).tensors.at("big.weight").dtype, Dtype::kF32);
  EXPECT_EQ(run.plan().warnings[0].code, "overflow");
}

} // namespace
} // namespace monoquant::run
