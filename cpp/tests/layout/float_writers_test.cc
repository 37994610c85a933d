// Codes that are no plain integers, as files: the bytes of the tools that the formats come from, and whole runs of any
// such layout, written, opened_joined, and found to be what was planned.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "monoquant/base/bytes.h"
#include "monoquant/base/text.h"
#include "monoquant/layout/joining.h"
#include "monoquant/layout/layout.h"
#include "monoquant/quant/named_codes.h"
#include "monoquant/run/tensor_stage.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"
#include "support/sha256.h"

namespace monoquant::layout {
namespace {

using test::Bytes;
using test::FileTensor;
using test::MemoryRun;
using test::Random;

struct WriterKind {
  std::string_view name;
  std::string_view format;
  std::string_view codes;
  std::string_view strategy = "channel";
  int group = -1;
  std::string_view mode = "dynamic";
};

constexpr WriterKind kWriterKinds[] = {
    {"FP8", "compressed-tensors", "FP8", "tensor"},
    {"FP8_DYNAMIC", "compressed-tensors", "FP8"},
    {"FP8A16", "compressed-tensors", "FP8", "channel", -1, "weights-only"},
    {"FP8_BLOCK", "compressed-tensors", "FP8", "block"},
    {"NVFP4A16", "compressed-tensors", "NVFP4", "group", 16, "weights-only"},
    {"MXFP4", "compressed-tensors", "MXFP4", "group", 32},
    {"MXFP8", "compressed-tensors", "MXFP8", "group", 32},
    {"NF4", "bitsandbytes", "NF4", "group", 64, "weights-only"},
    {"FP4", "bitsandbytes", "FP4", "group", 64, "weights-only"},
    {"INT8", "bitsandbytes", "integers"},
    {"ROW", "comfyui", "integers"},
    {"CONVROT", "comfyui", "INT8_CONVROT"},
    {"COMFY_FP8", "comfyui", "FP8"},
};

bool has_four_bits(const WriterKind &kind) {
  return kind.codes == "NVFP4" || kind.codes == "MXFP4" || kind.codes == "NF4" ||
         kind.codes == "FP4";
}

Json writer_options(const WriterKind &kind, std::string_view method = "rtn") {
  Json options = test::default_options();
  options["format"] = kind.format;
  options["codes"] = kind.codes;
  options["strategy"] = kind.strategy;
  options["groupSize"] = kind.group;
  options["mode"] = kind.mode;
  options["bits"] = has_four_bits(kind) ? 4 : 8;
  options["method"] = method;
  options["minElements"] = 0;
  return options;
}

const WriterKind &kind_called(std::string_view name) {
  return *std::find_if(std::begin(kWriterKinds), std::end(kWriterKinds),
                       [&](const WriterKind &kind) { return kind.name == name; });
}

// What the tools make of weights_with_ties(), SHA-256 of each tensor's bytes: compressed-tensors 0.20 (its presets),
// bitsandbytes 0.50.2 (quantize_4bit with blocks of 64; int8_vectorwise_quant of F16), and comfy-kitchen 0.2.40
// (quantize_int8_rowwise; quantize_int8_convrot_weight in groups of 256, whose scales differ by the order of sums).
struct ToolBytes {
  std::string_view kind;
  std::string_view tensor;
  std::string_view sha256;
};
constexpr ToolBytes kToolBytes[] = {
    {"FP8", "a.weight_scale", "e4f9218b86dcc43289a11844baa52253b4a3db4d0463d6505167feccb2dae3a3"},
    {"FP8", "a.weight", "8bcc9b513ed77216a00f286e8259824c2c19c97f451fae44fdcd9f9df1499770"},
    {"FP8_DYNAMIC", "a.weight_scale",
     "b65bc234240a2722a4b1bebcef799a0cf020c64453ee38df76b7bf0b509a0f49"},
    {"FP8_DYNAMIC", "a.weight", "e1c039832b5e6524e32c22eea48b219504cc31f5b40afd75e8898b85ef697af1"},
    {"FP8_BLOCK", "a.weight_scale",
     "e46c2b7eb9d87cb8259859c10d747efb3aea40467ff9db63eb436ce8e6610ff6"},
    {"FP8_BLOCK", "a.weight", "8bcc9b513ed77216a00f286e8259824c2c19c97f451fae44fdcd9f9df1499770"},
    {"NVFP4A16", "a.weight_global_scale",
     "29bf65c8e12d1cd16fe900f397256e714dc3d56de6ef16bf1bf14e783a3ce426"},
    {"NVFP4A16", "a.weight_packed",
     "297cd19505589af74ae4c58234a0c74231491bb9d9784b0530fc5e8a5e859cd5"},
    {"NVFP4A16", "a.weight_scale",
     "6a253c316bef545ece04017ccf396d6701f3c19c4bc44f24d8e4e26928749723"},
    {"MXFP4", "a.weight_packed",
     "bb9e263715e007b4cb19a2fe7344b32135de4283ee5ae01a8ae4fe35d90a72d9"},
    {"MXFP4", "a.weight_scale", "696949c719c4ed850ca638651236ad5e51b0f49ef8364968e29d7d3d7aedf69c"},
    {"MXFP8", "a.weight_scale", "d2a543f7f49d2c3308008161ab518f8d6bff50316ee01350d9f9cf31cabc8243"},
    {"MXFP8", "a.weight", "4d18ba2fbfc8d1949f49e481a666864bef6225c47c58b9ff80e867bbe9c6a520"},
    {"NF4", "a.weight", "48cdf59b5d247155f45eaa2f71ec16c9721f75f25e5a8cedf957e9c4b1b178ec"},
    {"NF4", "a.weight.absmax", "b2a0bd21046a657435cd2ddfd640ecc8553a786a9d58ef0d86ea461e92b2284e"},
    {"NF4", "a.weight.quant_map",
     "8501941daa1b8a90ad1bbfeb632e5101b5dddbc4bb52d6e55abcfd777e60c06a"},
    {"NF4", "a.weight.quant_state.bitsandbytes__nf4",
     "7578ce8827ce7dca546d3faaed2f588109f9f39bfacbafcb955d50567ac48197"},
    {"FP4", "a.weight", "7ebd7cd1338ace5f3963b1d977a0fe3ca57d80eaedc9b58f123f67a59d0e832b"},
    {"FP4", "a.weight.absmax", "b2a0bd21046a657435cd2ddfd640ecc8553a786a9d58ef0d86ea461e92b2284e"},
    {"FP4", "a.weight.quant_map",
     "b830bcf8857895e5676b8e2ce608a60bb8af9b3ce6270073e9de34814196f09c"},
    {"FP4", "a.weight.quant_state.bitsandbytes__fp4",
     "90fd7dcae2f4b6cddce916d76d08bfacdbd6d80d57f8d18eb3202e62a0a366c9"},
    {"INT8", "a.weight", "190c1c6ba1ff7ba96ef742902f54e3906ae1a193ff5f6421dbf16ec4d80b1b44"},
    {"INT8", "a.SCB", "ad4d081f04ff8604083c69bcef7c2b238531b515f66851457910db21c16ac8f3"},
    {"ROW", "a.weight", "b10570402c1b8dd22c56da47a43a7529aa7c58b3173be0da0c5ec10c35153a81"},
    {"ROW", "a.weight_scale", "f0e1fd71fe9d677dc2859f495fa0acb2b132fbea0e102f09f7bacc0c760e5e16"},
    {"CONVROT", "a.weight", "ec9b8679ee971729ca5eb907ec519af042d5b1eceeb7d125a9feb1b86f9bd33c"},
    {"SOURCE", "a.weight", "f3cd7119b24c182804fd2d339c77e7ca75a1938429aadf299b02ee584c92a1e5"},
};

/// Rows of several sizes; every fifth is full of values in the middle between two codes, and one is all zeros.
FileTensor weights_with_ties(Dtype dtype) {
  constexpr uint32_t kRows = 130;
  constexpr uint32_t kColumns = 256;
  std::vector<double> values;
  for (uint32_t row = 0; row < kRows; ++row) {
    for (uint32_t column = 0; column < kColumns; ++column) {
      const uint32_t hash = (row * kColumns + column) * 2654435761U + 12345U;
      const auto number = static_cast<float>(static_cast<int32_t>(hash));
      const double any = std::ldexp(static_cast<double>(number), -static_cast<int>(33 + row % 8));
      const double step = (static_cast<double>((5 * column + row) % 33) - 16) / 8;
      values.push_back(row == 7 ? 0 : row % 5 == 4 ? step : any);
    }
  }
  return test::make_tensor("a.weight", dtype, {kRows, kColumns}, values);
}

TEST(FloatWriters, write_the_bytes_of_the_tools_that_the_formats_come_from) {
  for (const ToolBytes &golden : kToolBytes) {
    const bool is_half = golden.kind == "INT8"; // which bitsandbytes takes
    const FileTensor weights = weights_with_ties(is_half ? Dtype::kF16 : Dtype::kF32);
    if (golden.kind == "SOURCE") {
      ASSERT_EQ(test::sha256(weights.bytes), golden.sha256);
      continue;
    }
    const Bytes source = test::make_file({weights});
    const MemoryRun run(test::plan_for(source, writer_options(kind_called(golden.kind))), source);
    const test::TensorFile file = test::parse_file(run.output());
    ASSERT_TRUE(file.tensors.contains(std::string(golden.tensor))) << golden.tensor;
    EXPECT_EQ(test::sha256(file.tensors.at(std::string(golden.tensor)).bytes), golden.sha256)
        << golden.kind << " " << golden.tensor;
  }
}

/// A model whose layers some runtimes fuse, with rows of all lengths.
Bytes fused_model(Random &random) {
  std::vector<FileTensor> tensors;
  const auto add = [&](std::string name, Dtype dtype, std::vector<uint64_t> shape,
                       double magnitude = 0.05) {
    tensors.push_back(
        test::random_weights(random, std::move(name), dtype, std::move(shape), magnitude));
  };
  add("model.embed_tokens.weight", Dtype::kBF16, {40, 256});
  add("model.layers.0.self_attn.q_proj.weight", Dtype::kBF16, {64, 256}, 0.01);
  add("model.layers.0.self_attn.k_proj.weight", Dtype::kBF16, {32, 256}, 0.2);
  add("model.layers.0.self_attn.v_proj.weight", Dtype::kBF16, {32, 256}, 0.04);
  add("model.layers.0.self_attn.o_proj.weight", Dtype::kF32, {256, 192});
  add("model.layers.0.mlp.gate_proj.weight", Dtype::kF16, {129, 256});
  add("model.layers.0.mlp.up_proj.weight", Dtype::kF16, {129, 256});
  add("model.layers.0.mlp.down_proj.weight", Dtype::kF64, {256, 128});
  add("model.layers.0.mlp.odd_proj.weight", Dtype::kF32, {64, 100});
  add("model.layers.0.mlp.long_proj.weight", Dtype::kBF16, {3, 66048});
  add("model.norm.weight", Dtype::kF32, {256});
  add("lm_head.weight", Dtype::kBF16, {40, 256});
  return test::make_file(tensors);
}

catalog::Catalog opened_joined(const Bytes &file) {
  catalog::Opening opening;
  opening.join_quantized = true;
  auto catalog = test::inspect(file, opening);
  EXPECT_TRUE(catalog) << (catalog ? "" : catalog.error().message);
  return std::move(catalog.value());
}

std::vector<float> read_values(const Bytes &file, const catalog::Catalog &catalog, size_t index) {
  run::TensorStage stage(catalog, index, test::kSmallestBlock);
  std::vector<float> values(static_cast<size_t>(catalog.tensors[index].elements));
  const auto done = test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
      },
      [&](uint64_t offset, std::span<const uint8_t> bytes) {
        std::copy_n(bytes.data(), bytes.size(),
                    reinterpret_cast<uint8_t *>(values.data()) + offset);
      });
  EXPECT_TRUE(done) << (done ? "" : done.error().message);
  return values;
}

/// How far SQNR falls below what such codes have of normally distributed values, at most.
double least_sqnr_of(const WriterKind &kind) { return has_four_bits(kind) ? 14 : 24; }

void expect_read_back(const WriterKind &kind, const MemoryRun &run, const Bytes &source) {
  const test::TensorFile sources = test::parse_file(source);
  const catalog::Catalog catalog = opened_joined(run.output());
  for (const catalog::Problem &problem : check_layout(catalog)) {
    ADD_FAILURE() << problem.tensor << ": " << problem.message;
  }
  ASSERT_EQ(catalog.tensors.size(), sources.tensors.size()) << "nothing is lost, and no part left";
  for (size_t i = 0; i < catalog.tensors.size(); ++i) {
    const catalog::Tensor &tensor = catalog.tensors[i];
    ASSERT_TRUE(sources.tensors.contains(tensor.name)) << tensor.name;
    const FileTensor &original = sources.tensors.at(tensor.name);
    EXPECT_EQ(tensor.shape, original.shape) << tensor.name;
    const auto entry = std::find_if(
        run.plan().tensors.begin(), run.plan().tensors.end(), [&](const plan::TensorPlan &each) {
          return run.plan().catalog->tensors[each.source].name == tensor.name;
        });
    ASSERT_EQ(tensor.codes != nullptr, entry->quantize() != nullptr) << tensor.name;
    if (tensor.codes == nullptr) {
      continue;
    }
    const std::vector<float> exact = test::values_of(original);
    const std::vector<float> kept = read_values(run.output(), catalog, i);
    double signal = 0;
    double noise = 0;
    double peak = 0;
    for (size_t at = 0; at < exact.size(); ++at) {
      const auto value = static_cast<double>(exact[at]);
      const double error = value - static_cast<double>(kept[at]);
      signal += value * value;
      noise += error * error;
      peak = std::max(peak, std::fabs(error));
    }
    const quant::ErrorSums sums = run.tensor_errors(entry->source);
    EXPECT_NEAR(sums.signal / signal, 1, 1e-4) << tensor.name;
    EXPECT_NEAR(sums.noise / noise, 1, 1e-4) << tensor.name;
    EXPECT_NEAR(static_cast<double>(sums.peak) / peak, 1, 1e-4) << tensor.name;
    EXPECT_GT(10 * std::log10(signal / noise), least_sqnr_of(kind)) << tensor.name;
  }
}

TEST(FloatWriters, what_is_written_is_read_with_the_errors_that_were_told) {
  Random random(1900);
  for (const WriterKind &kind : kWriterKinds) {
    for (const std::string_view method : {"rtn", "mse"}) {
      SCOPED_TRACE(concat(kind.name, " ", method));
      const Bytes source = fused_model(random);
      const MemoryRun run(test::plan_for(source, writer_options(kind, method)), source);
      ASSERT_TRUE(run.unfit().empty());
      EXPECT_TRUE(run.verify(run.output()));
      expect_read_back(kind, run, source);
    }
  }
}

TEST(FloatWriters, hosts_and_shares_do_not_matter) {
  Random random(1901);
  const Bytes source = fused_model(random);
  for (const WriterKind &kind : kWriterKinds) {
    SCOPED_TRACE(kind.name);
    const Json options = writer_options(kind, "mse");
    const MemoryRun one(test::plan_for(source, options), source, {size_t{4} << 20U, 1, 1, 1});
    const MemoryRun many(test::plan_for(source, options), source, {size_t{1} << 19U, 3, 3, 4});
    EXPECT_EQ(one.output(), many.output());
    for (size_t i = 0; i < one.plan().tensors.size(); ++i) {
      if (one.plan().tensors[i].quantize() != nullptr) {
        EXPECT_EQ(one.tensor_errors(i).noise, many.tensor_errors(i).noise);
      }
    }
  }
}

TEST(FloatWriters, a_search_is_never_worse_and_helps_four_bits) {
  Random random(1902);
  const Bytes source = fused_model(random);
  for (const WriterKind &kind : kWriterKinds) {
    SCOPED_TRACE(kind.name);
    const MemoryRun plain(test::plan_for(source, writer_options(kind, "rtn")), source);
    const MemoryRun searched(test::plan_for(source, writer_options(kind, "mse")), source);
    double before = 0;
    double after = 0;
    for (size_t i = 0; i < plain.plan().tensors.size(); ++i) {
      if (plain.plan().tensors[i].quantize() != nullptr) {
        before += plain.tensor_errors(i).noise;
        after += searched.tensor_errors(i).noise;
        EXPECT_LE(searched.tensor_errors(i).noise, plain.tensor_errors(i).noise * (1 + 1e-5));
      }
    }
    EXPECT_LT(after, before * (has_four_bits(kind) ? 0.98 : 1.0001));
  }
}

TEST(FloatWriters, fused_layers_share_the_number_of_nvfp4) {
  Random random(1903);
  const Bytes source = fused_model(random);
  const MemoryRun run(test::plan_for(source, writer_options(kind_called("NVFP4A16"))), source);
  const test::TensorFile file = test::parse_file(run.output());
  const auto number_of = [&](const std::string &layer) {
    const FileTensor &tensor =
        file.tensors.at(concat("model.layers.0.", layer, ".weight_global_scale"));
    return load_le<float>(tensor.bytes.data());
  };
  const test::TensorFile sources = test::parse_file(source);
  float largest = 0;
  for (const char *part : {"q", "k", "v"}) {
    for (const float value : test::values_of(
             sources.tensors.at(concat("model.layers.0.self_attn.", part, "_proj.weight")))) {
      largest = std::max(largest, std::fabs(value));
    }
  }
  EXPECT_EQ(number_of("self_attn.q_proj"), 448.0F * 6.0F / largest);
  EXPECT_EQ(number_of("self_attn.k_proj"), number_of("self_attn.q_proj"));
  EXPECT_EQ(number_of("self_attn.v_proj"), number_of("self_attn.q_proj"));
  EXPECT_EQ(number_of("mlp.gate_proj"), number_of("mlp.up_proj"));
  EXPECT_NE(number_of("self_attn.o_proj"), number_of("self_attn.q_proj"));
}

TEST(FloatWriters, values_that_are_not_finite_are_found) {
  Random random(1904);
  for (const WriterKind &kind : kWriterKinds) {
    SCOPED_TRACE(kind.name);
    FileTensor broken = test::random_weights(random, "b.weight", Dtype::kF32, {64, 256});
    test::set_value(broken, 5000, std::numeric_limits<double>::quiet_NaN());
    const Bytes source =
        test::make_file({test::random_weights(random, "a.weight", Dtype::kF32, {64, 256}), broken});
    const MemoryRun run(test::plan_for(source, writer_options(kind)), source);
    ASSERT_EQ(run.unfit().size(), 1U);
    EXPECT_EQ(run.unfit().begin()->second.reason, plan::Reason::kNonFinite);
    EXPECT_EQ(run.plan().catalog->tensors[run.unfit().begin()->second.tensor].name, "b.weight");
  }
}

std::string refusal_of_plan(const Json &options) {
  Random random(1905);
  const Bytes source =
      test::make_file({test::random_weights(random, "a.weight", Dtype::kF32, {64, 256})});
  auto catalog = test::inspect(source);
  auto parsed = plan::parse_options(options.dump(), catalog.value().tensors.size());
  if (!parsed) {
    return parsed.error().message;
  }
  auto plan = plan::make_plan(std::move(catalog.value()), parsed.value());
  return plan ? std::string() : plan.error().message;
}

TEST(FloatWriters, what_a_layout_cannot_hold_is_said_in_a_sentence) {
  const auto changed = [](std::string_view kind, const std::string &key, Json value) {
    Json options = writer_options(kind_called(kind));
    options[key] = std::move(value);
    return refusal_of_plan(options);
  };
  EXPECT_NE(changed("NF4", "format", "compressed-tensors").find("integers, FP8, NVFP4"),
            std::string::npos);
  EXPECT_NE(changed("NVFP4A16", "format", "bitsandbytes").find("INT8, NF4 or FP4"),
            std::string::npos);
  EXPECT_NE(changed("MXFP4", "format", "comfyui").find("8 bits"), std::string::npos);
  EXPECT_NE(changed("FP8", "scheme", "asymmetric").find("the symmetric scheme"), std::string::npos);
  EXPECT_NE(changed("FP8_BLOCK", "codes", "integers").find("FP8 for blocks"), std::string::npos);
  EXPECT_NE(changed("NVFP4A16", "method", "gptq").find("integers for the method gptq"),
            std::string::npos);
  Json mixed = writer_options(kind_called("NF4"));
  mixed["overrides"] = Json::array({{{"tensors", {0}}, {"bits", 8}}});
  EXPECT_EQ(refusal_of_plan(mixed), "") << "a file of one kind";
}

/// Each kind has the number of bits that its name says, and is called by it.
TEST(FloatWriters, kinds_of_codes_are_called_by_their_names) {
  for (size_t i = 1; i < std::size(quant::kCodesWords); ++i) {
    quant::Scheme scheme;
    quant::use_codes(scheme, static_cast<quant::CodesKind>(i));
    const std::string name(quant::codes_name(scheme));
    EXPECT_EQ(name, i == 7 ? std::string("INT8 ConvRot") : std::string(quant::kCodesWords[i]));
    EXPECT_FALSE(scheme.has_kernels());
    EXPECT_GT(scheme.reach(), 0.0F);
  }
}

} // namespace
} // namespace monoquant::layout
