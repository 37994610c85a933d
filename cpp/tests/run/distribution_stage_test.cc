#include "monoquant/run/distribution_stage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "monoquant/base/json.h"
#include "monoquant/base/json_writer.h"
#include "monoquant/base/text.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/not_finite.h"
#include "support/sample_tensors.h"
#include "support/view_file.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::kInfinity;
using test::MemoryRun;
using test::Random;
using test::ViewFile;

constexpr double kLargest = 0x1.FFFFFEp+127; // f32
constexpr size_t kMiB = size_t{1} << 20U;

/// A file with the catalog that a reader makes of it.
struct Opened {
  Bytes bytes;
  catalog::Catalog catalog;
};

Opened opened(const Bytes &file) {
  auto catalog = test::inspect(file, {{}, {}, false, true});
  EXPECT_TRUE(catalog);
  return {file, catalog ? catalog.value() : catalog::Catalog{}};
}

Opened opened(const FileTensor &tensor) { return opened(test::make_file({tensor})); }

Opened opened(const ViewFile &file) { return {file.bytes(), file.catalog()}; }

/// The result, or an error's message.
Json distribution(const Opened &file, const Opened &reference, std::string_view name,
                  size_t block_bytes = kMiB) {
  const auto pair = pair_of(file.catalog, reference.catalog, name);
  if (!pair) {
    return parse_json(error_json(pair.error()));
  }
  DistributionStage stage(file.catalog, reference.catalog, pair.value(), block_bytes);
  uint64_t last_done = 0;
  const auto done = test::drive(
      stage,
      [&](const ByteRange &read, std::span<uint8_t> into) {
        const Bytes &from = read.source == 0 ? file.bytes : reference.bytes;
        ASSERT_LE(read.offset + into.size(), from.size());
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(read.offset), into.size(),
                    into.begin());
        EXPECT_GE(stage.done_bytes(), last_done);
        last_done = stage.done_bytes();
        EXPECT_EQ(stage.tensor(), name);
      },
      [](uint64_t, std::span<const uint8_t>) { FAIL() << "nothing is to be written"; });
  if (!done) {
    return parse_json(error_json(done.error()));
  }
  EXPECT_EQ(stage.done_bytes(), stage.total_bytes());
  return parse_json(stage.result_json());
}

/// Counts by a search among the bins' edges, in wider numbers than the engine's.
std::vector<uint64_t> slow_counts(const std::vector<double> &values, double low, double high) {
  std::vector<long double> edges; // lower ones
  const auto width = (static_cast<long double>(high) - low) / Bins::kCount;
  for (size_t bin = 0; bin < (low < high ? Bins::kCount : 1); ++bin) {
    edges.push_back(low + static_cast<long double>(bin) * width);
  }
  std::vector<uint64_t> counts(Bins::kCount);
  for (const double value : values) {
    const auto above = std::upper_bound(edges.begin(), edges.end(), value);
    ++counts[static_cast<size_t>(above - edges.begin()) - 1];
  }
  return counts;
}

/// The whole document from the values.
Json slow_distribution(std::string_view name, const std::vector<float> &after,
                       const std::vector<float> &before) {
  std::vector<double> olds;
  std::vector<double> news;
  std::vector<double> errors;
  for (size_t i = 0; i < after.size(); ++i) {
    if (std::isfinite(after[i]) && std::isfinite(before[i])) {
      olds.push_back(before[i]);
      news.push_back(after[i]);
      errors.push_back(static_cast<double>(after[i]) - static_cast<double>(before[i]));
    }
  }
  double low = 0;
  double high = 0;
  double largest = 0;
  for (size_t i = 0; i < errors.size(); ++i) {
    low = i == 0 ? std::min(olds[i], news[i]) : std::min({low, olds[i], news[i]});
    high = i == 0 ? std::max(olds[i], news[i]) : std::max({high, olds[i], news[i]});
    largest = std::max(largest, std::fabs(errors[i]));
  }
  return {
      {"tensor", name},
      {"elements", after.size()},
      {"notFinite", after.size() - errors.size()},
      {"weights", {{"low", low}, {"high", high}}},
      {"before", slow_counts(olds, low, high)},
      {"after", slow_counts(news, low, high)},
      {"error",
       {{"low", -largest}, {"high", largest}, {"counts", slow_counts(errors, -largest, largest)}}}};
}

FileTensor f32(std::string name, const std::vector<double> &values) {
  return test::make_tensor(std::move(name), Dtype::kF32, {values.size()}, values);
}

Json of_values(const std::vector<double> &after, const std::vector<double> &before) {
  return distribution(opened(f32("a", after)), opened(f32("a", before)), "a");
}

/// All counts are zero but these.
std::vector<uint64_t> counts(std::initializer_list<std::pair<size_t, uint64_t>> filled) {
  std::vector<uint64_t> all(Bins::kCount);
  for (const auto &[bin, count] : filled) {
    all[bin] = count;
  }
  return all;
}

/// A tensor and what came of it: every value moved a little.
std::pair<FileTensor, FileTensor> moved_pair(Random &random, Dtype before, Dtype after,
                                             const std::vector<uint64_t> &shape) {
  const FileTensor first = test::random_weights(random, "x", before, shape);
  std::vector<double> values;
  for (const float value : test::values_of(first)) {
    values.push_back(static_cast<double>(value) + 0.003 * random.signed_unit());
  }
  return {first, test::make_tensor("x", after, shape, values)};
}

TEST(DistributionStage, CountsAsASlowComputationDoes) {
  Random random(21);
  for (const auto &[before, after] :
       {std::pair{Dtype::kF32, Dtype::kF32}, std::pair{Dtype::kF64, Dtype::kF16},
        std::pair{Dtype::kBF16, Dtype::kF32}, std::pair{Dtype::kF8E4M3, Dtype::kBF16}}) {
    std::vector<std::vector<uint64_t>> shapes = {{7}, {37, 93}, {5, 3, 3, 3}};
    if (before == Dtype::kBF16) { // three parts that end within a row, and one element
      shapes.push_back({3, 699'051});
    }
    for (const std::vector<uint64_t> &shape : shapes) {
      SCOPED_TRACE(concat(dtype_name(before), " ", dtype_name(after), " ", shape_text(shape)));
      const auto [first, second] = moved_pair(random, before, after, shape);
      // Neighbours whose bytes must not be seen.
      const Opened reference =
          opened(test::make_file({test::random_weights(random, "w", before, {11}), first,
                                  test::random_weights(random, "y", before, {11})}));
      const Opened file = opened(
          test::make_file({second, test::random_weights(random, "w", Dtype::kF32, {2, 50'000})}));
      const Json expected = slow_distribution("x", test::values_of(second), test::values_of(first));
      EXPECT_EQ(distribution(file, reference, "x"), expected);
    }
  }
}

TEST(DistributionStage, DoesNotDependOnBlocks) {
  Random random(22);
  const auto [first, second] = moved_pair(random, Dtype::kF32, Dtype::kF16, {3, 699'051});
  const Json expected = distribution(opened(second), opened(first), "x");
  for (const size_t block : {size_t{1}, size_t{777'777}, size_t{7} << 20U}) {
    EXPECT_EQ(distribution(opened(second), opened(first), "x", block), expected) << block;
  }
}

TEST(DistributionStage, TakesCodesAsTheirValues) {
  Random random(23);
  const Bytes source =
      test::make_file({test::random_weights(random, "a.weight", Dtype::kF32, {37, 96}),
                       test::random_weights(random, "long.weight", Dtype::kBF16, {3, 150'000})});
  Json asymmetric = test::int4_options(32);
  asymmetric["scheme"] = "asymmetric";
  Json back = test::default_options();
  back["bits"] = "none";
  back["dequantizedType"] = "F32";
  for (const Json &options : {test::default_options(), test::int4_options(32), asymmetric}) {
    const MemoryRun quantized(test::plan_for(source, options), source);
    const Opened file = opened(quantized.output());
    const MemoryRun values(test::plan_for(file.catalog, back), file.bytes);
    const auto plain = test::parse_file(values.output()).tensors;
    const auto originals = test::parse_file(source).tensors;
    for (const std::string name : {"a.weight", "long.weight"}) {
      SCOPED_TRACE(name);
      const Json expected = slow_distribution(name, test::values_of(plain.at(name)),
                                              test::values_of(originals.at(name)));
      EXPECT_EQ(distribution(file, opened(source), name), expected);
    }
  }
}

TEST(DistributionStage, ReadsTensorsThatArePutTogetherTwice) {
  Random random(24);
  const auto [first, second] = moved_pair(random, Dtype::kF32, Dtype::kF32, {1100, 1000});
  const Json expected = slow_distribution("x", test::values_of(second), test::values_of(first));
  for (const test::Storing how : {test::Storing{.strided = true}, test::Storing{.deflated = true},
                                  test::Storing{.strided = true, .deflated = true}}) {
    ViewFile reference(25);
    reference.add(first, how);
    EXPECT_EQ(distribution(opened(second), opened(reference), "x"), expected);
  }
}

TEST(DistributionStage, EveryEdgeBelongsToTheBinAboveIt) {
  std::vector<double> edges(Bins::kCount + 1);
  std::iota(edges.begin(), edges.end(), -3.0);
  std::vector<uint64_t> one_each(Bins::kCount, 1);
  one_each.back() = 2; // the upper end, too
  for (const double step : {1.0, 49.0, 0x1p-140}) {
    std::vector<double> values = edges;
    for (double &value : values) {
      value *= step;
    }
    const Json result = of_values(values, values);
    EXPECT_EQ(result["before"], Json(one_each)) << step;
    EXPECT_EQ(result["after"], Json(one_each)) << step;
  }
}

TEST(DistributionStage, LeavesOutWhatIsNotFiniteInOneOfThem) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Json result = of_values({1, nan, 2, 7, -kInfinity, kInfinity, nan, 4},
                                {1, 9, nan, 6, -9, kInfinity, nan, 4});
  EXPECT_EQ(result["elements"], 8);
  EXPECT_EQ(result["notFinite"], 5);
  EXPECT_EQ(result["weights"], (Json{{"low", 1.0}, {"high", 7.0}}));
  EXPECT_EQ(result["before"], Json(counts({{0, 1}, {64, 1}, {106, 1}})));
  EXPECT_EQ(result["after"], Json(counts({{0, 1}, {64, 1}, {127, 1}})));
  EXPECT_EQ(result["error"]["counts"], Json(counts({{64, 2}, {127, 1}})));

  const Json none = of_values({nan, kInfinity}, {1, 2});
  EXPECT_EQ(none["notFinite"], 2);
  EXPECT_EQ(none["weights"], (Json{{"low", 0.0}, {"high", 0.0}}));
  for (const Json &all : {none["before"], none["after"], none["error"]["counts"]}) {
    EXPECT_EQ(all, Json(counts({})));
  }
}

TEST(DistributionStage, RangesWithoutWidthHaveAllInTheFirstBin) {
  for (const double value : {0.0, -0.0, 0.3, -5.0, 0x1p-149, kLargest}) {
    for (const size_t elements : {size_t{1}, size_t{5}}) {
      const std::vector<double> values(elements, value);
      const Json result = of_values(values, values);
      const auto stored = static_cast<double>(static_cast<float>(value));
      EXPECT_EQ(result["weights"], (Json{{"low", stored}, {"high", stored}}));
      const Json all(counts({{0, elements}}));
      EXPECT_EQ(result["before"], all);
      EXPECT_EQ(result["after"], all);
      EXPECT_EQ(result["error"], (Json{{"low", 0.0}, {"high", 0.0}, {"counts", all}}));
      EXPECT_EQ(result.dump().find("-0.0"), std::string::npos);
    }
  }
}

TEST(DistributionStage, TheSignOfAnErrorIsThatOfTheChange) {
  const Json up = of_values({2, 2, 1}, {1, 1, 1});
  EXPECT_EQ(up["before"], Json(counts({{0, 3}})));
  EXPECT_EQ(up["after"], Json(counts({{0, 1}, {127, 2}})));
  EXPECT_EQ(up["error"],
            (Json{{"low", -1.0}, {"high", 1.0}, {"counts", counts({{64, 1}, {127, 2}})}}));
  const Json down = of_values({1, 1, 1}, {2, 2, 1});
  EXPECT_EQ(down["error"],
            (Json{{"low", -1.0}, {"high", 1.0}, {"counts", counts({{0, 2}, {64, 1}})}}));
}

TEST(DistributionStage, HasNoOverflowAtTheEdgesOfF32) {
  const Json wide = of_values({kLargest, -kLargest, 0}, {-kLargest, kLargest, 0});
  EXPECT_EQ(wide["weights"], (Json{{"low", -kLargest}, {"high", kLargest}}));
  EXPECT_EQ(wide["before"], Json(counts({{0, 1}, {64, 1}, {127, 1}})));
  EXPECT_EQ(wide["error"]["high"], 2 * kLargest);
  EXPECT_EQ(wide["error"]["counts"], Json(counts({{0, 1}, {64, 1}, {127, 1}})));
  const Json narrow = of_values({0, 0x1p-149}, {0, 0});
  EXPECT_EQ(
      narrow["error"],
      (Json{{"low", -0x1p-149}, {"high", 0x1p-149}, {"counts", counts({{64, 1}, {127, 1}})}}));
}

TEST(DistributionStage, TensorsWithoutElementsHaveNoCounts) {
  const Json result = of_values({}, {});
  EXPECT_EQ(result["elements"], 0);
  EXPECT_EQ(result["weights"], (Json{{"low", 0.0}, {"high", 0.0}}));
  EXPECT_EQ(result["error"]["counts"], Json(counts({})));
}

TEST(DistributionStage, RefusesWhatIsNoPairOfFloats) {
  Random random(26);
  const Opened model = opened(
      test::make_file({f32("a", {1, 2}), f32("b", {1, 2}), f32("c", {1, 2}),
                       test::random_bytes(random, "d", Dtype::kI64, {2}), f32("e", {1, 2})}));
  const Opened file = opened(test::make_file(
      {f32("a", {1, 2}), test::make_tensor("b", Dtype::kF32, {2, 1}, {1, 2}),
       test::random_bytes(random, "c", Dtype::kI32, {2}), f32("d", {1, 2}), f32("f", {1, 2})}));
  const auto refused = [&](std::string_view name) {
    const Json error = distribution(file, model, name);
    EXPECT_EQ(error.value("code", ""), "invalid-options") << name;
    EXPECT_EQ(error.value("tensor", ""), name);
    EXPECT_NE(error.value("suggestion", ""), "");
    return error.value("message", "");
  };
  EXPECT_TRUE(distribution(file, model, "a").contains("before"));
  EXPECT_EQ(refused("b"),
            "Expected b to have one shape in both files, found 2 in the model and 2×1 "
            "in the quantized file.");
  EXPECT_EQ(refused("c"),
            "Expected floats in c, found F32 in the model and I32 in the quantized file.");
  EXPECT_EQ(refused("d"),
            "Expected floats in d, found I64 in the model and F32 in the quantized file.");
  EXPECT_EQ(
      refused("e"),
      "Expected a tensor e in both files, found one in the model and none in the quantized file.");
  EXPECT_EQ(
      refused("f"),
      "Expected a tensor f in both files, found none in the model and one in the quantized file.");
}

TEST(DistributionStage, ReportsCompressedDataThatAreDamaged) {
  Random random(27);
  const FileTensor tensor = test::random_weights(random, "x", Dtype::kF32, {40, 50});
  ViewFile file(28);
  file.add(tensor, {.deflated = true});
  Opened damaged = opened(file);
  damaged.bytes[3] |= 0x06U; // no kind of block
  EXPECT_EQ(distribution(damaged, opened(tensor), "x").value("code", ""), "malformed-file");
}

} // namespace
} // namespace monoquant::run
