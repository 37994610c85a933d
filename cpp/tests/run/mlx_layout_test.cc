// Files as MLX has them: its own numbers, read as they were written, whoever runs it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/joining.h"
#include "monoquant/run/tensor_stage.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/reference_quantizer.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::MemoryRun;
using test::Random;

Json mlx_options(int bits, int64_t group, std::string_view method) {
  Json options = test::int4_options(group);
  options["format"] = "mlx";
  options["bits"] = bits;
  options["mode"] = "weights-only";
  options["method"] = method;
  return options;
}

std::vector<FileTensor> mlx_tensors() {
  Random random(17);
  return {
      test::random_weights(random, "a.weight", Dtype::kF16, {130, 256}),
      test::random_weights(random, "b.weight", Dtype::kBF16, {64, 192}),
      test::random_weights(random, "c.weight", Dtype::kF32, {3, 65'664}), // long rows
      test::random_weights(random, "odd.weight", Dtype::kF16, {40, 100}), // does not fit
      test::random_weights(random, "embed_tokens.weight", Dtype::kF16, {40, 128}),
  };
}

float rounded_to(float value, Dtype dtype) {
  return dtype == Dtype::kF16    ? f16_to_f32(f32_to_f16(value))
         : dtype == Dtype::kBF16 ? bf16_to_f32(f32_to_bf16(value))
                                 : value;
}

/// What MLX makes of a group, and what its own decoder makes of that: every step in the type of the scales.
std::vector<float> mlx_values(std::span<const float> group, uint32_t bits, Dtype dtype) {
  const auto [least, most] = std::minmax_element(group.begin(), group.end());
  const auto steps = static_cast<float>((1U << bits) - 1);
  float scale = std::max((*most - *least) / steps, 1e-7F);
  const bool is_low = std::fabs(*least) > std::fabs(*most);
  scale = is_low ? scale : -scale;
  const float edge = is_low ? *least : *most;
  const float first = std::rint(edge / scale);
  float bias = 0;
  if (first != 0) {
    scale = edge / first;
    bias = edge;
  }
  std::vector<float> values;
  for (const float value : group) {
    const float code = std::min(std::max(std::rint((value - bias) / scale), 0.0F), steps);
    const float product = rounded_to(code * rounded_to(scale, dtype), dtype);
    values.push_back(rounded_to(product + rounded_to(bias, dtype), dtype));
  }
  return values;
}

std::vector<float> values_of_mlx(const Bytes &file, const catalog::Catalog &catalog,
                                 std::string_view name) {
  const auto found = std::find_if(catalog.tensors.begin(), catalog.tensors.end(),
                                  [&](const auto &tensor) { return tensor.name == name; });
  EXPECT_NE(found, catalog.tensors.end()) << name;
  EXPECT_NE(found->codes, nullptr) << name;
  const auto index = static_cast<size_t>(found - catalog.tensors.begin());
  TensorStage stage(catalog, index, test::kSmallestBlock);
  std::vector<float> values(static_cast<size_t>(found->elements));
  EXPECT_TRUE(test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
      },
      [&](uint64_t offset, std::span<const uint8_t> bytes) {
        std::memcpy(reinterpret_cast<uint8_t *>(values.data()) + offset, bytes.data(),
                    bytes.size());
      }));
  return values;
}

catalog::Catalog open_mlx(const Bytes &file) {
  catalog::Opening opening;
  opening.join_quantized = true;
  auto opened = test::inspect(file, opening);
  EXPECT_TRUE(opened);
  EXPECT_TRUE(opened.value().problems.empty());
  return std::move(opened.value());
}

TEST(MlxLayout, nearest_codes_are_its_own_to_the_bit) {
  const std::vector<FileTensor> tensors = mlx_tensors();
  const Bytes file = test::make_file(tensors);
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const size_t group : {32U, 64U}) {
      const MemoryRun run(
          test::plan_for(file, mlx_options(bits, static_cast<int64_t>(group), "rtn")), file);
      ASSERT_TRUE(run.verify(run.output()));
      const catalog::Catalog opened = open_mlx(run.output());
      for (size_t i = 0; i < 3; ++i) {
        const Dtype dtype = tensors[i].dtype;
        const std::vector<float> source = test::values_of(tensors[i]);
        const std::vector<float> found = values_of_mlx(run.output(), opened, tensors[i].name);
        std::vector<float> expected;
        for (size_t begin = 0; begin < source.size(); begin += group) {
          const auto values = mlx_values(std::span(source).subspan(begin, group),
                                         static_cast<uint32_t>(bits), dtype);
          expected.insert(expected.end(), values.begin(), values.end());
        }
        EXPECT_TRUE(found == expected) << tensors[i].name << " " << bits << " " << group;
      }
      EXPECT_EQ(run.plan().tensors[3].reason, plan::Reason::kNotLoadable);
    }
  }
}

double noise_between(const std::vector<float> &a, const std::vector<float> &b) {
  double noise = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double error = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    noise += error * error;
  }
  return noise;
}

TEST(MlxLayout, searched_codes_lose_less_and_hosts_do_not_show) {
  const std::vector<FileTensor> tensors = mlx_tensors();
  const Bytes file = test::make_file(tensors);
  const MemoryRun nearest(test::plan_for(file, mlx_options(4, 64, "rtn")), file);
  const MemoryRun searched(test::plan_for(file, mlx_options(4, 64, "mse")), file);
  for (size_t i = 0; i < 3; ++i) {
    const std::vector<float> source = test::values_of(tensors[i]);
    const std::string &name = tensors[i].name;
    const double before =
        noise_between(source, values_of_mlx(nearest.output(), open_mlx(nearest.output()), name));
    const double after =
        noise_between(source, values_of_mlx(searched.output(), open_mlx(searched.output()), name));
    EXPECT_LT(after, before) << name;
    EXPECT_NEAR(searched.tensor_errors(i).noise / after, 1, 0.02) << name;
  }
  const MemoryRun other(test::plan_for(file, mlx_options(4, 64, "mse")), file,
                        {test::kSmallestBlock, 4, 3, 2});
  EXPECT_TRUE(other.output() == searched.output());
}

TEST(MlxLayout, configuration_says_what_single_layers_have) {
  const Bytes file = test::make_file(mlx_tensors());
  Json options = mlx_options(4, 64, "rtn");
  options["overrides"] = Json::array({{{"tensors", {1}}, {"bits", 8}, {"groupSize", 32}},
                                      {{"tensors", {4}}, {"bits", 4}, {"groupSize", 64}}});
  const MemoryRun run(test::plan_for(file, options), file);
  const Json config = Json::parse(run.plan().quantization_config);
  EXPECT_EQ(config["group_size"], 64);
  EXPECT_EQ(config["bits"], 4);
  EXPECT_EQ(config["b"], (Json{{"group_size", 32}, {"bits", 8}, {"mode", "affine"}}));
  EXPECT_FALSE(config.contains("a"));
  const catalog::Catalog opened = open_mlx(run.output());
  EXPECT_EQ(values_of_mlx(run.output(), opened, "b.weight").size(), size_t{64} * 192);
  EXPECT_EQ(values_of_mlx(run.output(), opened, "embed_tokens.weight").size(), size_t{40} * 128);
}

} // namespace
} // namespace monoquant::run
