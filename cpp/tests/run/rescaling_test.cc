// Whole runs in which layers and what is before them trade magnitudes: what the model computes stays the same.
#include <gtest/gtest.h>

#include <cmath>

#include "monoquant/run/rescale_stage.h"
#include "support/catalog_builder.h"
#include "support/drive.h"
#include "support/given_means.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::MemoryRun;
using test::Random;

constexpr uint64_t kRescaledWidth = 64;

/// A norm, the values behind it (two heads of 16), and what reads these for four heads.
Bytes attention(Dtype dtype) {
  Random random(311);
  return test::make_file({
      test::random_weights(random, "norm.weight", dtype, {kRescaledWidth}),
      test::random_weights(random, "norm.bias", dtype, {kRescaledWidth}),
      test::random_weights(random, "q.weight", dtype, {kRescaledWidth, kRescaledWidth}),
      test::random_weights(random, "v.weight", dtype, {32, kRescaledWidth}),
      test::random_weights(random, "v.bias", dtype, {32}),
      test::random_weights(random, "o.weight", dtype, {48, kRescaledWidth}),
  });
}

std::vector<double> factors_of(size_t count, bool powers) {
  Random random(312);
  std::vector<double> factors;
  for (size_t i = 0; i < count; ++i) {
    const auto steps = static_cast<int>(random.below(7));
    factors.push_back(powers ? std::ldexp(1.0, steps - 3) : 0.2 + 0.7 * steps);
  }
  return factors;
}

size_t tensor_at(const Bytes &file, std::string_view name) {
  return test::index_of(test::inspect(file).value(), name);
}

/// Both pairs of such a model.
Json rescales_of(const Bytes &file, bool powers) {
  const auto at = [&](std::string_view name) { return tensor_at(file, name); };
  return {{{"producer", at("norm.weight")},
           {"bias", at("norm.bias")},
           {"balances", Json::array({at("q.weight"), at("v.weight")})},
           {"how", "test"},
           {"factors", factors_of(kRescaledWidth, powers)}},
          {{"producer", at("v.weight")},
           {"bias", at("v.bias")},
           {"balances", Json::array({at("o.weight")})},
           {"head", 16},
           {"repeats", 2},
           {"how", "test"},
           {"factors", factors_of(32, powers)}}};
}

Json rescaling_options(const Bytes &file, bool powers, bool quantizes) {
  Json options = test::default_options();
  options["rescales"] = rescales_of(file, powers);
  for (const char *name : {"q.weight", "v.weight", "o.weight"}) {
    if (!quantizes) {
      options["ignore"].push_back(tensor_at(file, name));
    }
  }
  return options;
}

std::vector<double> products(const test::TensorFile &file, const char *name,
                             const std::vector<double> &x) {
  const std::vector<float> weight = test::values_of(file.tensors.at(name));
  std::vector<double> y(weight.size() / x.size());
  for (size_t i = 0; i < weight.size(); ++i) {
    y[i / x.size()] += static_cast<double>(weight[i]) * x[i % x.size()];
  }
  return y;
}

/// What the model makes of some normalized input: q, and what reads the values.
std::vector<double> computed(const test::TensorFile &file) {
  const std::vector<float> gamma = test::values_of(file.tensors.at("norm.weight"));
  const std::vector<float> beta = test::values_of(file.tensors.at("norm.bias"));
  std::vector<double> x(kRescaledWidth);
  for (size_t i = 0; i < kRescaledWidth; ++i) {
    x[i] = std::sin(static_cast<double>(i) + 1) * static_cast<double>(gamma[i]) +
           static_cast<double>(beta[i]);
  }
  std::vector<double> y = products(file, "q.weight", x);
  const std::vector<double> v = products(file, "v.weight", x);
  const std::vector<float> bias = test::values_of(file.tensors.at("v.bias"));
  std::vector<double> heads(
      kRescaledWidth); // heads 0 and 1 read the first values, 2 and 3 the others
  for (size_t i = 0; i < kRescaledWidth; ++i) {
    const size_t row = i / 32 * 16 + i % 16;
    heads[i] = v[row] + static_cast<double>(bias[row]);
  }
  const std::vector<double> out = products(file, "o.weight", heads);
  y.insert(y.end(), out.begin(), out.end());
  return y;
}

double most_apart(const std::vector<double> &a, const std::vector<double> &b) {
  double most = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    most = std::max(most, std::fabs(a[i] - b[i]) / (1e-3 + std::fabs(a[i])));
  }
  return most;
}

TEST(RescalingRun, keeps_what_the_model_computes) {
  const Bytes file = attention(Dtype::kF32);
  const test::TensorFile before = test::parse_file(file);
  const MemoryRun run(test::plan_for(file, rescaling_options(file, false, false)), file);
  ASSERT_TRUE(run.unfit().empty());
  const test::TensorFile after = test::parse_file(run.output());
  EXPECT_LT(most_apart(computed(before), computed(after)), 1e-5);
  for (const char *name :
       {"norm.weight", "norm.bias", "q.weight", "v.weight", "v.bias", "o.weight"}) {
    EXPECT_NE(before.tensors.at(name).bytes, after.tensors.at(name).bytes) << name;
    test::TensorFile mixed = after;
    mixed.tensors.at(name) = before.tensors.at(name); // each of them is needed
    EXPECT_GT(most_apart(computed(before), computed(mixed)), 1e-3) << name;
  }
}

TEST(RescalingRun, powers_of_two_round_nothing) {
  for (const Dtype dtype : {Dtype::kF16, Dtype::kBF16}) {
    const Bytes file = attention(dtype);
    const MemoryRun run(test::plan_for(file, rescaling_options(file, true, false)), file);
    const test::TensorFile after = test::parse_file(run.output());
    EXPECT_EQ(after.tensors.at("norm.weight").dtype, dtype);
    // Of F16 the smallest values have fewer digits the smaller they are.
    EXPECT_LT(most_apart(computed(test::parse_file(file)), computed(after)),
              dtype == Dtype::kBF16 ? 1e-12 : 1e-2);
  }
}

TEST(RescalingRun, codes_are_those_of_the_rescaled_weights) {
  const Bytes file = attention(Dtype::kF32);
  const MemoryRun run(test::plan_for(file, rescaling_options(file, false, true)), file);
  const MemoryRun floats(test::plan_for(file, rescaling_options(file, false, false)), file);
  const Bytes &changed = floats.output();
  const MemoryRun again(test::plan_for(changed, test::default_options()), changed);
  const test::TensorFile made = test::parse_file(run.output());
  const test::TensorFile expected = test::parse_file(again.output());
  for (const char *name : {"q.weight", "v.weight", "o.weight", "q.weight_scale", "norm.weight"}) {
    EXPECT_EQ(made.tensors.at(name).bytes, expected.tensors.at(name).bytes) << name;
  }
}

TEST(RescalingRun, leaves_a_pair_alone_if_one_of_its_tensors_cannot_change) {
  const Bytes file = attention(Dtype::kF32);
  Json options = rescaling_options(file, false, false);
  options["ignore"].erase(0); // that what is wrong with it comes first
  options["unfit"] = Json::array({{{"tensor", tensor_at(file, "q.weight")},
                                   {"reason", "non-finite"},
                                   {"explanation", "NaN"}}});
  const MemoryRun run(test::plan_for(file, options), file);
  const test::TensorFile before = test::parse_file(file);
  const test::TensorFile after = test::parse_file(run.output());
  EXPECT_EQ(before.tensors.at("norm.weight").bytes, after.tensors.at("norm.weight").bytes);
  EXPECT_NE(before.tensors.at("o.weight").bytes, after.tensors.at("o.weight").bytes);
  EXPECT_LT(most_apart(computed(before), computed(after)), 1e-5);
}

TEST(RescalingRun, shapes_that_do_not_go_together_are_errors) {
  const Bytes file = attention(Dtype::kF32);
  const auto catalog = test::inspect(file).value();
  const auto changed = [&](size_t which, const char *key, Json value) {
    Json options = rescaling_options(file, false, false);
    options["rescales"][which][key] = std::move(value);
    const auto parsed = plan::parse_options(options.dump(), catalog.tensors.size());
    return !parsed || !plan::make_plan(catalog, parsed.value());
  };
  EXPECT_FALSE(changed(0, "firstRow", 0));
  EXPECT_TRUE(changed(0, "firstRow", 1));
  EXPECT_TRUE(changed(0, "firstRow", uint64_t{1} << 60U));
  EXPECT_TRUE(changed(0, "producer", 99));
  EXPECT_TRUE(changed(0, "balances", Json::array()));
  EXPECT_TRUE(changed(0, "balances", Json::array({tensor_at(file, "v.bias")})));
  EXPECT_TRUE(changed(0, "factors", factors_of(63, false)));
  EXPECT_TRUE(changed(0, "factors", std::vector<double>(kRescaledWidth, 0.0)));
  EXPECT_TRUE(changed(0, "factors", std::vector<double>(kRescaledWidth, -1.0)));
  EXPECT_TRUE(changed(0, "bias", tensor_at(file, "v.bias")));
  EXPECT_TRUE(changed(1, "repeats", 1));
  EXPECT_TRUE(changed(1, "repeats", 65536));
  EXPECT_TRUE(changed(1, "head", 24));
  EXPECT_TRUE(changed(1, "balances", Json::array({tensor_at(file, "q.weight")}))); // twice
}

Json chosen_by(const Bytes &file, RescaleChoice choice, Json options, size_t threads = 1) {
  options = test::with_means(test::inspect(file).value(), options);
  const plan::Plan plan = test::plan_for(file, options);
  Json wanted = rescales_of(file, false);
  for (Json &pair : wanted) {
    pair.erase("factors");
    pair.erase("how");
  }
  auto pairs = plan::read_rescales(parse_json(wanted.dump()), plan.tensors.size());
  parallel::Workers workers(threads);
  RescaleStage stage(plan, workers, calibration::read_calibration(options["calibration"]).value(),
                     pairs.value(), choice, test::kSmallestBlock);
  const auto done = test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
      },
      [](uint64_t, std::span<const uint8_t>) {});
  EXPECT_TRUE(done);
  return parse_json(stage.result_json());
}

TEST(RescaleStage, chooses_factors_that_a_plan_takes) {
  using Kind = RescaleChoice::Kind;
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
    const Bytes file = attention(dtype);
    for (const auto &[choice, options] :
         std::vector<std::pair<RescaleChoice, Json>>{{{Kind::kFixed, 0.5}, test::default_options()},
                                                     {{Kind::kAuto, 0}, test::default_options()},
                                                     {{Kind::kAwq, 0}, test::int4_options(32)}}) {
      const Json chosen = chosen_by(file, choice, options);
      EXPECT_EQ(chosen, chosen_by(file, choice, options, 3));
      ASSERT_EQ(chosen["rescales"].size() + chosen["left"].size(), 2U) << chosen.dump();
      Json rescaled = options;
      rescaled["rescales"] = chosen["rescales"];
      for (const char *name : {"q.weight", "v.weight", "o.weight"}) {
        rescaled["ignore"].push_back(tensor_at(file, name));
      }
      const MemoryRun run(test::plan_for(file, rescaled), file);
      const test::TensorFile after = test::parse_file(run.output());
      EXPECT_LT(most_apart(computed(test::parse_file(file)), computed(after)), 1e-5);
    }
  }
}

/// A column whose inputs are a hundred times as large as all others is what both are about.
TEST(RescaleStage, divides_the_inputs_that_are_large) {
  const Bytes file = attention(Dtype::kF32);
  const Json chosen = chosen_by(file, {RescaleChoice::Kind::kFixed, 0.5}, test::default_options());
  ASSERT_EQ(chosen["rescales"].size(), 2U);
  EXPECT_EQ(chosen["rescales"][0]["how"], "SmoothQuant 0.5");
  EXPECT_EQ(chosen["rescales"][0]["factors"].size(), kRescaledWidth);
  EXPECT_EQ(chosen["rescales"][1]["factors"].size(), 32U);
}

} // namespace
} // namespace monoquant::run
