// A calibration is stored as text, and what is read back is the same to the bit.
#include <gtest/gtest.h>

#include <bit>

#include "monoquant/base/json.h"
#include "monoquant/calibration/calibration.h"
#include "support/activation_fixture.h"
#include "support/not_finite.h"
#include "support/random.h"

namespace monoquant::calibration {
namespace {

using test::kInfinity;
using test::kNan;

using quant::ObservedRange;

ModuleStatistics random_module(test::Random &random) {
  ModuleStatistics module;
  module.samples = random.below(1000);
  module.squares.resize(1 + random.index(40));
  for (double &square : module.squares) {
    // All 53 bits in use.
    square = std::fabs(static_cast<double>(random.finite_bits())) * 1.1 /
             static_cast<double>(1 + random.below(1000));
  }
  module.per_channel = 1 + random.below(1000);
  quant::ObserverState &state = module.observer;
  state.counts.values = module.per_channel * module.squares.size();
  state.counts.positive_infinities = random.below(2);
  state.batches = 1 + random.below(9);
  const float a = random.finite_bits();
  const float b = random.finite_bits();
  state.min_max = {std::min(a, b), std::max(a, b)};
  state.moving_average = {state.min_max.min * 0.7F, state.min_max.max};
  if (state.moving_average.min > state.moving_average.max) {
    state.moving_average = state.min_max;
  }
  state.histogram.range = state.min_max;
  for (size_t i = 0; i < quant::kHistogramBins; ++i) {
    state.histogram.counts.push_back(random.chance(3) ? random.weight() * random.weight() *
                                                            random.weight() * random.weight()
                                                      : 0.0F);
    state.histogram.counts.back() = std::fabs(state.histogram.counts.back());
  }
  return module;
}

Result<Calibration> read(std::string_view text) {
  return read_calibration(Json::parse(text, nullptr, false));
}

void expect_same(const ModuleStatistics &a, const ModuleStatistics &b) {
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.per_channel, b.per_channel);
  ASSERT_EQ(a.squares.size(), b.squares.size());
  for (size_t i = 0; i < a.squares.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint64_t>(a.squares[i]), std::bit_cast<uint64_t>(b.squares[i]));
  }
  EXPECT_EQ(a.observer.counts, b.observer.counts);
  EXPECT_EQ(a.observer.batches, b.observer.batches);
  EXPECT_TRUE(test::same_range(a.observer.min_max, b.observer.min_max));
  EXPECT_TRUE(test::same_range(a.observer.moving_average, b.observer.moving_average));
  EXPECT_TRUE(test::same_range(a.observer.histogram.range, b.observer.histogram.range));
  ASSERT_EQ(a.observer.histogram.counts.size(), b.observer.histogram.counts.size());
  for (size_t i = 0; i < a.observer.histogram.counts.size(); ++i) {
    EXPECT_TRUE(test::same_float(a.observer.histogram.counts[i], b.observer.histogram.counts[i]));
  }
}

TEST(CalibrationJson, every_float_survives) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    test::Random random(seed);
    Calibration calibration;
    for (const char *name : {"a", "b.\"quoted\"", "c.ü.0"}) {
      calibration.modules[name] = random_module(random);
    }
    calibration.left_out = {"x", "y"};
    const std::string text = calibration_json(calibration);
    const auto back = read(text);
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_EQ(back.value().modules.size(), calibration.modules.size());
    for (const auto &[name, module] : calibration.modules) {
      ASSERT_NE(back.value().find(name), nullptr);
      expect_same(module, *back.value().find(name));
    }
    EXPECT_EQ(back.value().left_out, calibration.left_out);
    EXPECT_EQ(calibration_json(back.value()), text);
  }
}

TEST(CalibrationJson, ranges_that_json_has_no_numbers_for_survive) {
  for (const ObservedRange range : {ObservedRange{-kInfinity, 2.0F}, ObservedRange{1.0F, kInfinity},
                                    ObservedRange{-kInfinity, kInfinity}, ObservedRange{}}) {
    test::Random random(5);
    Calibration calibration;
    ModuleStatistics &module = calibration.modules["a"] = random_module(random);
    module.observer.min_max = range;
    module.observer.moving_average = {kNan, kNan};
    const auto back = read(calibration_json(calibration));
    ASSERT_TRUE(back) << back.error().message;
    expect_same(module, *back.value().find("a"));
  }
}

/// A change that makes a calibration wrong, and a word of the complaint.
struct Damage {
  std::string path; // in the statistics of "a", or from the root where it begins with "/"
  Json value;
  std::string says;
};

TEST(CalibrationJson, everything_is_checked) {
  test::Random random(6);
  Calibration calibration;
  calibration.modules["a"] = random_module(random);
  const Json good = Json::parse(calibration_json(calibration));
  ASSERT_TRUE(read_calibration(good));
  Json counts = good["modules"]["a"]["histogram"]["counts"];
  counts[7] = -1;
  Json text_counts = counts;
  text_counts[7] = "many";
  const std::vector<Damage> rows = {
      {"/format", "something", "calibration"},
      {"/version", 2, "version"},
      {"/modules", Json::array(), "modules"},
      {"/leftOut", "a", "leftOut"},
      {"/leftOut", {1}, "names"},
      {"/leftOut", {"a"}, "twice"},
      {"/extra", 1, "members"},
      {"/modules/a", 3, "object"},
      {"samples", -1, "samples"},
      {"samples", 1.5, "samples"},
      {"samples", "many", "samples"},
      {"batches", 1e30, "batches"},
      {"values", 1, "values"},
      {"infinities", {1}, "infinities"},
      {"infinities", {0U, 1ULL << 40U}, "no more"},
      {"range", {1, 0}, "range"},
      {"range", {1}, "range"},
      {"range", {"one", "two"}, "range"},
      {"range", {0, 1e300}, "range"},
      {"movingAverage", {2, 1}, "range"},
      {"histogram", {{"range", {0, 1}}, {"counts", {1, 2, 3}}}, "2048"},
      {"histogram",
       {{"range", {1, 0}}, {"counts", good["modules"]["a"]["histogram"]["counts"]}},
       "histogram"},
      {"histogram/counts", counts, "counts"},
      {"histogram/counts", text_counts, "counts"},
      {"histogram", Json(), "histogram"},
      {"valuesPerChannel", 0U, "channels"},
      {"squares", Json::array(), "squares"},
      {"squares", {-1}, "squares"},
      {"squares", "none", "squares"},
      {"surprise", 1, "members"},
  };
  for (const Damage &row : rows) {
    Json bad = good;
    const std::string path = row.path.starts_with("/") ? row.path : "/modules/a/" + row.path;
    bad[Json::json_pointer(path)] = row.value;
    const auto result = read_calibration(bad);
    ASSERT_FALSE(result) << path << " " << row.value.dump();
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidOptions);
    EXPECT_NE(result.error().message.find(row.says), std::string::npos)
        << path << ": " << result.error().message;
  }
  for (const auto &[key, value] : good["modules"]["a"].items()) {
    Json bad = good;
    bad["modules"]["a"].erase(key);
    EXPECT_FALSE(read_calibration(bad)) << key;
  }
  EXPECT_FALSE(read("no JSON"));
  EXPECT_FALSE(read("{}"));
}

} // namespace
} // namespace monoquant::calibration
