#include "monoquant/run/calibrate_stage.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "monoquant/base/text.h"
#include "support/activation_fixture.h"
#include "support/catalog_builder.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/not_finite.h"
#include "support/npz_file.h"
#include "support/sample_tensors.h"
#include "support/view_file.h"

namespace monoquant::run {
namespace {

using calibration::Calibration;
using calibration::ModuleStatistics;
using test::Bytes;
using test::FileTensor;
using test::kInfinity;
using test::kNan;
using test::Random;

catalog::Catalog calibrated_model() {
  return test::make_catalog({{"conv.weight", {8, 3, 3, 3}, Dtype::kF32},
                             {"fc.weight", {10, 20}, Dtype::kF32},
                             {"lstm.weight_ih_l0", {64, 20}, Dtype::kF32},
                             {"lstm.weight_hh_l0", {64, 16}, Dtype::kF32}});
}

struct Reading {
  size_t block_bytes = test::kSmallestBlock;
  size_t slots = 2;
};

Result<Calibration> calibrate(const catalog::Catalog &data, const Bytes &file, Reading reading = {},
                              Calibration so_far = {}, calibration::Problems *problems = nullptr) {
  const catalog::Catalog layers = calibrated_model();
  CalibrateStage stage(layers, data, std::move(so_far), reading.slots, reading.block_bytes);
  const auto read = [&](uint64_t offset, std::span<uint8_t> to) {
    ASSERT_LE(offset + to.size(), file.size());
    std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
  };
  auto done = test::drive(stage, read, [](uint64_t, std::span<const uint8_t>) { FAIL(); });
  if (!done) {
    return done.error();
  }
  EXPECT_EQ(stage.done_bytes(), stage.total_bytes());
  if (problems != nullptr) {
    *problems = stage.problems();
  }
  return stage.calibration();
}

Result<Calibration> calibrate(const Bytes &file, Reading reading = {}, Calibration so_far = {},
                              calibration::Problems *problems = nullptr) {
  const auto catalog = test::inspect_data(file);
  EXPECT_TRUE(catalog) << catalog.error().message;
  return calibrate(catalog.value(), file, reading, std::move(so_far), problems);
}

/// The statistics as anybody would compute them from all values.
ModuleStatistics plain(const std::vector<FileTensor> &batches, size_t axis) {
  ModuleStatistics module;
  quant::TensorObserver observer;
  for (const FileTensor &batch : batches) {
    const std::vector<float> values = test::values_of(batch);
    observer.begin_batch();
    observer.look(values);
    observer.count(values);
    EXPECT_TRUE(observer.end_batch());
    module.samples += batch.shape[0];
    const auto channels = static_cast<size_t>(batch.shape[axis]);
    size_t inner = 1;
    for (size_t i = axis + 1; i < batch.shape.size(); ++i) {
      inner *= static_cast<size_t>(batch.shape[i]);
    }
    module.sums.resize(channels);
    module.squares.resize(channels);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto value = static_cast<double>(values[i]);
      module.sums[i / inner % channels] += std::isinf(value) ? 0.0 : value;
      module.squares[i / inner % channels] += std::isinf(value) ? 0.0 : value * value;
    }
    module.per_channel += values.size() / channels;
  }
  module.observer = observer.state();
  return module;
}

void expect_same(const ModuleStatistics &a, const ModuleStatistics &b) {
  EXPECT_EQ(a.samples, b.samples);
  EXPECT_EQ(a.per_channel, b.per_channel);
  EXPECT_EQ(a.sums, b.sums);
  EXPECT_EQ(a.squares, b.squares);
  EXPECT_EQ(a.lacks, b.lacks);
  EXPECT_EQ(a.observer.counts, b.observer.counts);
  EXPECT_EQ(a.observer.batches, b.observer.batches);
  EXPECT_EQ(a.observer.min_max, b.observer.min_max);
  // Infinities make it NaN, as in PyTorch.
  EXPECT_TRUE(test::same_range(a.observer.moving_average, b.observer.moving_average));
  EXPECT_EQ(a.observer.histogram, b.observer.histogram);
}

FileTensor activations(Random &random, std::string name, std::vector<uint64_t> shape,
                       Dtype dtype = Dtype::kF32) {
  FileTensor tensor = test::random_weights(random, std::move(name), dtype, std::move(shape), 1.0);
  if (dtype == Dtype::kF32) {
    test::set_value(tensor, random.index(tensor.bytes.size() / 4), kInfinity);
  }
  return tensor;
}

/// Small and large batches (the blocks of these tests hold 131,072 values).
std::vector<FileTensor> mixed_data(Random &random) {
  return {activations(random, "conv#0", {9, 3, 40, 50}),
          activations(random, "conv#1", {2, 3, 7, 7}),
          activations(random, "conv#2", {60, 3, 40, 41}),
          activations(random, "fc", {50, 3, 20}),
          activations(random, "lstm#1", {1000, 20, 20}, Dtype::kF16),
          activations(random, "lstm#0", {9000, 20}, Dtype::kBF16)};
}

void expect_plain(const Calibration &found, const std::vector<FileTensor> &data) {
  ASSERT_EQ(found.modules.size(), 3U);
  expect_same(found.modules.at("conv"), plain({data[0], data[1], data[2]}, 1));
  expect_same(found.modules.at("fc"), plain({data[3]}, 2));
  ModuleStatistics lstm = plain({data[5]}, 1);
  const ModuleStatistics second = plain({data[4]}, 2);
  EXPECT_EQ(found.modules.at("lstm").samples, lstm.samples + second.samples);
  EXPECT_EQ(found.modules.at("lstm").per_channel, lstm.per_channel + second.per_channel);
}

TEST(CalibrateStage, computes_what_a_plain_loop_does) {
  Random random(50);
  const std::vector<FileTensor> data = mixed_data(random);
  const auto found = calibrate(test::make_file(data));
  ASSERT_TRUE(found) << found.error().message;
  expect_plain(found.value(), data);
}

TEST(CalibrateStage, blocks_and_slots_do_not_show) {
  Random random(51);
  const Bytes file = test::make_file(mixed_data(random));
  const auto first = calibrate(file);
  ASSERT_TRUE(first);
  const std::string expected = calibration_json(first.value());
  for (const Reading reading : {Reading{test::kSmallestBlock, 1}, Reading{test::kSmallestBlock, 5},
                                Reading{size_t{700'001}, 3}, Reading{size_t{64} << 20U, 2}}) {
    const auto again = calibrate(file, reading);
    ASSERT_TRUE(again);
    EXPECT_EQ(calibration_json(again.value()), expected) << reading.block_bytes;
  }
}

TEST(CalibrateStage, containers_do_not_show) {
  Random random(52);
  std::vector<FileTensor> data;
  for (FileTensor &tensor : mixed_data(random)) {
    if (tensor.dtype != Dtype::kBF16) { // NumPy has none
      data.push_back(std::move(tensor));
    }
  }
  const auto expected = calibrate(test::make_file(data));
  ASSERT_TRUE(expected) << expected.error().message;
  for (uint32_t bits = 0; bits < 8; ++bits) {
    std::vector<test::ZipEntry> entries;
    for (const FileTensor &tensor : data) {
      entries.push_back(
          test::npz_entry(tensor, {(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0}, random));
    }
    const auto found = calibrate(test::make_zip(entries));
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(calibration_json(found.value()), calibration_json(expected.value())) << bits;
  }
}

TEST(CalibrateStage, a_view_longer_than_a_strip_is_read_in_parts_twice) {
  Random random(53);
  const std::vector<FileTensor> data = {
      activations(random, "fc#0", {(kStripBytes / 80) + 1000, 20}),
      activations(random, "fc#1", {40, 20})};
  const auto expected = calibrate(test::make_file(data));
  ASSERT_TRUE(expected);
  for (const bool deflated : {false, true}) {
    test::ViewFile file(54);
    file.add(data[0], {!deflated, deflated, true});
    file.add(data[1], {true, false, false});
    const auto found = calibrate(file.catalog(), file.bytes(), {size_t{1} << 20U, 3});
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(calibration_json(found.value()), calibration_json(expected.value()));
  }
}

TEST(CalibrateStage, files_follow_each_other_as_batches_do) {
  Random random(55);
  const std::vector<FileTensor> data = mixed_data(random);
  std::vector<FileTensor> first{data[0], data[5]};
  std::vector<FileTensor> second{data[1], data[2], data[3], data[4]};
  const auto one = calibrate(test::make_file(first));
  ASSERT_TRUE(one);
  // As a file in between: stored as text, and read back.
  const auto stored =
      calibration::read_calibration(Json::parse(calibration_json(one.value()), nullptr, false));
  ASSERT_TRUE(stored) << stored.error().message;
  const auto both = calibrate(test::make_file(second), {}, stored.value());
  ASSERT_TRUE(both) << both.error().message;
  expect_plain(both.value(), data);
  const auto together = calibrate(test::make_file(data));
  ASSERT_TRUE(together);
  EXPECT_EQ(calibration_json(both.value()), calibration_json(together.value()));
}

TEST(CalibrateStage, a_layer_with_nan_is_left_out_for_good) {
  Random random(56);
  std::vector<FileTensor> data = mixed_data(random);
  test::set_value(data[1], 17, kNan); // the second batch of three
  calibration::Problems problems;
  const auto found = calibrate(test::make_file(data), {}, {}, &problems);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found.value().find("conv"), nullptr);
  EXPECT_EQ(found.value().left_out, (std::set<std::string, std::less<>>{"conv"}));
  EXPECT_EQ(found.value().modules.size(), 2U);
  EXPECT_TRUE(problems.missing.empty());
  const auto later = calibrate(test::make_file({data[2]}), {}, found.value());
  ASSERT_TRUE(later) << later.error().message;
  EXPECT_EQ(calibration_json(later.value()), calibration_json(found.value()));
}

TEST(CalibrateStage, problems_are_told_at_the_end) {
  Random random(57);
  calibration::Problems problems;
  const auto found = calibrate(test::make_file({activations(random, "fc#0", {49, 20}),
                                                activations(random, "conv.0", {2, 4, 5, 5}),
                                                activations(random, "head", {2, 4})}),
                               {}, {}, &problems);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(problems.few, std::vector<std::string>{"fc"});
  EXPECT_EQ(problems.missing, (std::vector<std::string>{"conv", "lstm"}));
  EXPECT_EQ(problems.unmatched, std::vector<std::string>{"head"});
  ASSERT_EQ(problems.misfits.size(), 1U);
  EXPECT_EQ(problems.misfits[0].name, "conv.0");
}

TEST(CalibrateStage, data_that_fit_nothing_are_an_error) {
  Random random(58);
  const auto found = calibrate(test::make_file({activations(random, "other", {49, 20})}));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalidOptions);
}

TEST(CalibrateStage, damaged_data_are_an_error) {
  Random random(59);
  for (const bool deflated : {false, true}) {
    test::ZipEntry entry =
        test::npz_entry(activations(random, "fc", {9000, 20}), {false, false, deflated}, random);
    entry.stored[entry.stored.size() - 100] ^= 1U;
    const auto found = calibrate(test::make_zip({entry}));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kMalformedFile);
    EXPECT_EQ(found.error().tensor, "fc");
  }
}

} // namespace
} // namespace monoquant::run
