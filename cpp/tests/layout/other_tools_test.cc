// Files that other tools have written: their values to the bit. And what is broken in them, told in a sentence.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "monoquant/base/bytes.h"
#include "monoquant/base/float_convert.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/joining.h"
#include "monoquant/layout/layout.h"
#include "monoquant/run/compare_stage.h"
#include "monoquant/run/tensor_stage.h"
#include "support/drive.h"
#include "support/fixture.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"
#include "support/sha256.h"

namespace monoquant::layout {
namespace {

using catalog::Catalog;
using catalog::Tensor;
using test::Bytes;
using test::FileTensor;

Catalog open_joined(const Bytes &file, const Json &config = {},
                    const std::string &quantization_config = {}) {
  catalog::Opening opening;
  opening.join_quantized = true;
  if (config.is_object() && config.contains("quantization_config")) {
    opening.quantization_config = config["quantization_config"].dump();
  }
  if (!quantization_config.empty()) {
    opening.quantization_config = quantization_config;
  }
  auto catalog = test::inspect(file, opening);
  EXPECT_TRUE(catalog) << (catalog ? "" : catalog.error().message);
  return catalog ? catalog.value() : Catalog{};
}

std::vector<float> values_in(const Bytes &file, const Catalog &catalog, std::string_view name) {
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    if (catalog.tensors[i].name != name) {
      continue;
    }
    run::TensorStage stage(catalog, i, test::kSmallestBlock);
    std::vector<float> values(static_cast<size_t>(catalog.tensors[i].elements));
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
  return {};
}

/// As the tool's own values were stored: in the smallest type that holds them.
std::string digest(const std::vector<float> &values, std::string_view dtype) {
  Bytes bytes;
  for (const float value : values) {
    uint8_t four[4];
    size_t width = 2;
    if (dtype == "F32") {
      store_le(four, value);
      width = 4;
    } else {
      store_le(four, dtype == "F16" ? f32_to_f16(value) : f32_to_bf16(value));
    }
    bytes.insert(bytes.end(), four, four + width);
  }
  return test::sha256(bytes);
}

void expect_exact(const Bytes &file, const Catalog &catalog, const Json &expected) {
  EXPECT_TRUE(catalog.problems.empty()) << catalog.problems[0].message;
  EXPECT_TRUE(catalog.foreign.empty()) << catalog.foreign[0].layout;
  for (const catalog::Problem &problem : check_layout(catalog)) {
    ADD_FAILURE() << problem.message;
  }
  const auto name = expected["tensor"].get<std::string>();
  const auto found = std::find_if(catalog.tensors.begin(), catalog.tensors.end(),
                                  [&](const Tensor &tensor) { return tensor.name == name; });
  ASSERT_NE(found, catalog.tensors.end());
  ASSERT_NE(found->codes, nullptr);
  if (expected.contains("shape")) {
    EXPECT_EQ(found->shape, expected["shape"].get<std::vector<uint64_t>>());
  }
  const std::vector<float> values = values_in(file, catalog, name);
  EXPECT_EQ(digest(values, expected["dtype"].get<std::string>()),
            expected["sha256"].get<std::string>());
}

TEST(OtherTools, ValuesAreTheirsToTheBit) {
  const Json described = test::read_fixture_json("layouts/layouts.json");
  size_t files = 0;
  for (const auto &[name, expected] : described["exact"].items()) {
    SCOPED_TRACE(name);
    const Bytes file = test::read_fixture(concat("layouts/", name, ".safetensors"));
    const Catalog catalog = open_joined(file, expected["config"]);
    expect_exact(file, catalog, expected);
    for (const Tensor &tensor : catalog.tensors) { // nothing is left of how it was stored
      EXPECT_TRUE(tensor.name.ends_with(".weight")) << tensor.name;
    }
    for (const auto &[key, value] : catalog.metadata) {
      EXPECT_EQ(key, "format");
    }
    ++files;
  }
  EXPECT_GE(files, 27U);
  for (const auto &[name, expected] : described["pickled"].items()) {
    SCOPED_TRACE(name);
    const Bytes file = test::read_fixture(concat("layouts/", name));
    expect_exact(file, open_joined(file), expected);
  }
}

/// The weight that all files of `golden` hold, and how far away it may be.
TEST(OtherTools, GoldenFilesHoldTheWeightThatTheyWereMadeFrom) {
  struct Row {
    const char *file;
    double error;
    const char *config = "";
  };
  constexpr Row kRows[] = {
      {"gptq_v1_g64", .0626},
      {"gptq_v2_g64", .0626},
      // Files of the second version that are called the first's: symmetric codes tell.
      {"gptq_v2_g64", .0626, R"({"quant_method":"gptq","sym":true,"checkpoint_format":"gptq"})"},
      {"awq_gemm_g64", .0626},
      {"bnb_nf4", .1286},
      {"mlx_affine4_g64", .1172, R"({"group_size":64,"bits":4,"mode":"affine"})"},
      {"comfy_int8_row", .0037},
      {"comfy_int8_convrot_g64", .0126},
  };
  for (const Row &row : kRows) {
    SCOPED_TRACE(row.file);
    const Bytes file = test::read_fixture(concat("golden/", row.file, ".safetensors"));
    const Catalog catalog = open_joined(file, {}, row.config);
    ASSERT_EQ(catalog.tensors.size(), 1U);
    EXPECT_EQ(catalog.tensors[0].shape, (std::vector<uint64_t>{64, 128}));
    const std::vector<float> values = values_in(file, catalog, catalog.tensors[0].name);
    ASSERT_EQ(values.size(), size_t{64} * 128);
    for (size_t at = 0; at < values.size(); ++at) {
      const auto n = static_cast<int>(at / 128);
      const auto k = static_cast<int>(at % 128);
      const double wanted = ((29 * k + 13 * n) % 61 - 30) / 32.0;
      ASSERT_NEAR(static_cast<double>(values[at]), wanted, row.error) << n << ", " << k;
    }
  }
}

FileTensor bytes_like(std::string name, Dtype dtype, std::vector<uint64_t> shape) {
  test::Random random(77);
  return test::random_bytes(random, std::move(name), dtype, std::move(shape));
}

FileTensor numbers(std::string name, Dtype dtype, std::vector<uint64_t> shape, double value = .5) {
  const std::vector<double> all(test::element_count(shape), value);
  return test::make_tensor(std::move(name), dtype, std::move(shape), all);
}

FileTensor text(std::string name, std::string_view what) {
  return {std::move(name), Dtype::kU8, {what.size()}, Bytes(what.begin(), what.end())};
}

constexpr Dtype kI8 = Dtype::kI8;
constexpr Dtype kU8 = Dtype::kU8;
constexpr Dtype kI32 = Dtype::kI32;
constexpr Dtype kU32 = Dtype::kU32;
constexpr Dtype kF16 = Dtype::kF16;
constexpr Dtype kF32 = Dtype::kF32;
constexpr Dtype kBF16 = Dtype::kBF16;

/// A file of one layer, in one of the layouts.
struct Layer {
  std::string title;
  std::vector<FileTensor> tensors;
  std::string config;
  std::string name; // of what it becomes
  std::vector<uint64_t> shape;
};

std::vector<Layer> layers() {
  const std::string gptq = R"({"quant_method":"gptq","bits":4,"sym":false,"group_size":32})";
  const std::string state = R"({"blocksize":64,"shape":[6,48],"dtype":"float16"})";
  const std::string nested =
      R"({"blocksize":64,"shape":[6,48],"nested_blocksize":4,"nested_offset":0.25})";
  return {
      {"gptq",
       {bytes_like("x.qweight", kI32, {12, 40}), bytes_like("x.qzeros", kI32, {3, 5}),
        numbers("x.scales", kF16, {3, 40})},
       gptq,
       "x.weight",
       {40, 96}},
      {"gptq 3 bits",
       {bytes_like("x.qweight", kI32, {9, 64}), bytes_like("x.qzeros", kI32, {3, 6}),
        numbers("x.scales", kF16, {3, 64})},
       R"({"quant_method":"gptq","bits":3,"sym":false})",
       "x.weight",
       {64, 96}},
      {"awq",
       {bytes_like("x.qweight", kI32, {96, 5}), bytes_like("x.qzeros", kI32, {3, 5}),
        numbers("x.scales", kF16, {3, 40})},
       R"({"quant_method":"awq","bits":4})",
       "x.weight",
       {40, 96}},
      {"bitsandbytes",
       {bytes_like("x.weight", kU8, {144, 1}), numbers("x.weight.quant_map", kF32, {16}),
        numbers("x.weight.absmax", kF32, {5}),
        text("x.weight.quant_state.bitsandbytes__nf4", state)},
       {},
       "x.weight",
       {6, 48}},
      {"bitsandbytes nested",
       {bytes_like("x.weight", kU8, {144, 1}), numbers("x.weight.quant_map", kF32, {16}),
        bytes_like("x.weight.absmax", kU8, {5}), numbers("x.weight.nested_absmax", kF32, {2}),
        numbers("x.weight.nested_quant_map", kF32, {256}),
        text("x.weight.quant_state.bitsandbytes__fp4", nested)},
       {},
       "x.weight",
       {6, 48}},
      {"bitsandbytes int8",
       {bytes_like("x.weight", kI8, {6, 48}), numbers("x.SCB", kF32, {6})},
       {},
       "x.weight",
       {6, 48}},
      {"mlx",
       {bytes_like("x.weight", kU32, {6, 12}), numbers("x.scales", kF16, {6, 2}),
        numbers("x.biases", kF16, {6, 2})},
       R"({"bits":6,"group_size":32})",
       "x.weight",
       {6, 64}},
      {"gpt-oss",
       {bytes_like("e.up_blocks", kU8, {2, 24, 3, 16}),
        FileTensor{"e.up_scales", kU8, {2, 24, 3}, Bytes(144, 126)}},
       {},
       "e.up",
       {2, 96, 24}},
      {"hqq",
       {bytes_like("x.W_q", kU8, {12, 16}), numbers("x.scale", kF16, {24, 1}),
        numbers("x.zero", kF16, {24, 1}), numbers("x.bias", kF16, {8})},
       {},
       "x.weight",
       {8, 48}},
      {"quanto",
       {bytes_like("x.weight._data._data", kU8, {6, 16}),
        numbers("x.weight._scale", kBF16, {24, 1}), numbers("x.weight._shift", kBF16, {24, 1}),
        numbers("x.bias", kBF16, {8})},
       {},
       "x.weight",
       {8, 48}},
      {"quanto int8",
       {bytes_like("x.weight._data", kI8, {6, 48}), numbers("x.weight._scale", kBF16, {6, 1})},
       {},
       "x.weight",
       {6, 48}},
      {"torchao",
       {bytes_like("x._weight_qdata", kI8, {6, 48}), numbers("x._weight_scale", kF32, {6, 3}),
        FileTensor{"x._weight_zero_point", kI8, {6, 3}, Bytes(18, 2)}},
       {},
       "x.weight",
       {6, 48}},
      {"bitnet",
       {bytes_like("x.weight", kU8, {6, 48}), numbers("x.weight_scale", kBF16, {1})},
       R"({"quant_method":"bitnet","linear_class":"autobitlinear"})",
       "x.weight",
       {24, 48}},
      {"comfyui",
       {bytes_like("x.weight", kI8, {6, 64}), numbers("x.weight_scale", kF32, {6, 1}),
        text("x.comfy_quant",
             R"({"format":"int8_tensorwise","convrot":true,"convrot_groupsize":16})")},
       {},
       "x.weight",
       {6, 64}},
      {"nvfp4",
       {bytes_like("x.weight_packed", kU8, {6, 32}),
        FileTensor{"x.weight_scale", Dtype::kF8E4M3, {6, 4}, Bytes(24, 0x38)},
        numbers("x.weight_global_scale", kF32, {1}, 2), numbers("x.input_global_scale", kF32, {1})},
       {},
       "x.weight",
       {6, 64}},
      {"mxfp4",
       {bytes_like("x.weight_packed", kU8, {6, 32}),
        FileTensor{"x.weight_scale", kU8, {6, 2}, Bytes(12, 127)}},
       {},
       "x.weight",
       {6, 64}},
  };
}

const Tensor *named(const Catalog &catalog, std::string_view name) {
  for (const Tensor &tensor : catalog.tensors) {
    if (tensor.name == name) {
      return &tensor;
    }
  }
  return nullptr;
}

TEST(OtherTools, LayersAreFoundByTheirNames) {
  for (const Layer &layer : layers()) {
    SCOPED_TRACE(layer.title);
    const Bytes file = test::make_file(layer.tensors);
    const Catalog catalog = open_joined(file, {}, layer.config);
    EXPECT_TRUE(catalog.problems.empty()) << catalog.problems[0].message;
    EXPECT_TRUE(catalog.foreign.empty());
    const Tensor *found = named(catalog, layer.name);
    ASSERT_NE(found, nullptr);
    ASSERT_NE(found->codes, nullptr);
    EXPECT_EQ(found->shape, layer.shape);
    EXPECT_FALSE(found->codes->has_integer_runs());
    EXPECT_EQ(values_in(file, catalog, layer.name).size(), found->elements);
    for (const Tensor &tensor : catalog.tensors) { // nothing is left of how it was stored
      EXPECT_TRUE(&tensor == found || tensor.name == "x.bias") << tensor.name;
    }
    // Whoever would quantize it is sent to dequantize.
    const auto raw = test::inspect(file);
    ASSERT_TRUE(raw);
    ASSERT_FALSE(raw.value().foreign.empty());
    EXPECT_TRUE(raw.value().foreign[0].is_read) << raw.value().foreign[0].layout;
  }
}

/// Without any of its parts, a layer is no tensor of values, and whoever wants values is told.
TEST(OtherTools, NothingIsGuessedWhereAPartIsMissing) {
  for (const Layer &layer : layers()) {
    for (size_t left = 0; left < layer.tensors.size(); ++left) {
      const std::string &part = layer.tensors[left].name;
      const bool may_be_missing = part == "x._weight_zero_point";
      if (may_be_missing || part == "x.comfy_quant" || part == "x.weight_global_scale" ||
          part == "x.SCB" || part == "x.input_global_scale") {
        continue; // what is left is another layout's, or speaks of no codes
      }
      SCOPED_TRACE(layer.title + " without " + part);
      std::vector<FileTensor> tensors = layer.tensors;
      tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(left));
      const Catalog catalog = open_joined(test::make_file(tensors), {}, layer.config);
      const Tensor *found = named(catalog, layer.name);
      EXPECT_TRUE(found == nullptr || found->codes == nullptr);
      // Scales alone are floats.
      const bool has_codes = std::any_of(tensors.begin(), tensors.end(), [](const auto &tensor) {
        return tensor.name.ends_with("weight") || tensor.name.ends_with("_q") ||
               tensor.name.ends_with("_data") || tensor.name.ends_with("qdata") ||
               tensor.name.ends_with("_blocks") || tensor.name.ends_with("_packed");
      });
      if (has_codes && layer.config.empty()) {
        EXPECT_TRUE(!catalog.problems.empty() || !catalog.foreign.empty());
      }
    }
  }
}

/// One row or column more or less in any part.
TEST(OtherTools, PartsOfOtherShapesAreProblems) {
  for (const Layer &layer : layers()) {
    for (size_t at = 0; at < layer.tensors.size(); ++at) {
      for (size_t axis = 0; axis < layer.tensors[at].shape.size(); ++axis) {
        for (const int change : {-1, 1}) {
          std::vector<FileTensor> tensors = layer.tensors;
          FileTensor &part = tensors[at];
          if (part.name == "x.comfy_quant" || part.name == "x.input_global_scale" ||
              part.name.find("quant_state") != std::string::npos) {
            continue;
          }
          part.shape[axis] += static_cast<uint64_t>(change);
          part.bytes.resize(static_cast<size_t>(test::element_count(part.shape)) *
                            (dtype_bits(part.dtype) / 8));
          SCOPED_TRACE(concat(layer.title, ": ", part.name, " ", shape_text(part.shape)));
          const Bytes file = test::make_file(tensors);
          const Catalog catalog = open_joined(file, {}, layer.config);
          const Tensor *found = named(catalog, layer.name);
          if (found != nullptr && found->codes != nullptr) {
            // Another tensor, all of whose parts fit.
            EXPECT_NE(found->shape, layer.shape);
            values_in(file, catalog, layer.name);
          } else {
            ASSERT_FALSE(catalog.problems.empty() && catalog.foreign.empty());
            EXPECT_FALSE(catalog.problems.empty() && part.name.starts_with("x.q"));
          }
          for (const catalog::Problem &problem : catalog.problems) {
            EXPECT_TRUE(problem.message.starts_with("Expected ")) << problem.message;
            EXPECT_NE(problem.message.find(", found "), std::string::npos) << problem.message;
            EXPECT_FALSE(problem.tensor.empty());
          }
        }
      }
    }
  }
}

TEST(OtherTools, ScalesOfScales) {
  const std::string state =
      R"({"blocksize":4,"shape":[2,8],"nested_blocksize":2,"nested_offset":0.5})";
  FileTensor map = numbers("w.quant_map", kF32, {16});
  FileTensor nested_map = numbers("w.nested_quant_map", kF32, {256});
  for (size_t i = 0; i < 16; ++i) {
    store_le(map.bytes.data() + i * 4, static_cast<float>(i) - 7);
  }
  for (size_t i = 0; i < 256; ++i) {
    store_le(nested_map.bytes.data() + i * 4, static_cast<float>(i) / 256);
  }
  FileTensor outer = numbers("w.nested_absmax", kF32, {2}, 2);
  store_le(outer.bytes.data() + 4, 8.0F);
  const Bytes file = test::make_file(
      {map, nested_map, outer,
       FileTensor{"w", kU8, {8, 1}, {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF}},
       FileTensor{"w.absmax", kU8, {4}, {64, 128, 32, 0}},
       text("w.quant_state.bitsandbytes__nf4", state)});
  const Catalog catalog = open_joined(file);
  const std::vector<float> values = values_in(file, catalog, "w");
  constexpr float kScales[] = {64.F / 256 * 2 + .5F, 128.F / 256 * 2 + .5F, 32.F / 256 * 8 + .5F,
                               .5F};
  ASSERT_EQ(values.size(), 16U);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i], (static_cast<float>(i) - 7) * kScales[i / 4]) << i;
  }
}

TEST(OtherTools, ExpertsOfGptOssLieTheOtherWayRound) {
  const auto all = layers();
  const auto layer = std::find_if(all.begin(), all.end(),
                                  [](const Layer &each) { return each.title == "gpt-oss"; });
  FileTensor blocks = layer->tensors[0];
  FileTensor scales = layer->tensors[1];
  for (size_t i = 0; i < scales.bytes.size(); ++i) {
    scales.bytes[i] = static_cast<uint8_t>(120 + i % 11);
  }
  const Bytes file = test::make_file({blocks, scales});
  const Catalog catalog = open_joined(file);
  const std::vector<float> values = values_in(file, catalog, "e.up");
  constexpr float kNumbers[] = {0, .5, 1, 1.5, 2, 3, 4, 6, -0.F, -.5, -1, -1.5, -2, -3, -4, -6};
  for (size_t expert = 0; expert < 2; ++expert) {
    for (size_t k = 0; k < 96; ++k) {
      for (size_t n = 0; n < 24; ++n) {
        const size_t row = expert * 24 + n;
        const uint8_t byte = blocks.bytes[row * 48 + k / 2];
        const float number = kNumbers[k % 2 == 0 ? byte & 15 : byte >> 4];
        const float scale = std::ldexp(1.0F, scales.bytes[row * 3 + k / 32] - 127);
        ASSERT_EQ(values[(expert * 96 + k) * 24 + n], number * scale) << k << ", " << n;
      }
    }
  }
}

TEST(OtherTools, TernaryWeightsAreMultipliedOrDivided) {
  FileTensor codes{"x.weight", kU8, {2, 3}, {0x90, 0x64, 0x12, 0x49, 0x86, 0x21}};
  const Bytes file = test::make_file({codes, numbers("x.weight_scale", kBF16, {1}, 4)});
  for (const auto &[kind, unit] : {std::pair("bitlinear", .25F), {"autobitlinear", 4.F}}) {
    const Catalog catalog =
        open_joined(file, {}, concat(R"({"quant_method":"bitnet","linear_class":")", kind, "\"}"));
    const std::vector<float> values = values_in(file, catalog, "x.weight");
    ASSERT_EQ(values.size(), 24U);
    for (size_t at = 0; at < values.size(); ++at) {
      const uint8_t byte = codes.bytes[at % 6];
      const int code = (byte >> (2 * (at / 6)) & 3) - 1;
      EXPECT_EQ(values[at], static_cast<float>(code) * unit) << kind << at;
    }
  }
  // Nobody knows which, without the configuration.
  const Catalog unsaid = open_joined(file);
  ASSERT_EQ(unsaid.foreign.size(), 1U);
  EXPECT_EQ(unsaid.foreign[0].layout, "BitNet");
}

/// Which version zero points are of stands in the configuration, unless they are those of symmetric codes.
TEST(OtherTools, VersionsOfGptq) {
  const Layer layer = layers()[0];
  const auto first_value = [&](std::string_view config, uint8_t zeros) {
    std::vector<FileTensor> tensors = layer.tensors;
    std::fill(tensors[1].bytes.begin(), tensors[1].bytes.end(), zeros);
    tensors[0].bytes[0] = 5;
    const Bytes file = test::make_file(tensors);
    const Catalog catalog = open_joined(file, {}, std::string(config));
    const std::vector<float> values = values_in(file, catalog, "x.weight");
    return values.empty() ? 100.F : values[0] / .5F;
  };
  constexpr std::string_view kFirst = R"({"quant_method":"gptq","checkpoint_format":"gptq"})";
  constexpr std::string_view kSecond = R"({"quant_method":"gptq","checkpoint_format":"gptq_v2"})";
  constexpr std::string_view kFirstAsymmetric = R"({"quant_method":"gptq","sym":false})";
  constexpr std::string_view kSecondAsymmetric =
      R"({"quant_method":"gptq","sym":false,"checkpoint_format":"gptq_v2"})";
  constexpr std::string_view kAutoRound =
      R"({"quant_method":"auto-round","sym":false,"packing_format":"auto_round:auto_gptq"})";
  EXPECT_EQ(first_value(kFirst, 0x77), -3);
  EXPECT_EQ(first_value(kFirst, 0x88), -3);
  EXPECT_EQ(first_value(kSecond, 0x77), -3);
  EXPECT_EQ(first_value("", 0x77), -3);
  EXPECT_EQ(first_value("", 0x88), -3);
  EXPECT_EQ(first_value("", 0x66), 100) << "nothing tells";
  EXPECT_EQ(first_value(kFirst, 0x66), -2);
  EXPECT_EQ(first_value(kSecond, 0x66), -1);
  EXPECT_EQ(first_value(kFirstAsymmetric, 0x88), -4);
  EXPECT_EQ(first_value(kSecondAsymmetric, 0x77), -2);
  EXPECT_EQ(first_value(kAutoRound, 0x88), -4);
  EXPECT_EQ(first_value(kFirst, 0xFF), 5) << "zero points go around";
}

TEST(OtherTools, AnInputOutsideOfAllGroupsIsABadCode) {
  std::vector<FileTensor> tensors = layers()[0].tensors;
  FileTensor order{"x.g_idx", kI32, {96}, Bytes(96 * 4)};
  for (size_t i = 0; i < 96; ++i) {
    store_le(order.bytes.data() + i * 4, static_cast<int32_t>(i == 50 ? 3 : i % 3));
  }
  tensors.push_back(order);
  const Bytes file = test::make_file(tensors);
  const Catalog catalog = open_joined(file, {}, layers()[0].config);
  ASSERT_NE(named(catalog, "x.weight"), nullptr);
  run::CompareStage stage(catalog, nullptr, test::kSmallestBlock);
  const auto done = test::drive(
      stage,
      [&](const run::ByteRange &read, std::span<uint8_t> to) {
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(read.offset), to.size(), to.begin());
      },
      [](uint64_t, std::span<const uint8_t>) {});
  ASSERT_TRUE(done);
  EXPECT_NE(stage.result_json().find(R"("badCodes":1)"), std::string::npos);
}

/// Of two layouts at once: nothing has a name twice, and nothing is lost.
TEST(OtherTools, NoNameIsGivenTwice) {
  const std::vector<Layer> all = layers();
  for (const Layer &one : all) {
    for (const Layer &other : all) {
      std::vector<FileTensor> tensors = one.tensors;
      for (const FileTensor &tensor : other.tensors) {
        if (std::none_of(tensors.begin(), tensors.end(),
                         [&](const FileTensor &each) { return each.name == tensor.name; })) {
          tensors.push_back(tensor);
        }
      }
      SCOPED_TRACE(one.title + " and " + other.title);
      const Bytes file = test::make_file(tensors);
      const Catalog catalog = open_joined(file, {}, one.config);
      std::set<std::string> names;
      for (const Tensor &tensor : catalog.tensors) {
        EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
        values_in(file, catalog, tensor.codes ? tensor.name : "");
      }
    }
  }
}

/// What would be written by a layout that is only read is refused.
TEST(OtherTools, LayoutsThatAreOnlyReadAreNotWritten) {
  for (const Layout *layout : layouts()) {
    Json options = test::default_options();
    options["format"] = std::string(layout->name);
    const auto parsed = plan::parse_options(options.dump(), 1);
    EXPECT_EQ(parsed.has_value(), layout->is_written()) << layout->name;
  }
}

} // namespace
} // namespace monoquant::layout
