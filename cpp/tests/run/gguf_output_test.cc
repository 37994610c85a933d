// GGUF files that a run has written of a model's folder, compared with those that llama.cpp's own tools wrote of it.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "monoquant/base/text.h"
#include "monoquant/calibration/calibration.h"
#include "monoquant/plan/plan.h"
#include "monoquant/run/calibrate_stage.h"
#include "monoquant/run/verify_stage.h"
#include "support/catalog_builder.h"
#include "support/drive.h"
#include "support/fixture.h"
#include "support/llama_folder.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"
#include "support/sha256.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::HostChoice;
using test::MemoryRun;

std::shared_ptr<plan::ModelFolder> folder_of(const test::LlamaFolder &read) {
  auto folder = std::make_shared<plan::ModelFolder>(read.name);
  for (const auto &[file, text] : read.texts) {
    folder->add(file).assign(text.begin(), text.end());
  }
  return folder;
}

Json gguf_options(std::string_view format) {
  Json options = test::default_options();
  options["container"] = "gguf";
  options["method"] = "auto";
  options["format"] = format;
  options["mode"] = "weights-only";
  return options;
}

Result<plan::Plan> plan_of(const Bytes &file, const Json &json,
                           std::shared_ptr<const plan::ModelFolder> folder) {
  auto catalog = test::inspect(file);
  EXPECT_TRUE(catalog);
  auto options = plan::parse_options(json.dump(), catalog.value().tensors.size());
  EXPECT_TRUE(options) << options.error().message;
  options.value().folder = std::move(folder);
  return plan::make_plan(std::move(catalog.value()), options.value());
}

Bytes weights_of(std::string_view folder) {
  return test::read_fixture(concat("llama_cpp/", folder, "/model.safetensors"));
}

/// A whole file, made block by block, and verified.
Bytes written(const Bytes &file, const Json &options,
              const std::shared_ptr<const plan::ModelFolder> &folder, const HostChoice &choice) {
  auto planned = plan_of(file, options, folder);
  EXPECT_TRUE(planned) << planned.error().message << planned.error().tensor;
  if (!planned) {
    return {};
  }
  MemoryRun run(std::move(planned.value()), file, choice);
  EXPECT_TRUE(run.unfit().empty());
  EXPECT_TRUE(run.seal());
  const auto verified = run.verify(run.output());
  EXPECT_TRUE(verified) << verified.error().message;
  const auto read = test::inspect(run.output());
  EXPECT_TRUE(read) << read.error().message;
  if (read) {
    const auto differs = compare_structure(run.plan(), 0, read.value());
    EXPECT_FALSE(differs) << differs->message;
  }
  return run.output();
}

struct GoldenOutput {
  const char *folder;
  const char *format;
  const char *digest; // SHA-256 of the whole file
};

/// Floats as the converter writes them, blocks as llama-quantize does.
constexpr std::array<GoldenOutput, 7> kGoldenOutputs = {{
    {"llama", "F32", "9e64be36adb338b22c87dd904a6c9e462dd436e8df84de65d8bf54ab7700a817"},
    {"llama", "BF16", "58f15783922786565ac2ba7f9a1ad9b25e1be6398b4bcd9aceb9a546a74c42d7"},
    {"gemma2", "BF16", "f0827b82ae4185f00b57182b60759bf9fe4ba846cdafff0826dcbb33d3c0e497"},
    {"llama", "Q8_0", "a6633cf4b5d0259fba8267c2defe05bc742a4d91a9aa20f7cc2353a7ad1c03f5"},
    {"llama", "Q4_0", "df30db5221de20238955b27ca9cd1fdee01920fb6a755d21895482a653535187"},
    {"llama", "Q4_K_M", "ddae0b73c2c20ab769d9b43efe56881a9f7623f1351bdff4d2573041e6ad6f1b"},
    {"llama", "IQ4_XS", "3cce4547f55f6fa1c3708479abce4a1289565165164a4a5d8f239384a8d5853a"},
}};

TEST(GgufOutput, whole_files_are_those_of_llama_cpp) {
  for (const GoldenOutput &golden : kGoldenOutputs) {
    const auto folder = folder_of(test::read_llama_folder(golden.folder));
    const Bytes file = written(weights_of(golden.folder), gguf_options(golden.format), folder, {});
    EXPECT_EQ(test::sha256(file), golden.digest) << golden.folder << " " << golden.format;
  }
}

/// llama-quantize was given the F32 file.
TEST(GgufOutput, files_made_of_a_gguf_file_are_those_of_llama_quantize) {
  const auto folder = folder_of(test::read_llama_folder("llama"));
  const Bytes floats = written(weights_of("llama"), gguf_options("F32"), folder, {});
  size_t compared = 0;
  for (const GoldenOutput &golden : kGoldenOutputs) {
    if (std::string_view(golden.folder) != "llama" ||
        std::string_view(golden.format).find("F") != std::string_view::npos) {
      continue;
    }
    EXPECT_EQ(test::sha256(written(floats, gguf_options(golden.format), nullptr, {})),
              golden.digest)
        << golden.format;
    ++compared;
  }
  EXPECT_EQ(compared, 4U);
}

/// What llama-imatrix has written, as the calibration of a model.
Json importance_of(const catalog::Catalog &model, const char *name, const std::string &said) {
  const Bytes file = test::read_fixture(name);
  const auto data = test::inspect_data(file);
  EXPECT_TRUE(data);
  CalibrateStage stage(model, data.value(), {}, 2, test::kSmallestBlock);
  stage.set_data_name(said);
  EXPECT_TRUE(test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(file.begin() + static_cast<ptrdiff_t>(offset), to.size(), to.begin());
      },
      [](uint64_t, std::span<const uint8_t>) {}));
  return Json::parse(calibration::calibration_json(stage.calibration()));
}

// Whose file was called by its way there.
TEST(GgufOutput, weighed_files_are_those_of_llama_quantize_with_what_they_say_of_the_weights) {
  constexpr const char *kWeighed =
      "e75076ef79f5d8079546ca9883d1036d7979d9f201a0a08350a76c41c2b62489";
  const auto folder = folder_of(test::read_llama_folder("llama"));
  const Bytes floats = written(weights_of("llama"), gguf_options("F32"), folder, {});
  for (const char *name : {"statistics/tiny-imatrix.gguf", "statistics/tiny-imatrix.dat"}) {
    Json options = gguf_options("Q4_K_M");
    for (const bool is_gguf : {false, true}) {
      const Bytes &source = is_gguf ? floats : weights_of("llama");
      const auto model = test::inspect(source);
      ASSERT_TRUE(model);
      options["calibration"] =
          importance_of(model.value(), name, "golden/imatrix/tiny-imatrix.gguf");
      EXPECT_EQ(test::sha256(written(source, options, is_gguf ? nullptr : folder, {})), kWeighed)
          << name << ", of a GGUF file: " << is_gguf;
    }
  }
}

TEST(GgufOutput, changing_types_keeps_keys_and_names) {
  const auto folder = folder_of(test::read_llama_folder("llama"));
  const Bytes source = written(weights_of("llama"), gguf_options("BF16"), folder, {});
  const Bytes half = written(source, gguf_options("F16"), nullptr, {});
  const auto read = test::inspect(half);
  const auto before = test::inspect(source);
  ASSERT_TRUE(read && before);
  for (const auto &each : before.value().metadata) {
    const std::string &key = each.first;
    const auto &metadata = read.value().metadata;
    const auto found = std::find_if(metadata.begin(), metadata.end(),
                                    [&](const auto &entry) { return entry.first == key; });
    ASSERT_NE(found, metadata.end()) << key;
    EXPECT_EQ(found->second, key == "general.file_type" ? "1" : each.second) << key;
  }
  for (const catalog::Tensor &tensor : before.value().tensors) {
    const auto &same = read.value().tensors[test::index_of(read.value(), tensor.name)];
    EXPECT_EQ(same.shape, tensor.shape) << tensor.name;
    EXPECT_EQ(same.dtype, tensor.dtype == Dtype::kBF16 ? Dtype::kF16 : tensor.dtype);
  }
  Json copy = gguf_options("gguf");
  copy["bits"] = "none";
  EXPECT_EQ(written(source, copy, nullptr, {}), source);
}

TEST(GgufOutput, blocks_of_a_gguf_file_are_refused_unless_they_stand_for_values) {
  const auto folder = folder_of(test::read_llama_folder("llama"));
  const Bytes blocks = written(weights_of("llama"), gguf_options("Q8_0"), folder, {});
  const auto refused = plan_of(blocks, gguf_options("Q4_0"), nullptr);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kAlreadyQuantized);
}

TEST(GgufOutput, searched_scales_lose_less_in_the_same_types) {
  const auto folder = folder_of(test::read_llama_folder("llama"));
  for (const char *format : {"Q4_0", "Q4_K_M", "IQ4_XS"}) {
    Json options = gguf_options(format);
    const Bytes usual = written(weights_of("llama"), options, folder, {});
    options["method"] = "mse";
    const Bytes searched = written(weights_of("llama"), options, folder, {});
    EXPECT_NE(searched, usual) << format;
    EXPECT_EQ(searched.size(), usual.size()) << format;
    const auto planned = plan_of(weights_of("llama"), options, folder);
    ASSERT_TRUE(planned);
    const size_t up = test::index_of(*planned.value().catalog, "model.layers.0.mlp.up_proj.weight");
    EXPECT_NE(planned.value().tensors[up].explanation.find("searched"), std::string::npos);
  }
}

TEST(GgufOutput, methods_that_mean_nothing_are_refused) {
  const auto folder = folder_of(test::read_llama_folder("llama"));
  const auto said = [&](std::string_view format, const char *method) {
    Json options = gguf_options(format);
    options["method"] = method;
    const auto planned = plan_of(weights_of("llama"), options, folder);
    return planned ? std::string() : planned.error().message;
  };
  EXPECT_EQ(said("Q4_0", "auto"), "");
  EXPECT_EQ(said("Q4_0", "mse"), "");
  EXPECT_NE(said("Q4_0", "rtn").find("method mse or none"), std::string::npos);
  EXPECT_NE(said("F16", "mse").find("found floats"), std::string::npos);
  EXPECT_NE(said("MXFP4_MOE", "mse").find("found MXFP4"), std::string::npos);
}

TEST(GgufOutput, does_not_depend_on_blocks_threads_and_shares) {
  const auto folder = folder_of(test::read_llama_folder("llama"));
  for (const char *format : {"Q4_K_M", "F16"}) {
    const Bytes one = written(weights_of("llama"), gguf_options(format), folder, {});
    for (const HostChoice choice :
         {HostChoice{test::kSmallestBlock, 3, 2, 1}, HostChoice{test::kSmallestBlock, 1, 1, 3}}) {
      EXPECT_EQ(written(weights_of("llama"), gguf_options(format), folder, choice), one) << format;
    }
  }
}

TEST(GgufOutput, floats_keep_the_type_of_the_source_unless_one_is_asked_for) {
  Json options = gguf_options("gguf");
  options["bits"] = "none";
  const auto folder = folder_of(test::read_llama_folder("llama"));
  EXPECT_EQ(written(weights_of("llama"), options, folder, {}),
            written(weights_of("llama"), gguf_options("BF16"), folder, {}));
}

TEST(GgufOutput, choices_for_single_tensors_hold) {
  Json options = gguf_options("Q4_K_M");
  const auto catalog = test::inspect(weights_of("llama"));
  ASSERT_TRUE(catalog);
  const size_t spared = test::index_of(catalog.value(), "model.layers.0.mlp.up_proj.weight");
  const size_t finer = test::index_of(catalog.value(), "model.layers.1.mlp.up_proj.weight");
  options["ignore"] = {spared};
  options["overrides"] = {{{"tensors", {finer}}, {"bits", 8}}};
  const auto folder = folder_of(test::read_llama_folder("llama"));
  const auto read = test::inspect(written(weights_of("llama"), options, folder, {}));
  ASSERT_TRUE(read);
  const auto &tensors = read.value().tensors;
  EXPECT_EQ(tensors[test::index_of(read.value(), "blk.0.ffn_up.weight")].dtype, Dtype::kBF16);
  const auto &codes = tensors[test::index_of(read.value(), "blk.1.ffn_up.weight")].codes;
  ASSERT_TRUE(codes && codes->value_blocks);
  EXPECT_EQ(codes->value_blocks->name, "Q8_0");
}

TEST(GgufOutput, weights_without_an_architecture_keep_their_names) {
  test::Random random(7);
  const Bytes file = test::make_file(
      {test::random_weights(random, "blocks.0.attn.to_q.weight", Dtype::kBF16, {32, 256}),
       test::random_weights(random, "blocks.0.attn.to_v.weight", Dtype::kBF16, {32, 96}),
       test::random_weights(random, "patch.weight", Dtype::kF16, {40, 4, 3, 3}),
       test::random_weights(random, "blocks.0.bias", Dtype::kBF16, {32}),
       test::random_bytes(random, "positions", Dtype::kI64, {3})});
  const auto read = test::inspect(written(file, gguf_options("Q4_K_S"), nullptr, {}));
  ASSERT_TRUE(read);
  const auto type_of = [&](std::string_view name) {
    const catalog::Tensor &tensor = read.value().tensors[test::index_of(read.value(), name)];
    return tensor.codes ? tensor.codes->value_blocks->name : dtype_name(tensor.dtype);
  };
  EXPECT_EQ(type_of("blocks.0.attn.to_q.weight"), "Q4_K");
  EXPECT_EQ(type_of("blocks.0.attn.to_v.weight"), "Q5_0"); // 96 is no multiple of 256
  EXPECT_EQ(type_of("patch.weight"), "F16");
  EXPECT_EQ(type_of("blocks.0.bias"), "F32");
  EXPECT_EQ(type_of("positions"), "I64");
}

TEST(GgufOutput, other_architectures_are_refused_by_name) {
  test::LlamaFolder read = test::read_llama_folder("llama");
  read.configure("architectures", {"MambaForCausalLM"});
  const auto planned = plan_of(weights_of("llama"), gguf_options("Q8_0"), folder_of(read));
  ASSERT_FALSE(planned);
  EXPECT_EQ(planned.error().code, ErrorCode::kUnsupportedFormat);
  EXPECT_NE(planned.error().message.find("MambaForCausalLM"), std::string::npos)
      << planned.error().message;
}

/// A matrix whose rows change places, with a value that blocks cannot hold in one of them.
TEST(GgufOutput, values_that_are_not_finite_are_found_and_kept_as_floats) {
  const auto folder = folder_of(test::read_llama_folder("llama"));
  Bytes file = weights_of("llama");
  const auto catalog = test::inspect(file);
  ASSERT_TRUE(catalog);
  const size_t index = test::index_of(catalog.value(), "model.layers.0.self_attn.q_proj.weight");
  file[static_cast<size_t>(catalog.value().tensors[index].offset) + 101] = 0x7F; // BF16: NaN or so
  file[static_cast<size_t>(catalog.value().tensors[index].offset) + 100] = 0xC0;
  auto planned = plan_of(file, gguf_options("Q4_K_M"), folder);
  ASSERT_TRUE(planned);
  const MemoryRun run(std::move(planned.value()), file);
  ASSERT_EQ(run.unfit().size(), 1U);
  Json options = gguf_options("Q4_K_M");
  options["unfit"] = {{{"tensor", index}, {"reason", "non-finite"}, {"explanation", "NaN"}}};
  const auto read = test::inspect(written(file, options, folder, {}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read.value().tensors[test::index_of(read.value(), "blk.0.attn_q.weight")].dtype,
            Dtype::kF32);
}

} // namespace
} // namespace monoquant::run
