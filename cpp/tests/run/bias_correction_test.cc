// Biases that are written with the rows of their weights, and take back what the codes of these do to means.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>

#include "monoquant/base/text.h"
#include "support/deep.h"
#include "support/given_means.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::HostChoice;
using test::MemoryRun;
using test::Random;

/// Layers with biases: of all types, with rows that are cut, several bands, kernels and groups of channels.
std::vector<FileTensor> biased_layers() {
  Random random(71);
  return {
      test::random_weights(random, "linear.bias", Dtype::kF32, {48}),
      test::random_weights(random, "linear.weight", Dtype::kF32, {48, 96}),
      test::random_weights(random, "half.weight", Dtype::kBF16, {32, 128}),
      test::random_weights(random, "half.bias", Dtype::kF16, {32}),
      test::random_weights(random, "brain.weight", Dtype::kF16, {32, 128}),
      test::random_weights(random, "brain.bias", Dtype::kBF16, {32}),
      test::random_weights(random, "long.weight", Dtype::kF32, {3, 70'016}),
      test::random_weights(random, "long.bias", Dtype::kF32, {3}),
      test::random_weights(random, "tall.weight", Dtype::kF32, {70'000, 32}),
      test::random_weights(random, "tall.bias", Dtype::kF32, {70'000}),
      test::random_weights(random, "conv.weight", Dtype::kF32, {24, 10, 3, 3}),
      test::random_weights(random, "conv.bias", Dtype::kF32, {24}),
      test::random_weights(random, "bare.weight", Dtype::kF32, {16, 64}),
      test::random_weights(random, "wide.weight", Dtype::kF32, {16, 64}),
      test::random_weights(random, "wide.bias", Dtype::kF64, {16}),
      test::random_weights(random, "norm.bias", Dtype::kF32, {64}),
  };
}

Json corrected_options(const Bytes &file, Json options, std::string_view choice = "on") {
  options["biasCorrection"] = choice;
  return test::with_means(test::inspect(file).value(), std::move(options));
}

/// The output as the values that it stands for.
test::TensorFile values_in(const Bytes &output) {
  const auto catalog = test::inspect(output, {{}, {}, false, true});
  EXPECT_TRUE(catalog) << (catalog ? "" : catalog.error().message);
  Json options = test::default_options();
  options["bits"] = "none";
  options["dequantizedType"] = "F32";
  const MemoryRun run(test::plan_for(catalog.value(), options), output);
  return test::parse_file(run.output());
}

struct CorrectionCase {
  std::string title;
  Json options;
};

/// How GoogleTest names it in its output.
void PrintTo(const CorrectionCase &variant, std::ostream *out) { *out << variant.title; } // NOLINT

Json changed(Json options, std::initializer_list<std::pair<const char *, Json>> changes) {
  for (const auto &[key, value] : changes) {
    options[key] = value;
  }
  return options;
}

std::vector<CorrectionCase> correction_cases() {
  Json scaled = test::default_options();
  return {
      {"rtn", changed(test::int4_options(32), {{"method", "rtn"}})},
      {"mse", changed(test::int4_options(32), {{"method", "mse"}})},
      {"asymmetric", test::asymmetric_int4()},
      {"channel", changed(test::int4_options(-1), {{"bits", 3}})},
      {"one_scale", changed(scaled, {{"strategy", "tensor"}})},
      {"int8", scaled},
      {"pruned", changed(test::int4_options(32), {{"method", "rtn"}, {"prune", 30}})},
      {"zip", changed(test::int4_options(32), {{"container", "pt"}})},
      {"turned", changed(test::int4_options(32), {{"format", "gptq"}, {"mode", "weights-only"}})},
      {"float_zero",
       changed(test::int4_options(32),
               {{"format", "mlx"}, {"mode", "weights-only"}, {"scheme", "asymmetric"}})},
      {"outer", changed(test::int4_options(16), {{"codes", "NVFP4"}, {"mode", "weights-only"}})},
  };
}

class BiasCorrection : public testing::TestWithParam<CorrectionCase> {};

TEST_P(BiasCorrection, takes_back_what_the_stored_codes_do_to_means) {
  const std::vector<FileTensor> tensors = biased_layers();
  const Bytes source = test::make_file(tensors);
  const Json options = corrected_options(source, GetParam().options);
  MemoryRun run(test::plan_for(source, options), source);
  EXPECT_TRUE(run.unfit().empty());
  EXPECT_TRUE(run.seal());
  EXPECT_TRUE(run.verify(run.output()));
  const test::TensorFile before = test::parse_file(source);
  const test::TensorFile after = values_in(run.output());
  std::vector<std::string> corrected;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const plan::TensorPlan &entry = run.plan().tensors[i];
    if (entry.decision() != plan::Decision::kQuantize || !entry.quantize()->correction) {
      continue;
    }
    const std::string module = tensors[i].name.substr(0, tensors[i].name.size() - 7);
    const FileTensor &bias = before.tensors.at(module + ".bias");
    const FileTensor &written = after.tensors.at(module + ".bias");
    ASSERT_EQ(written.dtype, bias.dtype);
    const std::vector<float> was = test::values_of(tensors[i]);
    const std::vector<float> is = test::values_of(after.tensors.at(tensors[i].name));
    const std::vector<double> means = test::means_of(options, module);
    const size_t rows = tensors[i].shape[0];
    const size_t columns = was.size() / rows;
    const size_t kernel = columns / tensors[i].shape[1];
    const size_t groups = means.size() / tensors[i].shape[1];
    const std::vector<float> from = test::values_of(bias);
    const std::vector<float> to = test::values_of(written);
    const quant::Scheme &scheme = entry.quantize()->stored.scheme;
    const double step = !scheme.has_bias                     ? 0
                        : scheme.scale_dtype == Dtype::kBF16 ? 0x1p-9
                        : scheme.scale_dtype == Dtype::kF16  ? 0x1p-12
                                                             : 0x1p-24;
    size_t moved = 0;
    for (size_t row = 0; row < rows; ++row) {
      double expected = from[row];
      // Readers of scales and biases round code times scale to as many digits, and the sum.
      double rounded = 0;
      float largest = 0;
      for (size_t j = 0; j < columns; ++j) {
        largest = std::max(largest, std::fabs(is[row * columns + j]));
      }
      const size_t first = row / (rows / groups) * tensors[i].shape[1];
      for (size_t j = 0; j < columns; ++j) {
        const size_t at = row * columns + j;
        expected += (static_cast<double>(was[at]) - static_cast<double>(is[at])) *
                    means[first + j / kernel];
        rounded += 3 * static_cast<double>(largest) * std::fabs(means[first + j / kernel]) * step;
      }
      const double digits = bias.dtype == Dtype::kF32   ? 1e-5
                            : bias.dtype == Dtype::kF16 ? 1e-3
                                                        : 8e-3;
      ASSERT_NEAR(to[row], expected, digits * (std::fabs(expected) + 0.01) + rounded)
          << module << " " << row;
      moved += to[row] != from[row] ? 1 : 0;
    }
    EXPECT_GT(moved, rows / 2) << module;
    corrected.push_back(module);
  }
  EXPECT_GE(corrected.size(), 2U) << testing::PrintToString(corrected);
}

TEST_P(BiasCorrection, does_not_depend_on_the_host) {
  const Bytes source = test::make_file(biased_layers());
  const Json options = corrected_options(source, GetParam().options);
  const MemoryRun expected(test::plan_for(source, options), source);
  for (const HostChoice choice :
       {HostChoice{size_t{1} << 19U, 3, 3, 1}, HostChoice{size_t{3} << 20U, 1, 1, 3}}) {
    const MemoryRun other(test::plan_for(source, options), source, choice);
    EXPECT_TRUE(other.output() == expected.output()) << choice.block_bytes;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, BiasCorrection,
                         testing::ValuesIn(test::samples(correction_cases(), 2)),
                         [](const auto &info) { return info.param.title; });

TEST(CorrectedBias, stays_where_it_would_not_be_finite) {
  std::vector<FileTensor> tensors = biased_layers();
  test::set_value(tensors[0], 3, std::numeric_limits<double>::infinity());
  test::set_value(tensors[0], 5, std::numeric_limits<double>::quiet_NaN());
  test::set_value(tensors[0], 7, 3.4e38);
  const Bytes source = test::make_file(tensors);
  const MemoryRun run(test::plan_for(source, corrected_options(source, test::int4_options(32))),
                      source);
  const FileTensor bias = test::parse_file(run.output()).tensors.at("linear.bias");
  for (const size_t row : {3U, 5U, 7U}) {
    EXPECT_EQ(std::memcmp(&bias.bytes[row * 4], &tensors[0].bytes[row * 4], 4), 0) << row;
  }
  EXPECT_NE(std::memcmp(&bias.bytes[16], &tensors[0].bytes[16], 4), 0);
}

TEST(CorrectedBias, is_left_alone_with_a_weight_that_turns_out_to_be_unfit) {
  std::vector<FileTensor> tensors = biased_layers();
  test::set_value(tensors[1], 40, std::numeric_limits<double>::infinity());
  const Bytes source = test::make_file(tensors);
  Json options = corrected_options(source, test::int4_options(32));
  options["unfit"] =
      Json::array({{{"tensor", 1}, {"reason", "non-finite"}, {"explanation", "NaN"}}});
  const MemoryRun run(test::plan_for(source, options), source);
  EXPECT_EQ(test::parse_file(run.output()).tensors.at("linear.bias"), tensors[0]);
}

} // namespace
} // namespace monoquant::run
