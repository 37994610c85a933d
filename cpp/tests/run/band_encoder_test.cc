#include "monoquant/run/band_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/memory_host.h"
#include "support/reference_quantizer.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::Random;

/// A band encoder without a stage: the test itself hands it slices.
struct Bench {
  plan::Plan plan;
  BandWalk walk;
  parallel::Workers workers;
  BandEncoder encoder;
  Bytes data;
  Bytes tail;

  Bench(const Bytes &file, const Json &options)
      : plan(test::plan_for(file, options)), walk(plan, {}), workers(2),
        encoder(plan, walk, workers, test::kSmallestBlock), data(encoder.data_bytes()),
        tail(encoder.tail_bytes()) {}

  [[nodiscard]] Bytes input(const Bytes &file, const Slice &slice) const {
    const Tiling &tiling = walk.tiling(slice.tensor);
    const auto begin = file.begin() + static_cast<std::ptrdiff_t>(
                                          plan.catalog->tensors[slice.tensor].offset +
                                          tiling.unit_begin(slice.begin) * tiling.element_bytes);
    return {begin, begin + static_cast<std::ptrdiff_t>(tiling.bytes(slice.begin, slice.end))};
  }
};

TEST(BandEncoder, pieces_of_a_band_follow_each_other_and_then_come_its_scales) {
  Random random(80);
  const Bytes file =
      test::make_file({test::random_weights(random, "a.weight", Dtype::kF32, {700, 512})});
  Json options = test::int4_options(32);
  options["scheme"] = "asymmetric";
  Bench bench(file, options);
  const std::vector<plan::Output> outputs = plan::outputs(bench.plan, 0);
  uint64_t position = outputs[0].offset;
  size_t slices = 0;
  std::vector<Write> writes;
  std::vector<WrittenRange> extents;
  while (const auto slice = bench.walk.next(test::kSmallestBlock)) {
    Write write;
    ASSERT_FALSE(bench.encoder.encode(*slice, bench.input(file, *slice), bench.data, write));
    EXPECT_EQ(write.offset, position);
    position += write.bytes.size();
    ++slices;
    if (slice->last_of_band) {
      bench.encoder.finish(bench.tail, writes, extents);
    }
  }
  EXPECT_GT(slices, 1U);
  EXPECT_EQ(position, outputs[0].offset + outputs[0].bytes);
  ASSERT_EQ(writes.size(), 2U);
  EXPECT_EQ(writes[0].offset, outputs[2].offset);
  EXPECT_EQ(writes[0].bytes.size(), outputs[2].bytes);
  EXPECT_EQ(writes[1].offset, outputs[3].offset);
  EXPECT_EQ(writes[1].bytes.size(), outputs[3].bytes);
  ASSERT_EQ(extents.size(), 3U);
  Checksum scales;
  scales.add(writes[0].bytes);
  EXPECT_EQ(extents[1].digest, scales.digest());
  EXPECT_EQ(extents[0].bytes, outputs[0].bytes);
}

TEST(BandEncoder, a_first_pass_has_nothing_to_write) {
  Random random(81);
  const Bytes file =
      test::make_file({test::random_weights(random, "a.weight", Dtype::kF32, {64, 64})});
  Json options = test::default_options();
  options["strategy"] = "tensor";
  Bench bench(file, options);
  for (int pass = 0; pass < 2; ++pass) {
    const auto slice = bench.walk.next(test::kSmallestBlock);
    ASSERT_TRUE(slice);
    Write write;
    ASSERT_FALSE(bench.encoder.encode(*slice, bench.input(file, *slice), bench.data, write));
    EXPECT_EQ(write.bytes.size(), pass == 0 ? 0U : 64U * 64U);
  }
}

TEST(BandEncoder, each_band_begins_anew) {
  // Large values, then small ones: the second band must not remember the range, nor the sums, of the first.
  Random random(82);
  const test::FileTensor first =
      test::random_weights(random, "a.weight", Dtype::kF32, {64, 64}, 1000);
  const test::FileTensor second = test::random_weights(random, "b.weight", Dtype::kF32, {64, 64});
  const Bytes file = test::make_file({first, second});
  Json options = test::default_options();
  options["strategy"] = "tensor";
  Bench bench(file, options);
  std::vector<Write> writes;
  std::vector<WrittenRange> extents;
  std::vector<quant::ErrorSums> errors;
  while (const auto slice = bench.walk.next(test::kSmallestBlock)) {
    Write write;
    ASSERT_FALSE(bench.encoder.encode(*slice, bench.input(file, *slice), bench.data, write));
    if (slice->last_of_band && slice->pass == 1) {
      bench.encoder.finish(bench.tail, writes, extents);
      errors.push_back(bench.encoder.errors());
    }
  }
  ASSERT_EQ(errors.size(), 2U);
  const std::vector<float> values = test::values_of(second);
  quant::Scheme scheme;
  scheme.strategy = quant::Strategy::kTensor;
  const auto codes = test::reference_codes(values, {1, 64, 64}, scheme);
  const quant::ErrorSums expected = test::reference_errors(values, codes);
  EXPECT_NEAR(errors[1].signal / expected.signal, 1.0, 1e-5);
  EXPECT_NEAR(errors[1].noise / expected.noise, 1.0, 1e-5);
}

TEST(BandEncoder, looking_finds_what_encoding_finds) {
  Random random(83);
  for (const Json &options : {test::default_options(), test::float_options("F16")}) {
    for (const double value : {1.0, 1e30, std::numeric_limits<double>::quiet_NaN()}) {
      test::FileTensor tensor = test::random_weights(random, "a.weight", Dtype::kF32, {64, 64});
      test::set_value(tensor, 4095, value);
      const Bytes file = test::make_file({tensor});
      Bench bench(file, options);
      const auto slice = bench.walk.next(test::kSmallestBlock);
      ASSERT_TRUE(slice);
      Write write;
      const auto encoded =
          bench.encoder.encode(*slice, bench.input(file, *slice), bench.data, write);
      const auto looked = bench.encoder.look(*slice, bench.input(file, *slice));
      ASSERT_EQ(encoded.has_value(), looked.has_value());
      const bool too_large = value == 1e30 && options["bits"] == 16;
      ASSERT_EQ(encoded.has_value(), too_large || std::isnan(value));
      if (encoded) {
        EXPECT_EQ(encoded->reason, looked->reason);
        EXPECT_EQ(encoded->explanation, looked->explanation);
        EXPECT_EQ(encoded->reason, too_large ? plan::Reason::kOverflow : plan::Reason::kNonFinite);
      }
    }
  }
}

} // namespace
} // namespace monoquant::run
