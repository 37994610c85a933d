// The same bytes and the same errors, whatever the host chooses.
#include <gtest/gtest.h>

#include <ostream>

#include "monoquant/base/text.h"
#include "support/deep.h"
#include "support/run_checks.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::HostChoice;
using test::MemoryRun;
using test::Random;

constexpr size_t kHostBlocks[] = {size_t{1} << 19U, size_t{1} << 20U, size_t{3} << 20U};

/// Tensors that take several bands, several blocks, long rows, stacks, conversions and copies.
Bytes host_model() {
  Random random(40);
  return test::make_file({
      test::random_weights(random, "many_rows.weight", Dtype::kF16,
                           {66'000, 3}), // two bands of scales
      test::random_weights(random, "long.weight", Dtype::kF32, {2, 66'000}),
      test::random_weights(random, "long_groups.weight", Dtype::kBF16, {1, 66'016}),
      test::random_weights(random, "moe.experts.w", Dtype::kBF16, {3, 21, 1024}),
      test::random_weights(random, "conv.weight", Dtype::kF32, {40, 100, 3, 3}),
      test::random_weights(random, "wide.weight", Dtype::kF64, {10, 3000}),
      test::random_weights(random, "tiny.weight", Dtype::kF32, {300, 1024}, 1e-6F), // edges
      test::random_weights(random, "norm.weight", Dtype::kF32, {4096}),
      test::random_bytes(random, "table", Dtype::kI8, {600'000}),
      test::random_bytes(random, "odd", Dtype::kU8, {3}),
  });
}

struct HostCase {
  std::string title;
  Json options;
  bool weighted = false; // errors count more in some columns than in others
};

/// How GoogleTest names it in its output.
void PrintTo(const HostCase &variant, std::ostream *out) { *out << variant.title; } // NOLINT

std::vector<HostCase> host_cases() {
  Json int8 = test::default_options();
  int8["scheme"] = "asymmetric";
  Json tensor = test::default_options();
  tensor["strategy"] = "tensor";
  Json int4 = test::int4_options(32);
  int4["scheme"] = "asymmetric";
  Json int3 = test::int4_options(32);
  int3["bits"] = 3;
  int3["scheme"] = "asymmetric";
  int3["method"] = "mse";
  Json searched = test::int4_options(32);
  searched["method"] = "mse";
  Json searched_asymmetric = int8;
  searched_asymmetric["method"] = "mse";
  return {{"int8_channel_asymmetric", int8},
          {"int8_tensor", tensor},
          {"packed8_channel", test::packed_8_options()},
          {"int4_group32_asymmetric", int4},
          {"int3_group32_asymmetric_searched", int3},
          {"int4_group32_searched_weighted", searched, true},
          {"int8_channel_asymmetric_searched_weighted", searched_asymmetric, true},
          {"f16", test::float_options("F16")}};
}

bool same(const std::vector<BandErrors> &a, const std::vector<BandErrors> &b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const BandErrors &x, const BandErrors &y) {
        return x.tensor == y.tensor && x.band == y.band && x.sums.signal == y.sums.signal &&
               x.sums.noise == y.sums.noise && x.sums.peak == y.sums.peak &&
               x.edge_scales == y.edge_scales && x.sums.output.signal == y.sums.output.signal &&
               x.sums.output.noise == y.sums.output.noise;
      });
}

class AnyHost : public testing::TestWithParam<HostCase> {
protected:
  void SetUp() override {
    file_ = host_model();
    const MemoryRun run = encode({});
    expected_ = run.output();
    errors_ = run.errors();
    ASSERT_FALSE(errors_.empty());
  }

  [[nodiscard]] MemoryRun encode(HostChoice choice) const {
    plan::Plan plan = test::plan_for(file_, GetParam().options);
    if (GetParam().weighted) {
      test::weigh_columns(plan, 42);
    }
    return {std::move(plan), file_, choice};
  }

  void expect_same(HostChoice choice) const {
    const MemoryRun run = encode(choice);
    const std::string title =
        concat("blocks of ", choice.block_bytes, ", ", choice.threads, " threads, ", choice.slots,
               " slots, ", choice.shares, " shares");
    EXPECT_TRUE(run.output() == expected_) << title;
    EXPECT_TRUE(same(run.errors(), errors_)) << title;
    EXPECT_TRUE(run.verify(expected_)) << title;
  }

  void expect_reference(HostChoice choice) const {
    test::expect_matches_reference(encode(choice), file_);
  }

private:
  Bytes file_;
  Bytes expected_;
  std::vector<BandErrors> errors_;
};

INSTANTIATE_TEST_SUITE_P(EncodeStage, AnyHost, testing::ValuesIn(test::samples(host_cases(), 2)),
                         [](const auto &info) { return info.param.title; });

TEST_P(AnyHost, block_size_and_threads_do_not_show) {
  for (const size_t block : kHostBlocks) {
    for (const size_t threads : {1U, 2U, 4U}) {
      expect_same({block, threads, 2, 1});
    }
  }
}

TEST_P(AnyHost, slots_do_not_show) {
  for (size_t slots = 1; slots <= 8; ++slots) {
    expect_same({kHostBlocks[0], 2, slots, 1});
  }
}

TEST_P(AnyHost, shares_do_not_show) {
  for (const uint64_t shares :
       {2U, 3U, 5U, 40U}) { // more shares than bands: some have nothing to do
    expect_same({kHostBlocks[shares % 3], 1, 3, shares});
  }
}

TEST_P(AnyHost, the_result_is_the_references) { expect_reference({kHostBlocks[1], 2, 3, 2}); }

TEST(EncodeStageBands, tensors_beyond_a_band_are_put_together_again) {
  // 17 MB a tensor, long rows among them: everything that is counted in bands begins anew in the second.
  Random random(41);
  const Bytes file = test::make_file({
      test::random_weights(random, "rows.weight", Dtype::kF64, {540, 4096}),
      test::random_weights(random, "long.weight", Dtype::kF64, {33, 66'016}),
      test::random_bytes(random, "table", Dtype::kU8, {17 << 20}),
  });
  Json int4 = test::int4_options(32);
  int4["scheme"] = "asymmetric";
  for (const Json &options :
       {int4, test::packed_8_options()}) { // one pass, and two for the long rows
    const MemoryRun one(test::plan_for(file, options), file, {kHostBlocks[2], 2, 2, 1});
    std::vector<size_t> bands(3);
    for (const WrittenRange &extent : one.extents()) {
      if (extent.tensor != WrittenRange::kHeader) {
        ++bands[extent.tensor];
      }
    }
    EXPECT_GT(bands[0], 4U);
    EXPECT_GT(bands[1], 4U);
    EXPECT_EQ(bands[2], 2U);
    test::expect_matches_reference(one, file);
    const MemoryRun shared(test::plan_for(file, options), file, {kHostBlocks[0], 1, 2, 3});
    EXPECT_TRUE(shared.output() == one.output());
    EXPECT_TRUE(same(shared.errors(), one.errors()));
  }
}

} // namespace
} // namespace monoquant::run
