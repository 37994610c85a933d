#include "monoquant/plan/options.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "monoquant/base/text.h"
#include "monoquant/base/words.h"
#include "support/memory_host.h"
#include "support/random.h"
#include "support/typescript.h"

namespace monoquant::plan {
namespace {

using test::default_options;
using test::default_options_with;

constexpr size_t kTensors = 5;

Result<Options> parse(const Json &options) { return parse_options(options.dump(), kTensors); }

Json with_override(Json override) {
  return default_options_with("overrides", Json::array({std::move(override)}));
}

TEST(Options, the_defaults_are_read) {
  const auto options = parse(default_options());
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options.value().container, Container::kSafetensors);
  EXPECT_FALSE(options.value().duplicate_ties);
  EXPECT_FALSE(options.value().copy_all);
  EXPECT_EQ(options.value().treatment.bits, 8U);
  EXPECT_TRUE(options.value().treatment.symmetric);
  EXPECT_EQ(options.value().treatment.strategy, quant::Strategy::kChannel);
  EXPECT_EQ(options.value().treatment.group_size, 0U);
  EXPECT_EQ(options.value().treatment.method, quant::Method::kRtn);
  EXPECT_FALSE(options.value().weights_only());
  EXPECT_EQ(options.value().float_type, Dtype::kF16);
  EXPECT_TRUE(options.value().default_ignore);
  EXPECT_EQ(options.value().min_elements, 512U);
  EXPECT_EQ(options.value().layers.count(), 8U);
  EXPECT_TRUE(options.value().layers.test(static_cast<size_t>(catalog::LayerKind::kExperts)));
  EXPECT_FALSE(options.value().layers.test(static_cast<size_t>(catalog::LayerKind::kNorm)));
}

TEST(Options, what_is_absent_is_the_default) {
  const auto options = parse(Json::object());
  ASSERT_TRUE(options) << options.error().message;
  const auto spelled = parse(default_options());
  EXPECT_EQ(options.value().treatment.bits, spelled.value().treatment.bits);
  EXPECT_EQ(options.value().min_elements, spelled.value().min_elements);
  EXPECT_EQ(options.value().percentile, spelled.value().percentile);
  EXPECT_EQ(options.value().container, spelled.value().container);
  EXPECT_EQ(options.value().activations, spelled.value().activations);
  EXPECT_TRUE(options.value().default_ignore);
}

TEST(Options, one_that_nobody_reads_is_refused) {
  // A key of the table in TypeScript that the engine does not know would be an option without an effect.
  for (const Json &options :
       {default_options_with("minElement", 512), with_override({{"tensors", {0}}, {"group", 64}}),
        default_options_with("unfit", Json::parse(R"([{"tensor":0,"reason":"overflow",
          "explanation":"","why":""}])"))}) {
    const auto parsed = parse(options);
    ASSERT_FALSE(parsed) << options;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidOptions);
  }
}

/// The words of TypeScript's lists are those of the engine's tables, and each reads as the value at its place.
TEST(Options, words_are_those_of_typescript) {
  struct Row {
    std::string_view list;
    Words words;
    std::string_view path = "js/api/schemes.ts";
  };
  const std::vector<Row> rows = {
      {"STRATEGIES", quant::kStrategyWords},
      {"CODES", quant::kCodesWords},
      {"SCHEMES", quant::kSchemeWords},
      {"METHODS", quant::kMethodWords},
      {"OBSERVERS", quant::kObserverWords, "js/api/calibration.ts"},
      {"MODES", execute::kActivationWords},
      {"CONTAINERS", kContainerWords},
  };
  for (const Row &row : rows) {
    const std::set<std::string> names(row.words.begin(), row.words.end());
    EXPECT_EQ(names, test::words_of(row.path, row.list)) << row.list;
  }
  for (const auto &[list, key] :
       {std::pair("FLOAT_TYPES", "floatType"), std::pair("DEQUANTIZED_TYPES", "dequantizedType"),
        std::pair("SCALE_TYPES", "scaleType"), std::pair("OUTPUT_FORMATS", "format"),
        std::pair("WANTED_METHODS", "method")}) {
    for (const std::string &word : test::words_of("js/api/schemes.ts", list)) {
      EXPECT_TRUE(parse(default_options_with(key, word))) << word;
    }
  }
}

TEST(Options, a_layout_that_is_not_known_is_named) {
  EXPECT_EQ(parse(default_options_with("format", "compressed-tensors")).value().layout,
            layout::find_layout("compressed-tensors"));
  const auto options = parse(default_options_with("format", "other"));
  ASSERT_FALSE(options);
  EXPECT_NE(options.error().message.find("other"), std::string::npos) << options.error().message;
}

TEST(Options, every_choice_is_read) {
  const auto options = parse(Json::parse(R"({"container":"pt","duplicateTies":true,"bits":4,
    "mode":"weights-only","scheme":"asymmetric",
    "strategy":"group","groupSize":64,"method":"mse","scaleType":"F16","floatType":"BF16","layers":["conv2d"],"defaultIgnore":false,
    "calibration":null,"observer":"histogram","percentile":99.5,"inputScheme":"asymmetric","dequantizedType":"BF16",
    "minElements":0,"ignore":[0,4],"overrides":[
      {"tensors":[1,2],"bits":"none"},
      {"tensors":[3],"bits":16},
      {"tensors":[],"scheme":"symmetric","groupSize":-1,"method":"rtn"},
      {"tensors":[1],"method":"auto"}],
    "unfit":[{"tensor":2,"reason":"overflow","explanation":"too large"},
             {"tensor":3,"reason":"non-finite","explanation":""}]})"));
  ASSERT_TRUE(options) << options.error().message;
  const Options &read = options.value();
  EXPECT_EQ(read.container, Container::kTorchZip);
  EXPECT_EQ(read.dequantized_type, Dtype::kBF16);
  EXPECT_TRUE(read.duplicate_ties);
  EXPECT_EQ(read.treatment.bits, 4U);
  EXPECT_FALSE(read.treatment.symmetric);
  EXPECT_EQ(read.treatment.strategy, quant::Strategy::kGroup);
  EXPECT_EQ(read.treatment.group_size, 64U);
  EXPECT_EQ(read.treatment.method, quant::Method::kMse);
  EXPECT_EQ(read.scale_type, Dtype::kF16);
  EXPECT_TRUE(read.weights_only());
  EXPECT_EQ(read.float_type, Dtype::kBF16);
  EXPECT_EQ(read.layers.count(), 1U);
  EXPECT_FALSE(read.default_ignore);
  EXPECT_EQ(read.min_elements, 0U);
  EXPECT_EQ(read.ignore, (std::vector<size_t>{0, 4}));
  ASSERT_EQ(read.overrides.size(), 4U);
  EXPECT_EQ(read.overrides[3].method, std::optional<WantedMethod>(std::in_place));
  EXPECT_EQ(read.overrides[0].bits, 0U);
  EXPECT_EQ(read.overrides[0].tensors, (std::vector<size_t>{1, 2}));
  EXPECT_EQ(read.overrides[0].symmetric, std::nullopt);
  EXPECT_EQ(read.overrides[1].bits, 16U);
  EXPECT_EQ(read.overrides[2].bits, std::nullopt);
  EXPECT_EQ(read.overrides[2].symmetric, true);
  EXPECT_EQ(read.overrides[2].group_size, -1);
  EXPECT_EQ(read.overrides[0].method, std::nullopt);
  EXPECT_EQ(read.overrides[2].method, quant::Method::kRtn);
  ASSERT_EQ(read.unfit.size(), 2U);
  EXPECT_EQ(read.unfit[0].reason, Reason::kOverflow);
  EXPECT_EQ(read.unfit[0].explanation, "too large");
  EXPECT_EQ(read.unfit[1].reason, Reason::kNonFinite);
}

TEST(Options, bits_may_be_none_where_only_the_container_changes) {
  const auto options = parse(default_options_with("bits", "none"));
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_TRUE(options.value().copy_all);
}

TEST(Options, wrong_values_are_named) {
  struct Row {
    std::string key;
    std::vector<Json> values;
  };
  const std::vector<Row> rows = {
      {"container", {"zip", "", 1, nullptr}},
      {"format", {"compressed_tensors", "", 1, nullptr}},
      {"duplicateTies", {0, "true", nullptr}},
      {"bits", {1, 9, 0, 32, -8, "8", nullptr, 8.0, true, 18446744073709551615ULL}},
      {"scheme", {"sym", "", 1, nullptr}},
      {"strategy", {"row", "Group", 2}},
      {"groupSize", {-2, 257, "64", 1.5}},
      {"method", {"awq", "", 1, nullptr}},
      {"mode", {"other", nullptr}},
      {"observer", {"max", "", 1, nullptr}},
      {"percentile", {50, 100.5, "99", nullptr}},
      {"inputScheme", {"both", nullptr}},
      {"floatType", {"F32", "f16"}},
      {"layers", {"linear", Json::array({"linear", "dense"}), Json::array({1}), nullptr}},
      {"defaultIgnore", {0, "true", nullptr}},
      {"minElements", {-1, "512", 1.5, nullptr}},
      {"ignore", {0, Json::array({5}), Json::array({-1}), Json::array({"a"}), Json::array({0.0})}},
      {"overrides", {0, nullptr}},
      {"unfit", {0, nullptr}},
  };
  for (const Row &row : rows) {
    for (const Json &value : row.values) {
      const auto options = parse(default_options_with(row.key, value));
      ASSERT_FALSE(options) << row.key << " " << value;
      EXPECT_EQ(options.error().code, ErrorCode::kInvalidOptions);
      EXPECT_NE(options.error().message.find(row.key), std::string::npos)
          << options.error().message;
    }
  }
}

TEST(Options, wrong_overrides_and_unfit_are_refused) {
  for (const std::string_view json :
       {R"({})", R"({"tensors":0})", R"({"tensors":[5]})", R"({"tensors":[0],"bits":9})",
        R"({"tensors":[0],"bits":"some"})", R"({"tensors":[0],"bits":null})",
        R"({"tensors":[0],"scheme":"none"})", R"({"tensors":[0],"groupSize":-2})",
        R"({"tensors":[0],"groupSize":1000})", R"({"tensors":[0],"method":"best"})", R"([])",
        R"("x")", R"(7)", R"(null)"}) {
    EXPECT_FALSE(parse(with_override(Json::parse(json)))) << json;
  }
  for (const std::string_view json :
       {R"({})", R"({"tensor":5,"reason":"overflow","explanation":""})",
        R"({"tensor":-1,"reason":"overflow","explanation":""})",
        R"({"tensor":0,"reason":"small","explanation":""})", R"({"tensor":0,"reason":"overflow"})",
        R"([])", R"(null)"}) {
    EXPECT_FALSE(parse(default_options_with("unfit", Json::array({Json::parse(json)})))) << json;
  }
}

TEST(Options, groups_are_what_the_encoder_can_do) {
  // A group must never part between two units of a long row, nor a byte between two groups.
  for (int64_t group = -1; group <= 256; ++group) {
    const bool good = group == 16 || group == 32 || group == 64 || group == 128 || group == 256;
    Json options = default_options();
    options["bits"] = 4;
    options["mode"] = "weights-only";
    options["strategy"] = "group";
    options["groupSize"] = group;
    EXPECT_EQ(parse(options).has_value(), good) << group;
    Json override = Json::object({{"tensors", {0}}, {"groupSize", group}});
    EXPECT_EQ(parse(with_override(override)).has_value(), good || group == -1) << group;
  }
}

TEST(Options, that_are_no_json_are_refused) {
  for (const std::string_view text : {"", "{", "[]", "null", "7", "{\"bits\":8}trailing", "\xFF"}) {
    const auto options = parse_options(text, kTensors);
    ASSERT_FALSE(options) << text;
    EXPECT_EQ(options.error().code, ErrorCode::kInvalidOptions);
  }
}

TEST(Options, damaged_text_does_no_harm) {
  test::Random random(60);
  Json full = default_options();
  full["overrides"] =
      Json::parse(R"([{"tensors":[0,1],"bits":4,"scheme":"asymmetric","groupSize":64}])");
  full["unfit"] = Json::parse(R"([{"tensor":2,"reason":"overflow","explanation":"x"}])");
  const std::string original = full.dump();
  for (int round = 0; round < 5000; ++round) {
    std::string text = original;
    for (uint64_t change = 0; change <= random.below(3); ++change) {
      static constexpr char kLetters[] = "{}[]\",:0123456789-.enulta";
      text[random.index(text.size())] = random.pick(kLetters);
    }
    const auto options = parse_options(text, kTensors);
    if (!options) {
      ASSERT_EQ(options.error().code, ErrorCode::kInvalidOptions);
    } else {
      for (const Override &override : options.value().overrides) {
        for (const size_t tensor : override.tensors) {
          ASSERT_LT(tensor, kTensors);
        }
      }
    }
  }
}

} // namespace
} // namespace monoquant::plan
