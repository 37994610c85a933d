#include "monoquant/plan/plan.h"

#include <gtest/gtest.h>

#include <set>

#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/random.h"
#include "support/typescript.h"

namespace monoquant::plan {
namespace {

using test::Entry;
using test::Random;

/// Any mixture of names, dtypes and shapes, sensible or not.
catalog::Catalog random_catalog(Random &random) {
  static constexpr std::string_view kModules[] = {
      "q_proj", "k_proj", "v_proj",  "gate_proj", "up_proj", "w1",           "w3",   "embed_tokens",
      "norm",   "fc",     "lm_head", "c_attn",    "router",  "experts.0.w1", "conv", "lstm"};
  static constexpr std::string_view kParameters[] = {
      "weight",       "bias",  "weight_scale", "weight_packed", "weight_shape", "weight_zero_point",
      "weight_hh_l0", "alpha", "weight_ih_l0", "in_proj_weight"};
  std::vector<Entry> entries;
  std::set<std::string> names;
  for (uint64_t count = random.below(25); count > 0; --count) {
    Entry entry{concat("layers.", random.below(3), ".", random.pick(kModules), ".",
                       random.pick(kParameters)),
                {},
                static_cast<Dtype>(random.below(kSafetensorsDtypeCount))};
    if (random.chance(2)) {
      static constexpr Dtype kFloats[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kF64};
      entry.dtype = random.pick(kFloats);
    }
    if (random.chance(10)) {
      entry.name = "mlp.experts.down_proj";
    }
    for (uint64_t rank = random.below(6); rank > 0; --rank) {
      static constexpr uint64_t kExtents[] = {1, 2, 8, 16, 24, 64, 96, 128, 0};
      entry.shape.push_back(kExtents[random.index(random.chance(10) ? 9 : 8)]);
    }
    if (dtype_bits(entry.dtype) < 8) {
      entry.shape.push_back(8); // whole bytes
    }
    if (names.insert(entry.name).second) {
      entries.push_back(std::move(entry));
    }
  }
  catalog::Catalog catalog = test::make_catalog(entries);
  if (random.chance(2)) {
    catalog.metadata = {{"format", "tf"}, {"quantization_config", "old"}, {"note", "kept"}};
  }
  return catalog;
}

Json random_options(Random &random, size_t tensors) {
  Json options = random.chance(3)   ? test::int4_options(random.chance(2) ? 64 : -1)
                 : random.chance(3) ? test::packed_8_options()
                 : random.chance(3) ? test::float_options(random.chance(2) ? "F16" : "BF16")
                                    : test::default_options();
  if (options["bits"] == 8 && random.chance(3)) {
    options["strategy"] = "tensor";
  }
  options["scheme"] = random.chance(2) ? "symmetric" : "asymmetric";
  options["defaultIgnore"] = !random.chance(3);
  options["minElements"] = random.chance(2) ? 0 : 512;
  for (size_t i = 0; i < tensors; ++i) {
    if (random.chance(10)) {
      options["ignore"].push_back(i);
    }
    if (random.chance(10)) {
      options["overrides"].push_back({{"tensors", {i}}, {"bits", random.chance(2) ? 4 : 16}});
    }
    if (random.chance(20)) {
      options["unfit"].push_back({{"tensor", i}, {"reason", "non-finite"}, {"explanation", "NaN"}});
    }
  }
  return options;
}

/// The only bytes of a safetensors file that a plan fixes and that are of no tensor.
const std::string &header_of(const Plan &plan) {
  for (size_t i = 0; i < plan.fixed.size(); ++i) {
    EXPECT_EQ(plan.fixed[i].tensor.has_value(), i > 0);
  }
  return plan.fixed[0].bytes;
}

struct Made {
  catalog::Catalog catalog;
  Plan plan;
};

Made random_plan(Random &random) {
  Made made{random_catalog(random), {}};
  made.plan = test::plan_for(made.catalog, random_options(random, made.catalog.tensors.size()));
  return made;
}

TEST(Plan, never_loses_a_tensor) {
  Random random(70);
  for (int round = 0; round < 1200; ++round) {
    const Made made = random_plan(random);
    ASSERT_EQ(made.plan.tensors.size(), made.catalog.tensors.size());
    std::set<std::string> names;
    for (size_t i = 0; i < made.plan.tensors.size(); ++i) {
      const TensorPlan &entry = made.plan.tensors[i];
      ASSERT_EQ(entry.source, i) << "each tensor once, in the source's order";
      ASSERT_FALSE(outputs(made.plan, entry.source).empty());
      for (const Output &output : outputs(made.plan, entry.source)) {
        ASSERT_TRUE(names.insert(output.name).second) << output.name << " is written twice";
      }
      const catalog::Tensor &tensor = made.catalog.tensors[i];
      if (entry.decision() != Decision::kQuantize) {
        ASSERT_EQ(outputs(made.plan, entry.source).size(), 1U);
        ASSERT_EQ(outputs(made.plan, entry.source)[0].name, tensor.name);
        ASSERT_EQ(outputs(made.plan, entry.source)[0].shape, tensor.shape);
        ASSERT_EQ(outputs(made.plan, entry.source)[0].dtype == tensor.dtype,
                  entry.decision() == Decision::kCopy);
      }
    }
  }
}

TEST(Plan, quantizes_only_what_can_be) {
  Random random(71);
  size_t quantized = 0;
  for (int round = 0; round < 1200; ++round) {
    const Made made = random_plan(random);
    for (const TensorPlan &entry : made.plan.tensors) {
      const catalog::Tensor &tensor = made.catalog.tensors[entry.source];
      if (entry.decision() == Decision::kQuantize) {
        ++quantized;
        ASSERT_TRUE(dtype_is_quantizable(tensor.dtype));
        ASSERT_GE(tensor.shape.size(), 2U);
        ASSERT_EQ(entry.quantize()->stored.matrices * entry.quantize()->stored.rows *
                      entry.quantize()->stored.columns,
                  tensor.elements);
        ASSERT_GT(tensor.elements, 0U);
        ASSERT_TRUE(entry.quantize()->stored.scheme.bits == 4 ||
                    entry.quantize()->stored.scheme.bits == 8);
        if (entry.quantize()->stored.scheme.strategy == quant::Strategy::kGroup) {
          ASSERT_TRUE(entry.quantize()->stored.weights_only);
          ASSERT_EQ(entry.quantize()->stored.columns % entry.quantize()->stored.scheme.group_size,
                    0U);
        }
      }
    }
  }
  EXPECT_GT(quantized, 600U);
}

TEST(Plan, its_header_is_what_a_reader_finds) {
  Random random(72);
  for (int round = 0; round < 700; ++round) {
    const Made made = random_plan(random);
    ByteWindow window(made.plan.file_bytes);
    const std::string &header = header_of(made.plan);
    window.add(0, {header.begin(), header.end()});
    const auto step = container::read_safetensors(window);
    ASSERT_TRUE(step) << step.error().message;
    const auto *file = std::get_if<container::SafetensorsFile>(&step.value());
    ASSERT_NE(file, nullptr) << "the header asks for more of itself";
    std::map<std::string, const container::SafetensorsEntry *> found;
    for (const auto &entry : file->entries) {
      found[entry.name] = &entry;
    }
    size_t count = 0;
    for (const TensorPlan &entry : made.plan.tensors) {
      for (const Output &output : outputs(made.plan, entry.source)) {
        ++count;
        ASSERT_TRUE(found.contains(output.name)) << output.name;
        const container::SafetensorsEntry &read = *found[output.name];
        ASSERT_EQ(read.dtype, output.dtype);
        ASSERT_EQ(read.shape, output.shape);
        ASSERT_EQ(read.offset, output.offset);
        ASSERT_EQ(read.bytes, output.bytes);
        ASSERT_EQ(output.offset % std::max(1U, dtype_bits(output.dtype) / 8), 0U) << "misaligned";
      }
    }
    ASSERT_EQ(count, file->entries.size());
  }
}

TEST(Plan, metadata_is_kept_and_completed) {
  Random random(73);
  for (int round = 0; round < 500; ++round) {
    const Made made = random_plan(random);
    const Json header = Json::parse(header_of(made.plan).substr(8));
    const Json &metadata = header["__metadata__"];
    const bool had = !made.catalog.metadata.empty();
    ASSERT_EQ(metadata["format"], had ? "tf" : "pt");
    ASSERT_EQ(metadata.contains("note"), had);
    const bool quantized = std::any_of(
        made.plan.tensors.begin(), made.plan.tensors.end(),
        [](const TensorPlan &entry) { return entry.decision() == Decision::kQuantize; });
    if (quantized) {
      const Json config =
          Json::parse(metadata["quantization_config"].get<std::string>(), nullptr, false);
      ASSERT_EQ(config["quant_method"], "compressed-tensors");
    } else {
      ASSERT_EQ(metadata.contains("quantization_config"), had);
    }
  }
}

TEST(Plan, is_a_function_of_catalog_and_options) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Random one(seed);
    Random other(seed);
    const Made a = random_plan(one);
    const Made b = random_plan(other);
    ASSERT_EQ(header_of(a.plan), header_of(b.plan));
    ASSERT_EQ(plan_json(a.plan), plan_json(b.plan));
  }
}

TEST(Plan, warnings_are_words_that_typescript_knows) {
  const std::set<std::string> known = test::words_of("js/api/warning.ts", "WARNINGS");
  std::set<std::string> seen;
  Random random(74);
  for (int round = 0; round < 1200; ++round) {
    const Made made = random_plan(random);
    for (const Warning &warning : made.plan.warnings) {
      ASSERT_TRUE(known.contains(std::string(warning.code))) << warning.code;
      ASSERT_FALSE(warning.message.empty());
      seen.emplace(warning.code);
    }
  }
  EXPECT_GE(seen.size(), 6U) << "the random plans should meet most warnings";
}

std::set<std::string_view> warnings_of(const std::vector<Entry> &entries, const Json &options) {
  std::set<std::string_view> codes;
  for (const Warning &warning : test::plan_for(test::make_catalog(entries), options).warnings) {
    codes.insert(warning.code);
  }
  return codes;
}

TEST(Plan, warns_when_and_only_when) {
  const Entry weight{"a.weight", {64, 128}};
  const Entry norm{"norm.weight", {64}};
  const Entry head{"lm_head.weight", {64, 16}};
  using Codes = std::set<std::string_view>;
  EXPECT_EQ(warnings_of({weight, norm, head}, test::default_options()), Codes{});
  EXPECT_EQ(warnings_of({weight, norm}, test::default_options()), Codes{"everything-quantized"});
  EXPECT_EQ(warnings_of({weight, head, {"table", {1 << 20}, Dtype::kI8}}, test::default_options()),
            Codes{"mostly-unquantized"});
  EXPECT_EQ(warnings_of({{"a.weight", {64, 48}}, head}, test::int4_options(32)),
            Codes{"group-fallback"});
  EXPECT_EQ(warnings_of({{"a.weight", {64, 48}}, head}, test::int4_options(128)), Codes{});
  // MLX has groups of 64 if nobody says another size.
  for (const int64_t group : {64, 128}) {
    Json mlx = test::int4_options(group);
    mlx["format"] = "mlx";
    mlx["scheme"] = "asymmetric";
    mlx["mode"] = "weights-only";
    EXPECT_EQ(warnings_of({{"a.weight", {64, 96}}, head}, mlx).contains("group-fallback"),
              group != 64);
  }
  EXPECT_EQ(warnings_of({weight, head, {"b.weight", {64, 128}}, {"b.weight_scale", {64, 1}}},
                        test::default_options()),
            (Codes{"already-quantized", "mostly-unquantized"}));
  Json options = test::default_options();
  options["scheme"] = "asymmetric";
  EXPECT_EQ(warnings_of({weight, head}, options), Codes{"activation-scheme"});
  options = test::default_options();
  options["unfit"] = Json::parse(R"([{"tensor":1,"reason":"overflow","explanation":"x"}])");
  EXPECT_EQ(warnings_of({weight, head}, options), Codes{"overflow"});
  options["unfit"][0]["reason"] = "non-finite";
  EXPECT_EQ(warnings_of({weight, head}, options), Codes{"non-finite"});
}

} // namespace
} // namespace monoquant::plan
