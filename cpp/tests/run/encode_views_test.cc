// Tensors that are no plain runs of the file encode to the same bytes as those that are.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "monoquant/run/encode_stage.h"
#include "support/drive.h"
#include "support/sample_tensors.h"
#include "support/view_file.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::FileTensor;
using test::HostChoice;
using test::MemoryRun;
using test::Random;
using test::Storing;
using test::ViewFile;

struct ViewCase {
  std::string_view title;
  Json options;
};

std::vector<ViewCase> view_cases() {
  Json copy = test::default_options();
  copy["bits"] = "none";
  Json per_tensor = test::default_options();
  per_tensor["strategy"] = "tensor";
  Json asymmetric = test::int4_options(32);
  asymmetric["scheme"] = "asymmetric";
  return {{"copy", copy},
          {"INT8 per channel", test::default_options()},
          {"INT8 per tensor", per_tensor},
          {"INT4 in groups", asymmetric},
          {"F16", test::float_options("F16")}};
}

/// Without views.
Bytes expected_output(const std::vector<FileTensor> &tensors, const Json &options) {
  const Bytes file = test::make_file(tensors);
  const MemoryRun run(test::plan_for(file, options), file);
  EXPECT_TRUE(run.unfit().empty());
  return run.output();
}

void expect_same_output(const ViewFile &file, const std::vector<FileTensor> &tensors,
                        const Json &options, HostChoice choice) {
  MemoryRun run(test::plan_for(file.catalog(), options), file.bytes(), choice);
  const Bytes expected = expected_output(tensors, options);
  const auto [here, there] =
      std::mismatch(run.output().begin(), run.output().end(), expected.begin(), expected.end());
  EXPECT_TRUE(here == run.output().end() && there == expected.end())
      << "differs from byte " << here - run.output().begin() << " of " << expected.size()
      << " on: blocks of " << choice.block_bytes << ", " << choice.slots << " slots, "
      << choice.shares << " shares";
  for (const auto &stage : run.stages()) {
    EXPECT_EQ(stage->done_bytes(), stage->total_bytes());
  }
  const auto sealed = run.seal();
  EXPECT_TRUE(sealed) << sealed.error().message;
}

std::vector<FileTensor> mixed_tensors(Random &random) {
  return {
      test::random_weights(random, "a.weight", Dtype::kF32, {300, 512}),
      test::random_weights(random, "b.weight", Dtype::kF16, {96, 160}),
      test::random_weights(random, "c.weight", Dtype::kBF16, {64, 32, 3, 3}),
      test::random_weights(random, "d.weight", Dtype::kF64, {40, 64}),
      test::random_bytes(random, "ids", Dtype::kI64, {500}),
      test::random_weights(random, "norm.weight", Dtype::kF32, {77}),
      test::random_weights(random, "scale", Dtype::kF32, {}),
      test::random_bytes(random, "none", Dtype::kF32, {0, 4}),
  };
}

/// Some tensors plain, the others stored in every way in turn.
ViewFile mixed_file(const std::vector<FileTensor> &tensors, size_t turn) {
  const std::vector<Storing> ways = {{.strided = true},    {.deflated = true},
                                     {.big_endian = true}, {.strided = true, .deflated = true},
                                     {.literal = true},    {.deflated = true, .big_endian = true}};
  ViewFile file(100 + turn);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if ((i + turn) % 3 == 0 || tensors[i].bytes.empty()) {
      file.add_plain(tensors[i]);
    } else {
      file.add(tensors[i], ways[(i + turn) % ways.size()]);
    }
  }
  return file;
}

TEST(EncodeViews, give_the_bytes_of_plain_tensors) {
  Random random(101);
  const std::vector<FileTensor> tensors = mixed_tensors(random);
  for (const ViewCase &variant : view_cases()) {
    SCOPED_TRACE(variant.title);
    for (size_t turn = 0; turn < 6; ++turn) {
      const ViewFile file = mixed_file(tensors, turn);
      expect_same_output(file, tensors, variant.options,
                         {test::kSmallestBlock << turn % 3, turn % 2 + 1, turn + 1, turn % 3 + 1});
    }
  }
}

TEST(EncodeViews, with_bands_over_many_strips_give_the_bytes_of_plain_tensors) {
  Random random(102);
  const std::vector<FileTensor> tensors = {
      test::random_weights(random, "a.weight", Dtype::kF16, {4096, 2100})}; // over 16 MiB
  ASSERT_GT(tensors[0].bytes.size(), kStripBytes);
  ViewFile file(103);
  file.add(tensors[0], {.deflated = true, .big_endian = true});
  Json per_tensor = test::default_options();
  per_tensor["strategy"] = "tensor"; // one band of two passes
  expect_same_output(file, tensors, per_tensor, {test::kSmallestBlock, 2, 2, 1});
  expect_same_output(file, tensors, test::default_options(), {size_t{1} << 20U, 2, 3, 2});
}

TEST(EncodeViews, blocks_may_be_larger_than_strips) {
  Random random(104);
  const std::vector<FileTensor> tensors = {
      test::random_bytes(random, "ids", Dtype::kU8, {(20 << 20U) + 5}),
      test::random_weights(random, "a.weight", Dtype::kF32, {2100, 2048})};
  ViewFile file(105);
  file.add(tensors[0], {.deflated = true});
  file.add(tensors[1], {.big_endian = true});
  Json per_tensor = test::default_options();
  per_tensor["strategy"] = "tensor";
  expect_same_output(file, tensors, per_tensor, {size_t{64} << 20U, 2, 2, 1});
}

TEST(EncodeViews, tensors_may_be_larger_than_their_file) {
  FileTensor zeros{"zeros.weight", Dtype::kF32, {512, 1024}, Bytes(size_t{512} * 1024 * 4)};
  FileTensor expanded{"expanded.weight", Dtype::kF32, {512, 1024}, {}};
  while (expanded.bytes.size() < zeros.bytes.size()) {
    expanded.bytes.insert(expanded.bytes.end(), {0, 0, 0x80, 0x3F}); // 1.0
  }
  catalog::View view;
  view.storage_bytes = 4;
  view.strides = {0, 0};
  ViewFile file(106);
  file.add_view(expanded, {0, 0, 0x80, 0x3F}, view);
  file.add(zeros, {.literal = true});
  ASSERT_LT(file.bytes().size(), 64U);
  for (const ViewCase &variant : view_cases()) {
    SCOPED_TRACE(variant.title);
    expect_same_output(file, {expanded, zeros}, variant.options, {test::kSmallestBlock, 2, 2, 2});
  }
}

TEST(EncodeViews, a_strip_is_read_once_a_band_and_pass) {
  Random random(107);
  const FileTensor tensor = test::random_weights(random, "a.weight", Dtype::kF32, {1500, 1024});
  ViewFile file(108);
  file.add(tensor, {.big_endian = true});
  const plan::Plan plan = test::plan_for(file.catalog(), test::default_options());
  parallel::Workers workers(1);
  EncodeStage stage(plan, workers, {}, 3, test::kSmallestBlock);
  uint64_t all_read = 0;
  const auto done = test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        all_read += to.size();
        std::copy_n(file.bytes().begin() + static_cast<std::ptrdiff_t>(offset), to.size(),
                    to.begin());
      },
      [](uint64_t, std::span<const uint8_t>) {});
  ASSERT_TRUE(done);
  EXPECT_EQ(all_read, tensor.bytes.size());
}

TEST(EncodeViews, damaged_data_end_the_run) {
  Random random(109);
  const FileTensor tensor = test::random_weights(random, "a.weight", Dtype::kF32, {64, 64});
  ViewFile file(110);
  file.add(tensor, {.deflated = true});
  Bytes damaged = file.bytes();
  damaged[damaged.size() / 2] = static_cast<uint8_t>(damaged[damaged.size() / 2] ^ 1U);
  const plan::Plan plan = test::plan_for(file.catalog(), test::default_options());
  parallel::Workers workers(1);
  EncodeStage stage(plan, workers, {}, 2, test::kSmallestBlock);
  const auto done = test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(damaged.begin() + static_cast<std::ptrdiff_t>(offset), to.size(), to.begin());
      },
      [](uint64_t, std::span<const uint8_t>) {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kMalformedFile);
  EXPECT_EQ(done.error().tensor, "a.weight");
  EXPECT_EQ(stage.tensor(), "a.weight");
}

TEST(EncodeViews, values_that_are_not_finite_are_found_in_views_too) {
  Random random(111);
  std::vector<FileTensor> tensors = mixed_tensors(random);
  test::set_value(tensors[0], 99'999, std::numeric_limits<double>::infinity());
  test::set_value(tensors[2], 17, std::numeric_limits<double>::quiet_NaN());
  for (size_t turn = 0; turn < 3; ++turn) {
    const ViewFile file = mixed_file(tensors, turn);
    const MemoryRun run(test::plan_for(file.catalog(), test::default_options()), file.bytes(),
                        {test::kSmallestBlock, 1, 3, 1});
    ASSERT_EQ(run.unfit().size(), 2U);
    EXPECT_TRUE(run.unfit().contains(0));
    EXPECT_TRUE(run.unfit().contains(2));
  }
}

} // namespace
} // namespace monoquant::run
