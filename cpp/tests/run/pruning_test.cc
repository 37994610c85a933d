// Whole runs that make zeros of some weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "monoquant/base/text.h"
#include "support/deep.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::HostChoice;
using test::MemoryRun;
using test::Random;

constexpr double kPrunedShare = 30;

Bytes prunable_model() {
  Random random(91);
  return test::make_file({
      test::random_weights(random, "fc.weight", Dtype::kF32, {64, 256}),
      test::random_weights(random, "half.weight", Dtype::kBF16, {192, 256}),
      test::random_weights(random, "conv.weight", Dtype::kF16, {16, 16, 4, 4}),
      test::random_weights(random, "wide.weight", Dtype::kF64,
                           {3, 32'768}), // a row is several units' worth
      test::random_weights(random, "embed_tokens.weight", Dtype::kF32, {64, 256}),
      test::random_weights(random, "norm.weight", Dtype::kF32, {256}),
  });
}

struct PrunedCase {
  std::string title;
  Json options;
};

void PrintTo(const PrunedCase &variant, std::ostream *out) { *out << variant.title; } // NOLINT

PrunedCase pruned_case(std::string title, Json options) {
  options["prune"] = kPrunedShare;
  return {std::move(title), std::move(options)};
}

PrunedCase pruned_gguf(const std::string &format) {
  Json options = test::default_options_with("container", "gguf");
  options["format"] = format;
  options["method"] = "auto";
  options["mode"] = "weights-only";
  return pruned_case(format, options);
}

std::vector<PrunedCase> pruned_cases() {
  Json asymmetric = test::default_options_with("scheme", "asymmetric");
  Json tensor = test::default_options_with("strategy", "tensor");
  Json searched = test::asymmetric_int4();
  searched["method"] = "mse";
  Json signed_scales = test::int4_options(32);
  signed_scales["method"] = "mse";
  Json three = searched;
  three["bits"] = 3;
  Json fp8 = test::default_options_with("codes", "FP8");
  Json gptq = test::int4_options(128);
  gptq["format"] = "gptq";
  Json nf4 = test::int4_options(64);
  nf4["format"] = "bitsandbytes";
  nf4["codes"] = "NF4";
  nf4["layers"] = Json::array({"linear"});
  Json mxfp4 = test::int4_options(32);
  mxfp4["codes"] = "MXFP4";
  Json nvfp4 = test::int4_options(16);
  nvfp4["codes"] = "NVFP4";
  return {
      pruned_case("int8", test::default_options()),
      pruned_case("int8_asymmetric", asymmetric),
      pruned_case("int8_tensor", tensor),
      pruned_case("int4_asymmetric_searched", searched),
      pruned_case("int4_searched", signed_scales),
      pruned_case("int3_searched", three),
      pruned_case("fp8", fp8),
      pruned_case("gptq", gptq),
      pruned_case("nf4", nf4),
      pruned_case("mxfp4", mxfp4),
      pruned_case("nvfp4", nvfp4),
      pruned_case("f16", test::float_options("F16")),
      pruned_case("bf16", test::float_options("BF16")),
      pruned_gguf("Q8_0"),
      pruned_gguf("Q4_0"),
      pruned_gguf("Q5_0"),
      pruned_gguf("Q6_K"),
      pruned_gguf("F16"),
  };
}

/// What stands in a file, as F32.
test::TensorFile dequantized(const Bytes &file) {
  Json options = test::default_options_with("bits", "none");
  options["dequantizedType"] = "F32";
  auto catalog = test::inspect(file, {{}, {}, false, true});
  EXPECT_TRUE(catalog) << catalog.error().message;
  const MemoryRun run(test::plan_for(catalog.value(), options), file);
  return test::parse_file(run.output());
}

/// By definition: the least magnitudes of each row.
std::vector<bool> least_of(const std::vector<float> &values, size_t columns) {
  std::vector<bool> mask(values.size());
  const size_t zeros = columns * 3 / 10;
  for (size_t row = 0; row < values.size(); row += columns) {
    std::vector<size_t> order;
    for (size_t i = 0; i < columns; ++i) {
      order.push_back(row + i);
    }
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return std::fabs(values[a]) < std::fabs(values[b]);
    });
    for (size_t i = 0; i < zeros; ++i) {
      mask[order[i]] = true;
    }
  }
  return mask;
}

class Pruned : public testing::TestWithParam<PrunedCase> {};

TEST_P(Pruned, stores_exact_zeros_and_counts_errors_from_the_original) {
  const Bytes file = prunable_model();
  const test::TensorFile source = test::parse_file(file);
  const MemoryRun run(test::plan_for(file, GetParam().options), file);
  ASSERT_TRUE(run.unfit().empty());
  const test::TensorFile stored = dequantized(run.output());
  size_t pruned = 0;
  for (const plan::TensorPlan &entry : run.plan().tensors) {
    const catalog::Tensor &tensor = run.plan().catalog->tensors[entry.source];
    if (!entry.change) {
      continue;
    }
    ++pruned;
    const std::vector<float> before = test::values_of(source.tensors.at(tensor.name));
    const std::vector<float> after = test::values_of(stored.tensors.at(tensor.name));
    const std::vector<bool> mask = least_of(before, static_cast<size_t>(entry.change->columns));
    ASSERT_EQ(after.size(), before.size());
    double signal = 0;
    double noise = 0;
    size_t wrong = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      wrong += mask[i] && after[i] != 0 ? 1 : 0;
      const double error = static_cast<double>(before[i]) - static_cast<double>(after[i]);
      signal += static_cast<double>(before[i]) * static_cast<double>(before[i]);
      noise += error * error;
    }
    EXPECT_EQ(wrong, 0U) << tensor.name;
    const quant::ErrorSums errors = run.tensor_errors(entry.source);
    EXPECT_NEAR(errors.signal, signal, 1e-5 * signal) << tensor.name;
    EXPECT_NEAR(errors.noise, noise, 1e-4 * noise) << tensor.name;
  }
  EXPECT_GE(pruned, 2U);
  EXPECT_FALSE(run.plan().tensors[4].change); // embeddings
  EXPECT_FALSE(run.plan().tensors[5].change); // norms
  EXPECT_EQ(run.plan().quantization_config.find("sparsity"), std::string::npos);
}

TEST_P(Pruned, has_the_same_bytes_whatever_the_host_chooses) {
  const Bytes file = prunable_model();
  const MemoryRun expected(test::plan_for(file, GetParam().options), file);
  for (const HostChoice &choice :
       {HostChoice{test::kSmallestBlock, 1, 1, 1}, HostChoice{size_t{3} << 20U, 3, 4, 1},
        HostChoice{size_t{1} << 20U, 2, 2, 3}}) {
    const MemoryRun run(test::plan_for(file, GetParam().options), file, choice);
    EXPECT_TRUE(run.output() == expected.output()) << choice.threads << " " << choice.shares;
    EXPECT_EQ(run.tensor_errors(0).noise, expected.tensor_errors(0).noise);
  }
}

INSTANTIATE_TEST_SUITE_P(, Pruned, testing::ValuesIn(test::samples(pruned_cases(), 2)),
                         [](const auto &info) { return info.param.title; });

TEST(PrunedPlan, says_what_becomes_zero) {
  const Bytes file = prunable_model();
  const plan::Plan plan = test::plan_for(file, pruned_case("", test::default_options()).options);
  const Json json = parse_json(plan_json(plan));
  const Json &first = json["tensors"][0];
  EXPECT_EQ(first["pruned"]["zeros"], 64 * 76);
  EXPECT_EQ(first["pruned"]["method"], "magnitude");
  EXPECT_NE(first["explanation"].get<std::string>().find("76 of 256 weights a row to zero"),
            std::string::npos);
  EXPECT_EQ(json["sizes"]["zeroWeights"], 64 * 76 + 192 * 76 + 16 * 76 + 3 * 9830);
  const plan::Plan dense = test::plan_for(file, test::default_options());
  EXPECT_FALSE(parse_json(plan_json(dense))["sizes"].contains("zeroWeights"));
  // Nobody may expect the codes nearest to the source's values.
  const MemoryRun run(test::plan_for(file, pruned_case("", test::default_options()).options), file);
  EXPECT_FALSE(test::parse_file(run.output()).header["__metadata__"].contains("quantized_by"));
  EXPECT_EQ(plan.file_bytes / 1024, dense.file_bytes / 1024);
}

/// What the plan is refused with, or "".
std::string refusal_of(const Bytes &file, const Json &options) {
  auto catalog = test::inspect(file);
  auto parsed = plan::parse_options(options.dump(), catalog.value().tensors.size());
  if (!parsed) {
    return parsed.error().message;
  }
  const auto plan = plan::make_plan(std::move(catalog.value()), parsed.value());
  return plan ? "" : plan.error().message;
}

TEST(PrunedPlan, refuses_codes_without_a_zero) {
  const Bytes file = prunable_model();
  Json mlx = test::int4_options(64);
  mlx["format"] = "mlx";
  mlx["scheme"] = "asymmetric";
  mlx["prune"] = 20;
  EXPECT_NE(refusal_of(file, mlx).find("format mlx, which have offsets"), std::string::npos)
      << refusal_of(file, mlx);
  for (const std::string format : {"Q4_K_M", "Q5_1", "Q4_1", "Q2_K", "IQ4_NL", "IQ4_XS"}) {
    const std::string refusal = refusal_of(file, pruned_gguf(format).options);
    EXPECT_NE(refusal.find("exactly 0, which pruning needs"), std::string::npos) << format;
  }
  Json wanda = pruned_case("", test::default_options()).options;
  wanda["pruneMethod"] = "wanda";
  EXPECT_NE(refusal_of(file, wanda).find("wanda, found none"), std::string::npos);
  for (const double share : {100.0, -1.0}) {
    Json wrong = test::default_options_with("prune", share);
    EXPECT_NE(refusal_of(file, wrong), "") << share;
  }
}

TEST(PrunedPlan, leaves_rows_that_no_unit_holds) {
  Random random(92);
  const Bytes file = test::make_file({
      test::random_weights(random, "long.weight", Dtype::kF32, {2, 66'000}),
      test::random_weights(random, "short.weight", Dtype::kF32, {200, 3}),
  });
  Json options = test::default_options_with("prune", 10);
  const plan::Plan plan = test::plan_for(file, options);
  EXPECT_FALSE(plan.tensors[0].change);
  EXPECT_FALSE(plan.tensors[1].change); // a tenth of three weights is none
  size_t warnings = 0;
  for (const plan::Warning &warning : plan.warnings) {
    warnings += warning.code == "not-pruned" ? 1 : 0;
    EXPECT_TRUE(warning.code != "not-pruned" || warning.tensors.empty() ||
                warning.tensors == std::vector<std::string>{"long.weight"});
  }
  EXPECT_EQ(warnings, 2U);
}

} // namespace
} // namespace monoquant::run
