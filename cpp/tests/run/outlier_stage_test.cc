#include "monoquant/run/outlier_stage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "monoquant/base/json.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::MemoryRun;
using test::Random;

constexpr size_t kOutlierBlock = size_t{1} << 20U;

struct OutlierFile {
  Bytes bytes;
  catalog::Catalog catalog;
};

OutlierFile outlier_file(const Bytes &file) {
  auto catalog = test::inspect(file, {{}, {}, false, true});
  EXPECT_TRUE(catalog);
  return {file, catalog ? catalog.value() : catalog::Catalog{}};
}

Json outliers(const OutlierFile &file, const OutlierFile &reference,
              const calibration::Calibration &known = {}, size_t block_bytes = kOutlierBlock) {
  OutlierStage stage(file.catalog, reference.catalog, known, block_bytes);
  const auto done = test::drive(
      stage,
      [&](const ByteRange &read, std::span<uint8_t> into) {
        const Bytes &from = read.source == 0 ? file.bytes : reference.bytes;
        ASSERT_LE(read.offset + into.size(), from.size());
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(read.offset), into.size(),
                    into.begin());
      },
      [](uint64_t, std::span<const uint8_t>) { FAIL() << "nothing is to be written"; });
  EXPECT_TRUE(done);
  EXPECT_EQ(stage.done_bytes(), stage.total_bytes());
  return parse_json(stage.result_json())["tensors"];
}

/// Shares by a full sort.
Json slow_concentration(const std::vector<double> &members, size_t each) {
  std::vector<size_t> order(members.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return members[a] > members[b]; });
  const double sum = std::accumulate(members.begin(), members.end(), 0.0);
  const size_t largest = std::max<size_t>(1, members.size() / each);
  double large = 0;
  Json named = Json::array();
  for (size_t i = 0; i < largest; ++i) {
    large += members[order[i]];
    if (i < quant::kMostNamed) {
      named.push_back({order[i], members[order[i]] / sum});
    }
  }
  return {
      {"members", members.size()}, {"largest", largest}, {"share", large / sum}, {"named", named}};
}

struct SlowChannels {
  std::vector<double> inputs;
  std::vector<double> outputs;
  std::vector<double> weights;
};

/// Of a matrix [rows, columns]: `mean_squares` of its columns, or none.
SlowChannels slow_channels(const std::vector<float> &before, const std::vector<float> &after,
                           size_t columns, size_t inner, const std::vector<double> &mean_squares) {
  SlowChannels found;
  found.inputs.resize(columns / inner);
  found.outputs.resize(before.size() / columns);
  for (size_t i = 0; i < before.size(); ++i) {
    const double error = static_cast<double>(before[i]) - static_cast<double>(after[i]);
    const size_t channel = i % columns / inner;
    const double member = error * error * (mean_squares.empty() ? 1.0 : mean_squares[channel]);
    found.weights.push_back(member);
    found.inputs[channel] += member;
    found.outputs[i / columns] += member;
  }
  return found;
}

/// What codes of 4 bits make of a model, and its values.
struct Quantized {
  OutlierFile reference;
  OutlierFile file;
  std::map<std::string, FileTensor> before;
  std::map<std::string, FileTensor> after;
};

Quantized quantized(const std::vector<FileTensor> &tensors) {
  const Bytes source = test::make_file(tensors);
  const MemoryRun run(test::plan_for(source, test::int4_options(32)), source);
  Quantized made{outlier_file(source), outlier_file(run.output()), {}, {}};
  Json back = test::default_options();
  back["bits"] = "none";
  back["dequantizedType"] = "F32";
  const MemoryRun values(test::plan_for(made.file.catalog, back), made.file.bytes);
  for (const auto &[name, tensor] : test::parse_file(source).tensors) {
    made.before.emplace(name, tensor);
  }
  for (const auto &[name, tensor] : test::parse_file(values.output()).tensors) {
    made.after.emplace(name, tensor);
  }
  return made;
}

/// Random weights of which some columns are much larger: they make errors that are not even.
FileTensor uneven(Random &random, std::string name, const std::vector<uint64_t> &shape,
                  size_t columns) {
  std::vector<double> values;
  const size_t count = std::accumulate(shape.begin(), shape.end(), size_t{1},
                                       [](size_t a, uint64_t b) { return a * b; });
  for (size_t i = 0; i < count; ++i) {
    const bool is_large = i % columns == 40 || i / columns == 5;
    values.push_back(random.signed_unit() * (is_large ? 30 : 1));
  }
  return test::make_tensor(std::move(name), Dtype::kF32, shape, values);
}

TEST(OutlierStage, FindsWhatASlowComputationFinds) {
  Random random(71);
  const Quantized made = quantized({uneven(random, "a.weight", {230, 192}, 192),
                                    uneven(random, "c.conv.weight", {64, 32, 3, 3}, 288)});
  const Json found = outliers(made.file, made.reference);
  ASSERT_EQ(found.size(), 2);
  for (const Json &tensor : found) {
    const std::string name = tensor["name"];
    SCOPED_TRACE(name);
    const bool is_conv = name != "a.weight";
    const SlowChannels slow =
        slow_channels(test::values_of(made.before.at(name)), test::values_of(made.after.at(name)),
                      is_conv ? 288 : 192, is_conv ? 9 : 1, {});
    EXPECT_EQ(tensor["weighted"], false);
    EXPECT_EQ(tensor["inputs"], slow_concentration(slow.inputs, 100));
    EXPECT_EQ(tensor["outputs"], slow_concentration(slow.outputs, 100));
    EXPECT_EQ(tensor["weights"], slow_concentration(slow.weights, 1000));
    EXPECT_FALSE(tensor.contains("squares"));
  }
  // The row that is thirty times as large; in the others one group of six is.
  EXPECT_EQ(found[0]["outputs"]["named"][0][0], 5);
  EXPECT_GT(found[0]["outputs"]["share"].get<double>(), 0.02);
}

TEST(OutlierStage, CountsErrorsByTheirInputs) {
  Random random(72);
  const Quantized made =
      quantized({test::random_weights(random, "a.weight", Dtype::kBF16, {128, 96})});
  calibration::ModuleStatistics statistics;
  statistics.per_channel = 10;
  std::vector<double> means;
  for (size_t i = 0; i < 96; ++i) {
    means.push_back(i == 17 ? 500.0 : 1.0 + static_cast<double>(i) / 8);
    statistics.squares.push_back(means.back() * 10);
  }
  statistics.sums = statistics.squares;
  calibration::Calibration known;
  known.modules.emplace("a", statistics);
  const Json found = outliers(made.file, made.reference, known)[0];
  const SlowChannels slow = slow_channels(test::values_of(made.before.at("a.weight")),
                                          test::values_of(made.after.at("a.weight")), 96, 1, means);
  EXPECT_EQ(found["weighted"], true);
  EXPECT_EQ(found["inputs"], slow_concentration(slow.inputs, 100));
  EXPECT_EQ(found["outputs"], slow_concentration(slow.outputs, 100));
  EXPECT_EQ(found["squares"], slow_concentration(means, 100));
  EXPECT_EQ(found["inputs"]["named"][0][0], 17);

  // Of another width, or of another layer: nothing is known.
  statistics.squares.pop_back();
  statistics.sums.pop_back();
  known.modules = {{"a", statistics}};
  EXPECT_EQ(outliers(made.file, made.reference, known)[0]["weighted"], false);
}

TEST(OutlierStage, DoesNotDependOnBlocks) {
  Random random(73);
  // Parts that end within a row.
  const Quantized made = quantized({uneven(random, "a.weight", {701, 1504}, 1504)});
  const Json expected = outliers(made.file, made.reference);
  EXPECT_EQ(expected[0]["weights"]["largest"], 701 * 1504 / 1000);
  for (const size_t block : {size_t{1}, size_t{777'777}, size_t{7} << 20U}) {
    EXPECT_EQ(outliers(made.file, made.reference, {}, block), expected) << block;
  }
}

TEST(OutlierStage, TurnsWhatIsStoredTheOtherWayRound) {
  catalog::Tensor tensor;
  tensor.shape = {64, 16, 3, 3};
  tensor.elements = 64 * 16 * 9;
  EXPECT_FALSE(channels_of(tensor).turned);
  EXPECT_EQ(channels_of(tensor).inner, 9);
  tensor.kind = catalog::LayerKind::kConvTranspose;
  EXPECT_TRUE(channels_of(tensor).turned);
  tensor.kind = catalog::LayerKind::kExperts;
  tensor.shape = {4, 32, 64};
  tensor.elements = 4 * 32 * 64;
  EXPECT_EQ(channels_of(tensor).rows, 128);
  EXPECT_EQ(channels_of(tensor).across(), 64);
}

TEST(OutlierStage, HasNothingToSayWithoutCodesOrErrors) {
  Random random(74);
  const Bytes source =
      test::make_file({test::random_weights(random, "a.weight", Dtype::kF32, {37, 96})});
  EXPECT_EQ(outliers(outlier_file(source), outlier_file(source)), Json::array());
  const Quantized made =
      quantized({test::make_tensor("a.weight", Dtype::kF32, {32, 64}, std::vector<double>(2048))});
  const Json found = outliers(made.file, made.reference);
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0]["inputs"]["share"], 0.0);
  EXPECT_EQ(found[0]["inputs"]["named"], Json::array());
}

TEST(Concentration, TellsEqualMembersInTheirOrder) {
  quant::LargestMembers largest(3000, 1000);
  double sum = 0;
  for (size_t i = 0; i < 3000; ++i) {
    const double member = i == 2999 ? 9 : 5;
    largest.add(member);
    sum += member;
  }
  const quant::Concentration found = largest.finish(sum);
  EXPECT_EQ(found.largest, 3);
  ASSERT_EQ(found.named.size(), 3);
  EXPECT_EQ(found.named[0].index, 2999);
  EXPECT_EQ(found.named[1].index, 0);
  EXPECT_EQ(found.named[2].index, 1);
  EXPECT_DOUBLE_EQ(found.share, 19 / sum);
}

} // namespace
} // namespace monoquant::run
