// FP8 with one scale a tensor: numbers, what is written, and files of other tools.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/joining.h"
#include "monoquant/layout/layout.h"
#include "monoquant/run/compare_stage.h"
#include "monoquant/run/tensor_stage.h"
#include "support/catalog_builder.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::layout {
namespace {

using test::Bytes;
using test::FileTensor;
using test::MemoryRun;
using test::Random;

/// By the definition: sign, four bits of exponent with bias 7, three of mantissa, no infinity, one NaN.
double value_of(uint32_t code) {
  const uint32_t exponent = code >> 3U & 15U;
  const uint32_t mantissa = code & 7U;
  const double magnitude =
      exponent == 15 && mantissa == 7 ? std::numeric_limits<double>::quiet_NaN()
      : exponent == 0                 ? mantissa / 512.0
                                      : std::ldexp(8.0 + mantissa, static_cast<int>(exponent) - 10);
  return (code & 0x80U) != 0 ? -magnitude : magnitude;
}

TEST(Fp8, all_codes_stand_for_what_the_format_says) {
  for (uint32_t code = 0; code < 256; ++code) {
    const float value = f8_e4m3_to_f32(static_cast<uint8_t>(code));
    if (std::isnan(value_of(code))) {
      EXPECT_TRUE(std::isnan(value)) << code;
    } else {
      EXPECT_EQ(static_cast<double>(value), value_of(code)) << code;
      EXPECT_EQ(std::signbit(value), code >= 128) << code;
    }
    EXPECT_EQ(f32_to_f8_e4m3(value), code) << "of its own value";
  }
  EXPECT_EQ(value_of(0x7E), 448.0);
  EXPECT_EQ(value_of(0x01), 0x1p-9);
}

TEST(Fp8, rounds_to_the_nearest_and_ties_to_even) {
  for (uint32_t code = 0; code < 0x7E; ++code) {
    const double low = value_of(code);
    const double high = value_of(code + 1);
    const auto middle = static_cast<float>((low + high) / 2); // exact: one more bit
    const uint32_t even = code + (code & 1U);
    for (const uint32_t sign : {0U, 0x80U}) {
      const float way = sign == 0 ? 1.0F : -1.0F;
      EXPECT_EQ(f32_to_f8_e4m3(way * middle), even | sign) << code;
      EXPECT_EQ(f32_to_f8_e4m3(way * std::nextafter(middle, 0.0F)), code | sign) << code;
      EXPECT_EQ(f32_to_f8_e4m3(way * std::nextafter(middle, 1000.0F)), (code + 1) | sign) << code;
    }
  }
}

TEST(Fp8, saturates_and_keeps_nan) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float large : {448.0F, 449.0F, 464.0F, 465.0F, 1e30F, infinity}) {
    EXPECT_EQ(f32_to_f8_e4m3(large), 0x7E);
    EXPECT_EQ(f32_to_f8_e4m3(-large), 0xFE);
  }
  EXPECT_EQ(f32_to_f8_e4m3(std::numeric_limits<float>::quiet_NaN()) & 0x7F, 0x7F);
  EXPECT_EQ(f32_to_f8_e4m3(0x1p-149F), 0);
  EXPECT_EQ(f32_to_f8_e4m3(-0.0F), 0x80);
  EXPECT_EQ(f32_to_f8_e4m3(0x1p-10F), 0) << "half of the smallest, which is odd";
}

Json fp8_options() {
  Json options = test::default_options();
  options["format"] = "fp8";
  options["strategy"] = "tensor";
  options["minElements"] = 0;
  return options;
}

Bytes model(Random &random) {
  return test::make_file({test::random_weights(random, "a.weight", Dtype::kBF16, {24, 96}),
                          test::random_weights(random, "b.weight", Dtype::kF32, {7, 130}),
                          test::random_weights(random, "c.weight", Dtype::kF16, {64, 33}),
                          test::random_weights(random, "lm_head.weight", Dtype::kF32, {8, 16}),
                          test::random_weights(random, "norm.weight", Dtype::kF32, {64})});
}

/// The values by the definition, searching all codes for the nearest one.
std::vector<uint8_t> nearest_codes(const std::vector<float> &values, float scale) {
  std::vector<uint8_t> codes;
  for (const float value : values) {
    const float wanted = value / scale;
    uint32_t best = 0;
    for (uint32_t code = 0; code < 0x7F; ++code) {
      const double distance = std::fabs(value_of(code) - std::fabs(static_cast<double>(wanted)));
      const double least = std::fabs(value_of(best) - std::fabs(static_cast<double>(wanted)));
      best = distance < least || (distance == least && code % 2 == 0) ? code : best;
    }
    codes.push_back(static_cast<uint8_t>(best | (std::signbit(wanted) ? 0x80U : 0U)));
  }
  return codes;
}

TEST(Fp8, writes_the_nearest_codes_and_one_scale_a_tensor) {
  Random random(620);
  const Bytes source = model(random);
  const test::TensorFile sources = test::parse_file(source);
  const MemoryRun run(test::plan_for(source, fp8_options()), source, {size_t{1} << 19U, 2, 2, 2});
  const test::TensorFile file = test::parse_file(run.output());
  EXPECT_TRUE(run.verify(run.output()));
  for (const std::string name : {"a.weight", "b.weight", "c.weight"}) {
    const std::vector<float> values = test::values_of(sources.tensors.at(name));
    float largest = 0;
    for (const float value : values) {
      largest = std::max(largest, std::fabs(value));
    }
    const FileTensor &scale = file.tensors.at(name + "_scale");
    EXPECT_EQ(scale.dtype, Dtype::kF32);
    EXPECT_EQ(scale.shape, std::vector<uint64_t>{1});
    const auto stored = load_le<float>(scale.bytes.data());
    EXPECT_EQ(stored, largest / 448.0F);
    const FileTensor &codes = file.tensors.at(name);
    EXPECT_EQ(codes.dtype, Dtype::kF8E4M3);
    EXPECT_EQ(codes.shape, sources.tensors.at(name).shape);
    EXPECT_EQ(codes.bytes, nearest_codes(values, stored));
  }
  EXPECT_EQ(file.tensors.at("lm_head.weight").dtype, Dtype::kF32);
  const Json config = Json::parse(run.plan().quantization_config);
  EXPECT_EQ(config["quant_method"], "fp8");
  EXPECT_EQ(config["activation_scheme"], "dynamic");
  EXPECT_EQ(config["ignored_layers"], Json::array({"lm_head"}));
}

/// What comparing a file with another one finds about a tensor.
Json compared(const Bytes &file, const Bytes &reference, std::string_view name) {
  catalog::Opening opening;
  opening.join_quantized = true;
  const auto first = test::inspect(file, opening);
  const auto second = test::inspect(reference, opening);
  run::CompareStage stage(first.value(), &second.value(), 1);
  const auto done = test::drive(
      stage,
      [&](const run::ByteRange &read, std::span<uint8_t> to) {
        const Bytes &from = read.source == 0 ? file : reference;
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(read.offset), to.size(), to.begin());
      },
      [](uint64_t, std::span<const uint8_t>) {});
  EXPECT_TRUE(done);
  const Json result = Json::parse(stage.result_json());
  for (const Json &tensor : result["tensors"]) {
    if (tensor["name"] == name) {
      return tensor;
    }
  }
  return {};
}

TEST(Fp8, what_was_written_is_opened_as_values_and_is_valid) {
  Random random(621);
  const Bytes source = model(random);
  const MemoryRun run(test::plan_for(source, fp8_options()), source);
  const auto opened = test::inspect(run.output(), {{}, {}, false, true});
  ASSERT_TRUE(opened);
  EXPECT_TRUE(check_layout(opened.value()).empty());
  for (const char *name : {"a.weight", "b.weight", "c.weight"}) {
    const Json found = compared(run.output(), source, name);
    EXPECT_EQ(found["codes"]["badScales"], 0) << name;
    EXPECT_EQ(found["codes"]["misrounded"], 0) << name;
    const double sqnr =
        10 * std::log10(found["signal"].get<double>() / found["noise"].get<double>());
    EXPECT_GT(sqnr, 30) << "three bits of mantissa give 31.5 dB and more";
    const quant::ErrorSums sums = run.tensor_errors(test::index_of(*run.plan().catalog, name));
    EXPECT_NEAR(sums.noise, found["noise"].get<double>(), sums.noise * 1e-9);
  }
  Bytes damaged = run.output();
  const size_t at = static_cast<size_t>(plan::outputs(run.plan(), 0)[0].offset) + 5;
  damaged[at] = static_cast<uint8_t>(damaged[at] ^ 1U);
  EXPECT_EQ(compared(damaged, source, "a.weight")["codes"]["misrounded"], 1);
}

TEST(Fp8, is_dequantized_to_codes_times_scales) {
  Random random(622);
  // One scale a tensor, and one a row as other tools write it.
  for (const uint64_t scales : {1U, 6U}) {
    const FileTensor codes = test::random_bytes(random, "x.weight", Dtype::kF8E4M3, {6, 40});
    const FileTensor scale =
        test::random_weights(random, "x.weight_scale", Dtype::kF32, {scales, 1});
    const Bytes file = test::make_file({codes, scale});
    const auto catalog = test::inspect(file, {{}, {}, false, true});
    ASSERT_TRUE(catalog);
    ASSERT_EQ(catalog.value().tensors.size(), 1U);
    Json options = test::default_options();
    options["bits"] = "none";
    options["dequantizedType"] = "F32";
    const MemoryRun run(test::plan_for(catalog.value(), options), file);
    const auto values = test::values_of(test::parse_file(run.output()).tensors.at("x.weight"));
    for (size_t i = 0; i < values.size(); ++i) {
      const auto factor = load_le<float>(scale.bytes.data() + (scales == 1 ? 0 : i / 40 * 4));
      const auto expected = static_cast<float>(value_of(codes.bytes[i])) * factor;
      EXPECT_TRUE(values[i] == expected || (std::isnan(values[i]) && std::isnan(expected))) << i;
    }
  }
}

TEST(Fp8, codes_called_like_a_scale_of_inputs_are_codes) {
  Random random(23);
  const Bytes file = test::make_file({
      test::random_bytes(random, "input_scale", Dtype::kF8E5M2, {}),
      test::make_tensor("input_scale_scale", Dtype::kF16, {}, {2}),
  });
  const auto catalog = test::inspect(file, {{}, {}, false, true});
  ASSERT_TRUE(catalog);
  ASSERT_EQ(catalog.value().tensors.size(), 1U) << "neither lost nor somebody's scale";
  EXPECT_EQ(catalog.value().tensors[0].name, "input_scale");
  EXPECT_TRUE(catalog.value().tensors[0].codes != nullptr);
  EXPECT_TRUE(catalog.value().input_parameters.empty());
}

TEST(Fp8, a_configuration_of_compressed_tensors_describes_floats_or_integers) {
  Random random(625);
  const auto problems = [&](const char *type) {
    const Bytes file = test::make_file(
        {test::random_bytes(random, "x.weight", Dtype::kF8E4M3, {6, 40}),
         test::random_weights(random, "x.weight_scale", Dtype::kF32, {6, 1})},
        {{"quantization_config",
          concat(R"({"quant_method": "compressed-tensors", "config_groups": {"group_0": {)",
                 R"("targets": ["Linear"], "weights": {"num_bits": 8, "type": ")", type,
                 R"(", "symmetric": true, "strategy": "channel"}}}})")}});
    return check_layout(test::inspect(file, {{}, {}, false, true}).value());
  };
  EXPECT_TRUE(problems("float").empty());
  const auto found = problems("int");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].code, "config-mismatch");
  EXPECT_NE(found[0].message.find("found FP8"), std::string::npos) << found[0].message;
}

TEST(Fp8, a_plan_refuses_what_it_cannot_store) {
  Random random(624);
  const auto catalog = test::inspect(model(random));
  for (const auto &[key, value] : std::map<std::string, Json>{
           {"bits", 4}, {"scheme", "asymmetric"}, {"mode", "weights-only"}}) {
    Json options = fp8_options();
    options[key] = value;
    const auto parsed = plan::parse_options(options.dump(), catalog.value().tensors.size());
    ASSERT_TRUE(parsed);
    const auto plan = plan::make_plan(catalog.value(), parsed.value());
    ASSERT_FALSE(plan) << key;
    EXPECT_EQ(plan.error().code, ErrorCode::kInvalidOptions);
    EXPECT_NE(plan.error().message.find("fp8"), std::string::npos);
  }
}

/// The values of a tensor as whoever loads it gets them.
std::vector<float> loaded(const Bytes &file, std::string_view name, const std::string &config) {
  catalog::Opening opening;
  opening.join_quantized = true;
  opening.refuses = catalog::Refuses::kUnsound;
  opening.quantization_config = config;
  const auto catalog = test::inspect(file, opening);
  EXPECT_TRUE(catalog) << (catalog ? "" : catalog.error().message);
  if (!catalog) {
    return {};
  }
  run::TensorStage stage(catalog.value(), test::index_of(catalog.value(), name),
                         test::kSmallestBlock);
  std::vector<float> values(static_cast<size_t>(stage.total_bytes() / sizeof(float)));
  const auto done = test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
      },
      [&](uint64_t offset, std::span<const uint8_t> bytes) {
        std::memcpy(reinterpret_cast<uint8_t *>(values.data()) + offset, bytes.data(),
                    bytes.size());
      });
  EXPECT_TRUE(done);
  return values;
}

struct Spelled {
  std::string codes;
  std::string scales;
  std::string name;
  Dtype dtype = Dtype::kF8E4M3;
  std::vector<uint64_t> shape = {};
  Dtype scale_dtype = Dtype::kF32;
  std::vector<uint64_t> scale_shape = {};
  uint64_t block_rows = 0;
  uint64_t block_columns = 0;
  std::string config = {};
};

/// By the definition: the scale of the rectangle that the element is in.
void expect_values(const Spelled &row) {
  Random random(650);
  FileTensor codes = test::random_bytes(random, row.codes, row.dtype, row.shape);
  for (uint8_t &code : codes.bytes) { // NaN and infinity are seen elsewhere
    code = static_cast<uint8_t>(code & 0xBBU);
  }
  FileTensor scales{row.scales, row.scale_dtype, row.scale_shape, {}};
  std::vector<float> numbers;
  for (uint64_t i = 0; i < test::element_count(row.scale_shape); ++i) {
    if (row.scale_dtype == Dtype::kU8 || row.scale_dtype == Dtype::kF8E8M0) {
      scales.bytes.push_back(static_cast<uint8_t>(120 + i % 11));
      numbers.push_back(std::ldexp(1.0F, static_cast<int>(i % 11) - 7));
    } else {
      numbers.push_back(0.25F + static_cast<float>(i % 29) / 64); // exact in 16 bits, too
    }
  }
  if (scales.bytes.empty()) {
    scales = test::make_tensor(row.scales, row.scale_dtype, row.scale_shape,
                               std::vector<double>(numbers.begin(), numbers.end()));
  }
  const Bytes file = test::make_file(
      {scales, test::make_tensor("norm.weight", Dtype::kF32, {3}, {1, 2, 3}), codes});
  const std::vector<float> values = loaded(file, row.name, row.config);
  ASSERT_EQ(values.size(), codes.bytes.size()) << row.codes;
  const uint64_t columns = row.shape.back();
  const uint64_t rows = row.shape[row.shape.size() - 2];
  const uint64_t across = (columns + row.block_columns - 1) / row.block_columns;
  const uint64_t down = (rows + row.block_rows - 1) / row.block_rows;
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t line = i / columns;
    const uint64_t place = (line / rows * down + line % rows / row.block_rows) * across +
                           i % columns / row.block_columns;
    const float code = row.dtype == Dtype::kF8E4M3
                           ? static_cast<float>(value_of(codes.bytes[i]))
                           : f16_to_f32(static_cast<uint16_t>(codes.bytes[i] << 8U));
    ASSERT_EQ(values[i], code * numbers[static_cast<size_t>(place)])
        << row.scales << ", element " << i;
  }
}

TEST(Fp8, scales_of_every_spelling_and_shape_are_applied) {
  const Dtype e4m3 = Dtype::kF8E4M3;
  const Dtype e5m2 = Dtype::kF8E5M2;
  const Dtype f32 = Dtype::kF32;
  const Dtype bf16 = Dtype::kBF16;
  const std::string blocks_of_64 = R"({"quant_method":"fp8","weight_block_size":[64,64]})";
  const std::string blocks_of_40 =
      R"({"config_groups":{"g":{"weights":{"block_structure":[40,50]}}}})";
  const std::vector<Spelled> rows = {
      {"x.weight", "x.weight_scale", "x.weight", e4m3, {6, 40}, f32, {}, 6, 40},
      {"x.weight", "x.weight_scale", "x.weight", e4m3, {6, 40}, bf16, {1}, 6, 40},
      {"x.weight", "x.weight_scale", "x.weight", e5m2, {6, 40}, f32, {6, 1}, 1, 40},
      {"x.weight", "x.weight_scale", "x.weight", e4m3, {6, 40}, f32, {6}, 1, 40},
      {"x.weight", "x.weight_scale", "x.weight", e4m3, {6, 40}, f32, {1, 40}, 6, 1},
      {"x.weight", "x.weight_scale", "x.weight", e4m3, {6, 40}, f32, {2, 4}, 3, 10},
      {"x.weight", "x.weight_scale", "x.weight", e4m3, {6, 64}, Dtype::kU8, {6, 2}, 1, 32},
      {"x.weight", "x.scale", "x.weight", e4m3, {6, 64}, Dtype::kF8E8M0, {6, 2}, 1, 32},
      {"x.weight", "x.scale_weight", "x.weight", e5m2, {6, 40}, f32, {}, 6, 40},
      {"x.weight._data", "x.weight._scale", "x.weight", e4m3, {6, 40}, bf16, {6, 1}, 1, 40},
      {"x.weight", "x.weight_scale_inv", "x.weight", e4m3, {256, 384}, f32, {2, 3}, 128, 128},
      // The last blocks are smaller: 200 rows are 128 and 72, not 100 and 100.
      {"x.weight", "x.weight_scale_inv", "x.weight", e4m3, {200, 320}, f32, {2, 3}, 128, 128},
      {"x.weight", "x.weight_scale_inv", "x.weight", e4m3, {128, 192}, f32, {2, 3}, 64, 64},
      {"x.weight",
       "x.weight_scale_inv",
       "x.weight",
       e4m3,
       {100, 192},
       f32,
       {2, 3},
       64,
       64,
       blocks_of_64},
      {"x.weight",
       "x.weight_scale",
       "x.weight",
       e4m3,
       {100, 120},
       bf16,
       {3, 3},
       40,
       50,
       blocks_of_40},
      {"e.up", "e.up_scale_inv", "e.up", e4m3, {3, 200, 130}, f32, {3, 2, 2}, 128, 128},
      // Several parts, which begin within rows and blocks.
      {"x.weight", "x.weight_scale_inv", "x.weight", e4m3, {1300, 1999}, f32, {11, 16}, 128, 128},
  };
  for (const Spelled &row : rows) {
    expect_values(row);
  }
}

TEST(Fp8, scales_that_fit_no_blocks_are_a_problem) {
  Random random(651);
  for (const std::vector<uint64_t> &shape :
       std::vector<std::vector<uint64_t>>{{7, 2}, {2, 7}, {5}, {2, 2, 1}}) {
    const Bytes file =
        test::make_file({test::random_bytes(random, "x.weight", Dtype::kF8E4M3, {6, 40}),
                         test::random_bytes(random, "x.weight_scale_inv", Dtype::kF32, shape)});
    catalog::Opening opening;
    opening.join_quantized = true;
    const auto shown = test::inspect(file, opening);
    ASSERT_TRUE(shown);
    ASSERT_EQ(shown.value().problems.size(), 1U) << testing::PrintToString(shape);
    EXPECT_EQ(shown.value().problems[0].code, "wrong-shape");
    opening.refuses = catalog::Refuses::kUnsound;
    const auto refused = test::inspect(file, opening);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kMalformedFile);
  }
}

} // namespace
} // namespace monoquant::layout
