#include "monoquant/run/verify_stage.h"

#include <gtest/gtest.h>

#include "monoquant/base/bytes.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::MemoryRun;
using test::Random;

Bytes verified_model() {
  Random random(50);
  return test::make_file(
      {
          test::random_weights(random, "a.weight", Dtype::kF16, {8, 64}),
          test::random_weights(random, "b.weight", Dtype::kF16, {8, 64}),
          test::random_weights(random, "norm.weight", Dtype::kF32, {16}),
          test::random_weights(random, "norm2.weight", Dtype::kF32, {16}),
          test::random_bytes(random, "ids", Dtype::kI64, {3}),
          test::random_bytes(random, "none", Dtype::kF32, {0}),
      },
      {{"format", "pt"}, {"note", "kept"}});
}

/// Codes of the errors that a damaged output may give; reading it may already fail.
bool is_refusal(const Error &error) {
  switch (error.code) {
  case ErrorCode::kVerificationFailed:
  case ErrorCode::kMalformedFile:
  case ErrorCode::kFileTruncated:
  case ErrorCode::kUnsupportedFormat:
  case ErrorCode::kLimitExceeded:
    return !error.message.empty();
  default:
    return false;
  }
}

TEST(VerifyStage, what_was_written_passes) {
  const Bytes file = verified_model();
  for (const Json &options :
       {test::default_options(), test::asymmetric_int4(), test::float_options("BF16")}) {
    for (const uint64_t shares : {1U, 2U, 5U}) {
      const MemoryRun run(test::plan_for(file, options), file, {size_t{1} << 20U, 1, 2, shares});
      const auto verified = run.verify(run.output());
      EXPECT_TRUE(verified) << verified.error().message;
    }
  }
}

TEST(VerifyStage, every_single_bit_counts) {
  const Bytes file = verified_model();
  for (const Json &options : {test::asymmetric_int4(), test::default_options()}) {
    const MemoryRun run(test::plan_for(file, options), file);
    Random random(51);
    for (size_t at = 0; at < run.output().size(); ++at) {
      Bytes damaged = run.output();
      damaged[at] = static_cast<uint8_t>(damaged[at] ^ (1U << random.below(8)));
      const auto verified = run.verify(damaged);
      ASSERT_FALSE(verified) << "byte " << at << " of " << damaged.size();
      ASSERT_TRUE(is_refusal(verified.error())) << verified.error().message;
      if (at >= run.plan().fixed[0].bytes.size()) {
        ASSERT_EQ(verified.error().code, ErrorCode::kVerificationFailed) << at;
        ASSERT_FALSE(verified.error().tensor.empty()) << at;
        ASSERT_TRUE(verified.error().offset) << at;
        ASSERT_LE(*verified.error().offset, at);
      }
    }
  }
}

TEST(VerifyStage, some_share_notices_every_bit) {
  const Bytes file = verified_model();
  const MemoryRun run(test::plan_for(file, test::asymmetric_int4()), file,
                      {size_t{1} << 20U, 1, 1, 3});
  for (size_t at = 0; at < run.output().size(); at += 7) {
    Bytes damaged = run.output();
    damaged[at] = static_cast<uint8_t>(damaged[at] ^ 0x10U);
    ASSERT_FALSE(run.verify(damaged)) << at;
  }
}

TEST(VerifyStage, truncation_at_any_length_fails) {
  const Bytes file = verified_model();
  const MemoryRun run(test::plan_for(file, test::asymmetric_int4()), file);
  for (size_t length = 0; length < run.output().size(); ++length) {
    const Bytes tiling(run.output().begin(),
                       run.output().begin() + static_cast<std::ptrdiff_t>(length));
    const auto verified = run.verify(tiling);
    ASSERT_FALSE(verified) << length;
    ASSERT_TRUE(is_refusal(verified.error()));
  }
  Bytes longer = run.output();
  longer.push_back(0);
  EXPECT_FALSE(run.verify(longer));
}

/// Replaces text in the header by other text of the same length.
Bytes with_header(const Bytes &file, std::string_view from, std::string_view to) {
  std::string text(file.begin(), file.end());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_EQ(from.size(), to.size());
  text.replace(at, from.size(), to);
  return {text.begin(), text.end()};
}

TEST(VerifyStage, swapped_tensors_are_told_from_each_other) {
  const Bytes file = verified_model();
  const MemoryRun run(test::plan_for(file, test::default_options()), file);
  const plan::Output a = plan::outputs(run.plan(), 0)[0];
  const plan::Output b = plan::outputs(run.plan(), 1)[0];
  ASSERT_EQ(a.bytes, b.bytes);
  Bytes swapped = run.output();
  std::swap_ranges(swapped.begin() + static_cast<std::ptrdiff_t>(a.offset),
                   swapped.begin() + static_cast<std::ptrdiff_t>(a.offset + a.bytes),
                   swapped.begin() + static_cast<std::ptrdiff_t>(b.offset));
  const auto bytes_differ = run.verify(swapped);
  ASSERT_FALSE(bytes_differ);
  EXPECT_EQ(bytes_differ.error().code, ErrorCode::kVerificationFailed);

  // The same bytes, but under each other's names: structure and header both say so.
  Bytes renamed = with_header(run.output(), "\"a.weight\"", "\"x.weight\"");
  renamed = with_header(renamed, "\"b.weight\"", "\"a.weight\"");
  renamed = with_header(renamed, "\"x.weight\"", "\"b.weight\"");
  const auto names_differ = run.verify(renamed);
  ASSERT_FALSE(names_differ);
  EXPECT_EQ(names_differ.error().code, ErrorCode::kVerificationFailed);
  EXPECT_NE(names_differ.error().message.find("as planned"), std::string::npos);
}

TEST(VerifyStage, structure_is_compared_with_the_plan) {
  const Bytes file = verified_model();
  const MemoryRun run(test::plan_for(file, test::default_options()), file);
  for (const auto &[from, to] : std::vector<std::pair<std::string_view, std::string_view>>{
           {R"("ids":{"dtype":"I64")", R"("ids":{"dtype":"U64")"},
           {R"("shape":[8,64])", R"("shape":[64,8])"},
           {R"("norm.weight")", R"("norm.weighs")"}}) {
    const auto verified = run.verify(with_header(run.output(), from, to));
    ASSERT_FALSE(verified) << from;
    EXPECT_EQ(verified.error().code, ErrorCode::kVerificationFailed) << from;
    EXPECT_NE(verified.error().message.find("as planned"), std::string::npos) << from;
  }
}

TEST(VerifyStage, another_file_with_the_same_tensors_fails) {
  const Bytes file = verified_model();
  const MemoryRun one(test::plan_for(file, test::default_options()), file);
  const MemoryRun other(test::plan_for(file, test::packed_8_options()), file);
  EXPECT_FALSE(one.verify(other.output()));
  EXPECT_FALSE(one.verify(file));
}

TEST(VerifyStage, damage_in_any_block_is_found) {
  Random random(52);
  const Bytes file = test::make_file({
      test::random_weights(random, "a.weight", Dtype::kF32, {600, 4096}),
      test::random_bytes(random, "table", Dtype::kU8, {3 << 20}),
  });
  for (const size_t slots : {1U, 3U}) {
    const MemoryRun run(test::plan_for(file, test::default_options()), file,
                        {size_t{1} << 19U, 1, slots, 1});
    ASSERT_TRUE(run.verify(run.output()));
    for (int round = 0; round < 12; ++round) {
      Bytes damaged = run.output();
      const size_t at = round == 0 ? damaged.size() - 1 : random.index(damaged.size());
      damaged[at] = static_cast<uint8_t>(damaged[at] + 1);
      ASSERT_FALSE(run.verify(damaged)) << at;
    }
  }
}

TEST(VerifyStage, reads_every_byte_of_the_output_once) {
  const Bytes file = verified_model();
  const MemoryRun run(test::plan_for(file, test::asymmetric_int4()), file,
                      {size_t{1} << 20U, 1, 2, 2});
  const auto catalog = test::inspect(run.output());
  ASSERT_TRUE(catalog);
  std::vector<int> reads(run.output().size());
  uint64_t promised = 0;
  for (const auto &stage : run.stages()) {
    VerifyStage verify(*stage, catalog.value(), 2, size_t{1} << 19U);
    promised += verify.total_bytes();
    EXPECT_EQ(verify.result_json(), "{}");
    const auto done = test::drive(
        verify,
        [&](uint64_t offset, std::span<uint8_t> to) {
          for (size_t i = 0; i < to.size(); ++i) {
            to[i] = run.output()[static_cast<size_t>(offset) + i];
            ++reads[static_cast<size_t>(offset) + i];
          }
        },
        [](uint64_t, std::span<const uint8_t>) { ADD_FAILURE() << "verifying writes nothing"; });
    EXPECT_TRUE(done);
  }
  EXPECT_EQ(promised, run.output().size());
  EXPECT_EQ(reads, std::vector<int>(run.output().size(), 1));
}

} // namespace
} // namespace monoquant::run
