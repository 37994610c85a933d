// What a calibration does to a plan: stored scales of inputs, their configuration, and the importance of columns.
#include "monoquant/plan/inputs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "monoquant/base/bytes.h"
#include "monoquant/base/text.h"
#include "support/catalog_builder.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::plan {
namespace {

/// The output whose name ends so, if there is one.
std::optional<Output> output_of(const Plan &plan, const TensorPlan &entry, std::string_view end) {
  for (const Output &output : outputs(plan, entry.source)) {
    if (output.name.ends_with(end)) {
      return output;
    }
  }
  return std::nullopt;
}

using calibration::Calibration;
using calibration::ModuleStatistics;
using test::Bytes;
using test::MemoryRun;
using test::Random;

/// The statistics of one batch of `rows` random rows.
ModuleStatistics observed(size_t channels, size_t rows, uint64_t seed, float outlier = 0) {
  Random random(seed);
  ModuleStatistics module;
  module.samples = rows;
  module.per_channel = rows;
  module.squares.resize(channels);
  std::vector<float> values(channels * rows);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = i == 0 && outlier != 0 ? outlier : random.weight() * 3.0F + 1.0F;
    module.squares[i % channels] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  quant::TensorObserver observer;
  observer.begin_batch();
  observer.look(values);
  observer.count(values);
  EXPECT_TRUE(observer.end_batch());
  module.observer = observer.state();
  return module;
}

catalog::Catalog model() {
  return test::make_catalog({{"conv.weight", {16, 4, 3, 3}, Dtype::kF32},
                             {"fc1.weight", {32, 64}, Dtype::kF32},
                             {"fc2.weight", {32, 64}, Dtype::kF32},
                             {"lstm.weight_ih_l0", {64, 64}, Dtype::kF32},
                             {"lstm.weight_hh_l0", {64, 16}, Dtype::kF32}});
}

Calibration full_calibration() {
  Calibration calibration;
  calibration.modules["conv"] = observed(8, 100, 1); // two groups
  calibration.modules["fc1"] = observed(64, 100, 2);
  calibration.modules["fc2"] = observed(64, 100, 3);
  calibration.modules["lstm"] = observed(64, 100, 4);
  return calibration;
}

Json options_with(const Calibration &calibration, Json options = test::default_options()) {
  options["calibration"] = Json::parse(calibration_json(calibration));
  return options;
}

Json static_options(const Calibration &calibration, std::string_view observer = "minmax",
                    std::string_view scheme = "symmetric") {
  Json options = options_with(calibration);
  options["mode"] = "static";
  options["observer"] = observer;
  options["inputScheme"] = scheme;
  return options;
}

/// INT4 in groups, with searched scales.
Json searching_options(const Calibration &calibration) {
  Json options = options_with(calibration, test::int4_options(32));
  options["method"] = "mse";
  return options;
}

const TensorPlan &entry_of(const Plan &plan, std::string_view name) {
  return plan.tensors[test::index_of(*plan.catalog, name)];
}

std::vector<std::string> output_names(const Plan &plan, const TensorPlan &entry) {
  std::vector<std::string> names;
  for (const Output &output : outputs(plan, entry.source)) {
    names.push_back(output.name);
  }
  return names;
}

std::map<std::string_view, std::vector<std::string>> warned(const Plan &plan) {
  std::map<std::string_view, std::vector<std::string>> warnings;
  for (const Warning &warning : plan.warnings) {
    auto &names = warnings[warning.code];
    names.insert(names.end(), warning.tensors.begin(), warning.tensors.end());
  }
  return warnings;
}

Json config_of(const Plan &plan) {
  const Json header = Json::parse(plan.fixed[0].bytes.substr(8));
  return Json::parse(std::string(header["__metadata__"]["quantization_config"]));
}

TEST(Inputs, static_plans_store_one_scale_a_module) {
  const Plan plan = test::plan_for(model(), static_options(full_calibration()));
  EXPECT_EQ(output_names(plan, entry_of(plan, "conv.weight")),
            (std::vector<std::string>{"conv.weight", "conv.weight_scale", "conv.input_scale"}));
  EXPECT_EQ(output_names(plan, entry_of(plan, "lstm.weight_ih_l0")),
            (std::vector<std::string>{"lstm.weight_ih_l0", "lstm.weight_ih_l0_scale",
                                      "lstm.input_scale"}));
  EXPECT_EQ(output_names(plan, entry_of(plan, "lstm.weight_hh_l0")).size(), 2U);
  const std::optional<Output> scale = output_of(plan, entry_of(plan, "fc1.weight"), "input_scale");
  ASSERT_TRUE(scale);
  EXPECT_EQ(scale->dtype, Dtype::kF32);
  EXPECT_EQ(scale->shape, std::vector<uint64_t>{1});
  const Json activations{{"num_bits", 8},
                         {"type", "int"},
                         {"symmetric", true},
                         {"strategy", "tensor"},
                         {"dynamic", false}};
  const Json config = config_of(plan);
  ASSERT_EQ(config["config_groups"].size(), 1U);
  EXPECT_EQ(config["config_groups"]["group_0"]["input_activations"], activations);
  EXPECT_EQ(config["format"], "int-quantized");
}

TEST(Inputs, asymmetric_inputs_have_zero_points) {
  const Plan plan =
      test::plan_for(model(), static_options(full_calibration(), "minmax", "asymmetric"));
  const TensorPlan &entry = entry_of(plan, "fc1.weight");
  const std::optional<Output> zero_point = output_of(plan, entry, "input_zero_point");
  ASSERT_TRUE(zero_point);
  EXPECT_EQ(zero_point->name, "fc1.input_zero_point");
  EXPECT_EQ(zero_point->dtype, Dtype::kI8);
  EXPECT_EQ(zero_point->shape, std::vector<uint64_t>{1});
  EXPECT_EQ(config_of(plan)["config_groups"]["group_0"]["input_activations"]["symmetric"], false);
  // The formula of PyTorch's observers for qint8.
  const quant::ObservedRange range = entry.input->range;
  const float scale = (std::max(range.max, 0.0F) - std::min(range.min, 0.0F)) / 255.0F;
  EXPECT_EQ(entry.input->params.scale, scale);
  EXPECT_EQ(entry.input->params.zero_point,
            -128 - static_cast<int32_t>(std::nearbyint(std::min(range.min, 0.0F) / scale)));
}

TEST(Inputs, each_observer_gives_its_own_range) {
  const Calibration calibration = full_calibration();
  const auto observer = quant::TensorObserver::restore(calibration.modules.at("fc1").observer);
  ASSERT_TRUE(observer);
  const std::vector<std::pair<std::string_view, quant::RangeMethod>> rows = {
      {"minmax", quant::RangeMethod::kMinMax},
      {"moving-average", quant::RangeMethod::kMovingAverage},
      {"histogram", quant::RangeMethod::kHistogram},
      {"percentile", quant::RangeMethod::kPercentile}};
  for (const auto &[name, method] : rows) {
    const Plan plan = test::plan_for(model(), static_options(calibration, name));
    const InputPlan &input = *entry_of(plan, "fc1.weight").input;
    EXPECT_EQ(input.method, method);
    EXPECT_EQ(input.range, observer.value().range(method).value()) << name;
    EXPECT_TRUE(input.estimates.empty());
  }
  const Plan plan = test::plan_for(model(), static_options(calibration, "auto"));
  const InputPlan &input = *entry_of(plan, "fc1.weight").input;
  ASSERT_EQ(input.estimates.size(), rows.size());
  for (const quant::RangeEstimate &estimate : input.estimates) {
    EXPECT_LE(input.estimates[static_cast<size_t>(input.method)].mean_squared_error,
              estimate.mean_squared_error);
  }
  Json half = static_options(calibration, "percentile");
  half["percentile"] = 60;
  EXPECT_LT(test::plan_for(model(), half).tensors[1].input->range.max, input.range.max);
}

TEST(Inputs, layers_without_data_stay_dynamic_in_a_group_of_their_own) {
  Calibration calibration = full_calibration();
  calibration.modules.erase("fc2");
  calibration.modules["stranger"] = observed(4, 100, 5);
  calibration.modules["conv"] = observed(7, 100, 6); // no multiple of 4
  calibration.modules["fc1"] = observed(64, 49, 7);
  calibration.left_out.insert("fc2");
  const Plan plan = test::plan_for(model(), static_options(calibration));
  EXPECT_EQ(entry_of(plan, "fc2.weight").input, nullptr);
  const auto warnings = warned(plan);
  EXPECT_EQ(warnings.at("calibration-missing"),
            (std::vector<std::string>{"conv.weight", "fc2.weight"}));
  EXPECT_EQ(warnings.at("calibration-unmatched"), (std::vector<std::string>{"stranger", "conv"}));
  EXPECT_EQ(warnings.at("calibration-small"), std::vector<std::string>{"fc1"});
  EXPECT_EQ(warnings.at("calibration-nan"), std::vector<std::string>{"fc2"});
  const Json groups = config_of(plan)["config_groups"];
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups["group_0"]["targets"], Json({"conv", "fc2"}));
  EXPECT_EQ(groups["group_0"]["input_activations"]["dynamic"], true);
  EXPECT_EQ(groups["group_1"]["targets"], Json({"fc1", "lstm"}));
  EXPECT_EQ(groups["group_1"]["input_activations"]["dynamic"], false);
}

TEST(Inputs, ranges_that_are_not_finite_are_of_no_use) {
  Calibration calibration = full_calibration();
  auto &observer = calibration.modules["fc1"].observer;
  observer.min_max.max = std::numeric_limits<float>::infinity();
  observer.counts.positive_infinities = 1;
  const Plan with_minmax = test::plan_for(model(), static_options(calibration));
  EXPECT_EQ(entry_of(with_minmax, "fc1.weight").input, nullptr);
  EXPECT_EQ(warned(with_minmax).at("calibration-nan"), std::vector<std::string>{"fc1"});
  const Plan with_auto = test::plan_for(model(), static_options(calibration, "auto"));
  ASSERT_NE(entry_of(with_auto, "fc1.weight").input, nullptr);
  EXPECT_NE(entry_of(with_auto, "fc1.weight").input->method, quant::RangeMethod::kMinMax);
}

TEST(Inputs, only_plain_8_bit_codes_have_static_inputs) {
  Json options = static_options(full_calibration());
  options["overrides"] = Json::parse(R"([{"tensors":[1],"bits":4},{"tensors":[2],"bits":"none"}])");
  const Plan plan = test::plan_for(model(), options);
  EXPECT_EQ(entry_of(plan, "fc1.weight").input, nullptr);
  EXPECT_EQ(entry_of(plan, "fc2.weight").input, nullptr);
  EXPECT_NE(entry_of(plan, "conv.weight").input, nullptr);
  EXPECT_FALSE(warned(plan).contains("calibration-missing"));
}

TEST(Inputs, fused_layers_are_static_together_or_not_at_all) {
  const catalog::Catalog attention = test::make_catalog({{"a.q_proj.weight", {64, 64}},
                                                         {"a.k_proj.weight", {64, 64}},
                                                         {"a.v_proj.weight", {64, 64}},
                                                         {"a.o_proj.weight", {64, 64}}});
  Calibration calibration;
  for (const char *name : {"a.q_proj", "a.v_proj", "a.o_proj"}) {
    calibration.modules[name] = observed(64, 100, 8);
  }
  calibration.left_out.insert("a.k_proj");
  const Plan plan = test::plan_for(attention, static_options(calibration));
  EXPECT_EQ(plan.tensors[0].input, nullptr);
  EXPECT_EQ(plan.tensors[2].input, nullptr);
  EXPECT_NE(plan.tensors[3].input, nullptr);
  EXPECT_EQ(warned(plan).at("calibration-missing").size(), 3U);
  calibration.left_out.clear();
  calibration.modules["a.k_proj"] = observed(64, 100, 9);
  const Plan whole = test::plan_for(attention, static_options(calibration));
  EXPECT_NE(whole.tensors[1].input, nullptr);
  EXPECT_FALSE(warned(whole).contains("calibration-missing"));
}

TEST(Inputs, of_one_layer_are_those_of_others_that_read_the_same) {
  const auto attention_of = [](const std::string &name) {
    return test::make_catalog({{name + ".q_proj.weight", {64, 64}},
                               {name + ".k_proj.weight", {64, 64}},
                               {name + ".v_proj.weight", {64, 64}}});
  };
  const auto plan_of = [&](const std::string &name) {
    Calibration calibration;
    calibration.modules[name + ".q_proj"] = observed(64, 100, 8);
    return test::plan_for(attention_of(name), static_options(calibration));
  };
  const Plan itself = plan_of("layers.0.self_attn");
  ASSERT_NE(itself.tensors[1].input, nullptr);
  EXPECT_EQ(itself.tensors[1].input->params.scale, itself.tensors[0].input->params.scale);
  EXPECT_FALSE(warned(itself).contains("calibration-missing"));
  // Keys and values of something else.
  const Plan other = plan_of("layers.0.encoder_attn");
  EXPECT_EQ(other.tensors[0].input, nullptr) << "what is fused is static as a whole";
  EXPECT_TRUE(warned(other).contains("calibration-missing"));
}

TEST(Inputs, of_an_expert_that_is_hardly_used_are_partly_those_of_the_others) {
  const catalog::Catalog model = test::make_catalog({{"mlp.experts.0.up_proj.weight", {64, 64}},
                                                     {"mlp.experts.1.up_proj.weight", {64, 64}},
                                                     {"other.up_proj.weight", {64, 64}}});
  const auto known = [](double first, uint64_t count) {
    ModuleStatistics statistics;
    statistics.samples = count;
    statistics.per_channel = count;
    const auto inputs = static_cast<double>(count);
    statistics.squares.assign(64, inputs);
    statistics.squares[0] = first * inputs;
    statistics.lacks = {.range = true, .distribution = true, .sums = true};
    return statistics;
  };
  Calibration calibration;
  calibration.modules["mlp.experts.0.up_proj"] = known(4, 900);
  calibration.modules["mlp.experts.1.up_proj"] = known(0, 100);
  calibration.modules["other.up_proj"] = known(0, 100);
  Json options = test::int4_options(32);
  options["minElements"] = 0;
  options["method"] = "mse";
  options["calibration"] = parse_json(calibration::calibration_json(calibration));
  const Plan plan = test::plan_for(model, options);
  const auto first_of = [&](size_t tensor) {
    return (*plan.tensors[tensor].quantize()->importance)[0];
  };
  // Of all experts the first channel has a mean square of 3.6, the others of 1.
  EXPECT_FLOAT_EQ(first_of(0), 1);
  EXPECT_FLOAT_EQ(first_of(1), 1); // (0 * 100 + 3.6 * 100) / 200 = 1.8: the largest
  EXPECT_FLOAT_EQ((*plan.tensors[1].quantize()->importance)[1], 1 / 1.8F);
  EXPECT_FLOAT_EQ(first_of(2), 0);
}

/// Unless a method is asked for, each layer has the best one for what is known of its inputs, and nobody is warned.
TEST(Inputs, choose_the_method) {
  Calibration calibration;
  calibration.modules["fc1"] = observed(64, 100, 1);
  calibration.modules["fc2"] = observed(64, 100, 2);
  calibration.modules["fc2"].lacks.outer = true;
  calibration.modules["conv"] = observed(4, 100, 3);
  const auto methods = [&](std::string_view method, bool with_data) {
    Json options = test::int4_options(-1);
    options["minElements"] = 0;
    options.erase("method");
    if (!method.empty()) {
      options["method"] = method;
    }
    if (with_data) {
      options["calibration"] = parse_json(calibration::calibration_json(calibration));
    }
    const Plan plan = test::plan_for(model(), options);
    std::vector<quant::Method> found;
    for (const std::string_view name : {"fc1.weight", "fc2.weight", "conv.weight"}) {
      found.push_back(entry_of(plan, name).quantize()->stored.scheme.method);
    }
    return found;
  };
  using quant::Method;
  constexpr auto kMse = Method::kMse;
  const std::vector<Method> best = {Method::kGptq, kMse, kMse};
  EXPECT_EQ(methods("", false), (std::vector<Method>{kMse, kMse, kMse}));
  EXPECT_EQ(methods("", true), best);
  EXPECT_EQ(methods("auto", true), best);
  EXPECT_EQ(methods("mse", true), (std::vector<Method>{kMse, kMse, kMse}));
  EXPECT_EQ(methods("gptq", true), best);
}

TEST(Inputs, that_lose_much_by_a_stored_scale_are_told_with_numbers) {
  Calibration calibration = full_calibration();
  const Plan fine = test::plan_for(model(), static_options(calibration));
  EXPECT_FALSE(warned(fine).contains("calibration-lossy"));
  for (const TensorPlan &entry : fine.tensors) {
    EXPECT_TRUE(!entry.input || entry.input->sqnr_db > 20);
  }
  // One value is far larger than all others.
  calibration.modules["fc2"] = observed(64, 100, 3, 600);
  calibration.modules["fc1"] = observed(64, 100, 2, 2000);
  const Plan lossy = test::plan_for(model(), static_options(calibration));
  EXPECT_EQ(warned(lossy).at("calibration-lossy"), (std::vector<std::string>{"fc1", "fc2"}));
  const double worst = entry_of(lossy, "fc1.weight").input->sqnr_db;
  EXPECT_LT(worst, entry_of(lossy, "fc2.weight").input->sqnr_db);
  EXPECT_LT(entry_of(lossy, "fc2.weight").input->sqnr_db, 15);
  const auto warning =
      std::find_if(lossy.warnings.begin(), lossy.warnings.end(),
                   [](const Warning &each) { return each.code == "calibration-lossy"; });
  EXPECT_NE(warning->message.find(concat("\"fc1\" ", std::lround(worst), " dB")), std::string::npos)
      << warning->message;
  // Inputs without a stored scale lose nothing by it.
  const Plan dynamic = test::plan_for(model(), options_with(calibration));
  EXPECT_FALSE(warned(dynamic).contains("calibration-lossy"));
  Json other = static_options(calibration);
  other["overrides"] = Json::parse(R"([{"tensors":[1,2],"bits":4}])");
  EXPECT_FALSE(warned(test::plan_for(model(), other)).contains("calibration-lossy"));
}

TEST(Inputs, tied_layers_have_inputs_of_their_own) {
  catalog::Catalog catalog = test::make_catalog({{"enc.weight", {64, 128}, Dtype::kF32}});
  test::add_tie(catalog, "dec.weight", "enc.weight");
  test::add_tie(catalog, "out.weight", "enc.weight");
  Calibration calibration;
  calibration.modules["dec"] = observed(128, 100, 10);
  calibration.modules["enc"] = observed(128, 100, 11);
  for (const std::string_view container : {"safetensors", "pt"}) {
    Json options = static_options(calibration);
    options["defaultIgnore"] = false;
    options["container"] = container;
    const Plan plan = test::plan_for(catalog, options);
    ASSERT_EQ(plan.tensors[1].decision(), Decision::kTie);
    const std::optional<Output> enc = output_of(plan, plan.tensors[0], "input_scale");
    const std::optional<Output> dec = output_of(plan, plan.tensors[1], "input_scale");
    ASSERT_TRUE(enc);
    ASSERT_TRUE(dec);
    EXPECT_FALSE(dec->alias);
    EXPECT_NE(enc->offset, dec->offset);
    EXPECT_NE(plan.tensors[0].input->params.scale, plan.tensors[1].input->params.scale);
    EXPECT_FALSE(output_of(plan, plan.tensors[2], "input_scale"));
    EXPECT_EQ(warned(plan).at("calibration-missing"), std::vector<std::string>{"out.weight"});
  }
}

TEST(Inputs, a_name_that_is_taken_leaves_the_layer_alone) {
  for (const std::string_view taken : {"fc1.input_scale", "fc1.input_zero_point", "fc1.input"}) {
    catalog::Catalog catalog = test::make_catalog(
        {{"fc1.weight", {32, 64}, Dtype::kF32}, {std::string(taken), {32, 64}, Dtype::kF32}});
    Calibration calibration;
    calibration.modules["fc1"] = observed(64, 100, 12);
    Json options = static_options(calibration, "minmax", "asymmetric");
    const Plan plan = test::plan_for(catalog, options);
    EXPECT_EQ(plan.tensors[0].reason, Reason::kNameTaken) << taken;
    options["mode"] = "dynamic";
    EXPECT_EQ(test::plan_for(catalog, options).tensors[0].decision(), Decision::kQuantize);
  }
}

TEST(Inputs, static_without_data_is_an_error_that_says_what_to_do) {
  Json options = test::default_options();
  options["mode"] = "static";
  const auto parsed = parse_options(options.dump(), 1);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidOptions);
  EXPECT_NE(parsed.error().suggestion.find("README"), std::string::npos);
}

TEST(Inputs, second_moments_weigh_the_columns_of_searches) {
  const Calibration calibration = full_calibration();
  for (const std::string_view mode : {"dynamic", "weights-only", "static"}) {
    Json options = static_options(calibration);
    options["mode"] = mode;
    options["method"] = "mse";
    const Plan plan = test::plan_for(model(), options);
    const ModuleStatistics &fc = calibration.modules.at("fc1");
    const auto &weights = *entry_of(plan, "fc1.weight").quantize()->importance;
    const double largest = *std::max_element(fc.squares.begin(), fc.squares.end());
    ASSERT_EQ(weights.size(), 64U);
    for (size_t i = 0; i < weights.size(); ++i) {
      EXPECT_NEAR(weights[i], fc.squares[i] / largest, 1e-6);
    }
    // Two groups of four channels, a kernel of nine.
    const ModuleStatistics &conv = calibration.modules.at("conv");
    const auto &kernel = *entry_of(plan, "conv.weight").quantize()->importance;
    ASSERT_EQ(kernel.size(), 36U);
    for (size_t i = 0; i < kernel.size(); ++i) {
      const auto moment = [&](size_t channel) {
        return conv.squares[channel] + conv.squares[channel + 4];
      };
      EXPECT_NEAR(kernel[i] / kernel[0], moment(i / 9) / moment(0), 1e-5);
      EXPECT_EQ(kernel[i], kernel[i / 9 * 9]);
    }
    EXPECT_NE(entry_of(plan, "lstm.weight_ih_l0").quantize()->importance, nullptr);
    EXPECT_EQ(entry_of(plan, "lstm.weight_hh_l0").quantize()->importance, nullptr)
        << "its input is not known";
  }
  const Plan rtn = test::plan_for(model(), options_with(calibration));
  EXPECT_EQ(entry_of(rtn, "fc1.weight").quantize()->importance, nullptr);
}

TEST(Inputs, a_search_without_data_says_so) {
  Calibration calibration = full_calibration();
  calibration.modules.erase("fc2");
  const Plan plan = test::plan_for(model(), searching_options(calibration));
  EXPECT_EQ(warned(plan).at("calibration-missing"), std::vector<std::string>{"fc2.weight"});
}

TEST(Inputs, plans_tell_what_was_chosen_and_why) {
  const Plan plan = test::plan_for(model(), static_options(full_calibration(), "auto"));
  const Json json = Json::parse(plan_json(plan));
  const InputPlan &input = *entry_of(plan, "fc1.weight").input;
  const Json told = json["tensors"][1]["input"];
  EXPECT_EQ(told["scale"].get<float>(), input.params.scale);
  EXPECT_EQ(told["zeroPoint"], 0);
  EXPECT_EQ(told["min"].get<float>(), input.range.min);
  EXPECT_EQ(told["max"].get<float>(), input.range.max);
  EXPECT_EQ(told["samples"], 100);
  EXPECT_EQ(told["estimates"].size(), 4U);
  EXPECT_FALSE(json["tensors"][1]["outputs"].empty());
}

/// A file of the model, quantized with stored scales, sealed and verified.
MemoryRun static_run(const Json &options, uint64_t shares) {
  Random random(61);
  const Bytes file =
      test::make_file({test::random_weights(random, "conv.weight", Dtype::kF32, {16, 4, 3, 3}),
                       test::random_weights(random, "fc1.weight", Dtype::kF32, {32, 64}),
                       test::random_weights(random, "fc2.weight", Dtype::kBF16, {32, 64})});
  MemoryRun run(test::plan_for(file, options), file, {size_t{1} << 19U, 1, 2, shares});
  const auto sealed = run.seal();
  EXPECT_TRUE(sealed) << sealed.error().message;
  return run;
}

TEST(Inputs, stored_scales_are_written_and_verified) {
  for (const std::string_view container : {"safetensors", "pt"}) {
    for (const uint64_t shares : {1U, 3U}) {
      Json options = static_options(full_calibration(), "minmax", "asymmetric");
      options["container"] = container;
      const MemoryRun run = static_run(options, shares);
      const auto verified = run.verify(run.output());
      EXPECT_TRUE(verified) << verified.error().message;
      const auto catalog = test::inspect(run.output());
      ASSERT_TRUE(catalog) << catalog.error().message;
      for (const std::string_view module : {"conv", "fc1", "fc2"}) {
        const InputPlan &input = *entry_of(run.plan(), concat(module, ".weight")).input;
        const auto offset_of = [&](std::string_view part) {
          return catalog.value()
              .tensors[test::index_of(catalog.value(), concat(module, ".input_", part))]
              .offset;
        };
        const uint64_t scale = offset_of("scale");
        const uint64_t zero_point = offset_of("zero_point");
        EXPECT_EQ(load_le<float>(&run.output()[scale]), input.params.scale);
        EXPECT_EQ(static_cast<int8_t>(run.output()[zero_point]), input.params.zero_point);
        for (const uint64_t at : {scale, zero_point}) {
          Bytes damaged = run.output();
          damaged[at] ^= 1U;
          EXPECT_FALSE(run.verify(damaged));
        }
      }
    }
  }
}

TEST(Inputs, importance_changes_the_codes) {
  const Calibration calibration = full_calibration();
  Json weighted = searching_options(calibration);
  Json plain = weighted;
  plain["calibration"] = nullptr;
  EXPECT_NE(static_run(weighted, 1).output(), static_run(plain, 1).output());
}

/// Small floats are made of inputs by their largest magnitude, which no zero point moves.
TEST(Inputs, small_floats_have_a_stored_scale_or_number) {
  const Calibration calibration = full_calibration();
  const auto range = quant::TensorObserver::restore(calibration.modules.at("fc1").observer)
                         .value()
                         .range(quant::RangeMethod::kMinMax)
                         .value();
  const float largest = std::max(-range.min, range.max);
  Json options = static_options(calibration, "auto");
  options["codes"] = "FP8";
  options["strategy"] = "tensor";
  Plan plan = test::plan_for(model(), options);
  const size_t fc1 = test::index_of(*plan.catalog, "fc1.weight");
  auto stored = output_of(plan, plan.tensors[fc1], "input_scale");
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->name, "fc1.input_scale");
  EXPECT_EQ(load_le<float>(reinterpret_cast<const uint8_t *>(stored->fixed.data())),
            largest / 448.0F);
  Json inputs = Json::parse(plan.quantization_config)["config_groups"]["group_0"];
  EXPECT_EQ(inputs["input_activations"]["type"], "float");
  EXPECT_EQ(inputs["input_activations"]["strategy"], "tensor");
  EXPECT_EQ(inputs["input_activations"]["dynamic"], false);

  options["codes"] = "NVFP4";
  options["bits"] = 4;
  options["strategy"] = "group";
  options["groupSize"] = 16;
  plan = test::plan_for(model(), options);
  stored = output_of(plan, plan.tensors[fc1], "input_global_scale");
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->name, "fc1.input_global_scale");
  EXPECT_EQ(load_le<float>(reinterpret_cast<const uint8_t *>(stored->fixed.data())),
            448.0F * 6.0F / largest);
  inputs = Json::parse(plan.quantization_config)["config_groups"]["group_0"];
  EXPECT_EQ(inputs["input_activations"]["dynamic"], "local");
  EXPECT_EQ(inputs["input_activations"]["strategy"], "tensor_group");

  options["codes"] = "MXFP4"; // whose inputs have scales of their own
  options["groupSize"] = 32;
  plan = test::plan_for(model(), options);
  EXPECT_FALSE(plan.tensors[fc1].stores_input);
}

} // namespace
} // namespace monoquant::plan
