#include "monoquant/run/read_back.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "monoquant/run/verify_stage.h"
#include "support/drive.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::Random;

/// Many bands, because each tensor has one of its own at least.
Bytes model_of_many_bands() {
  Random random(60);
  std::vector<test::FileTensor> tensors;
  for (int i = 0; i < 24; ++i) {
    const std::string name = "layer" + std::to_string(i) + ".weight";
    tensors.push_back(i % 3 == 0 ? test::random_bytes(random, name, Dtype::kU8, {50'000})
                                 : test::random_weights(random, name, Dtype::kF32, {64, 512}));
  }
  return test::make_file(tensors);
}

/// A host whose output remembers what was done to each byte, and may change bytes that are written.
class WatchedHost {
public:
  WatchedHost(const Bytes &source, const plan::Plan &plan)
      : source_(source), output_(static_cast<size_t>(plan.file_bytes), uint8_t{0xCC}),
        written_(output_.size()), reads_(output_.size()) {}

  /// The byte at that offset changes on its way to the file.
  void damage(size_t offset) { damaged_ = offset; }

  Result<void> run(Stage &stage, bool source_is_output) {
    return test::drive(
        stage,
        [&](const ByteRange &read, std::span<uint8_t> to) {
          const auto offset = static_cast<size_t>(read.offset);
          if (read.source == 0 && !source_is_output) {
            std::copy_n(source_.data() + read.offset, to.size(), to.data());
            return;
          }
          std::copy_n(output_.data() + read.offset, to.size(), to.data());
          for (size_t i = offset; i < offset + to.size(); ++i) {
            reads_before_writing_ += written_[i] == 1 ? 0U : 1U;
            ++reads_[i];
          }
        },
        [&](uint64_t offset, std::span<const uint8_t> bytes) {
          for (size_t i = 0; i < bytes.size(); ++i) {
            const auto at = static_cast<size_t>(offset) + i;
            output_[at] = static_cast<uint8_t>(bytes[i] ^ (at == damaged_ ? 0x20U : 0U));
            ++written_[at];
          }
        });
  }

  [[nodiscard]] const Bytes &output() const { return output_; }
  [[nodiscard]] const std::vector<int> &reads() const { return reads_; }
  [[nodiscard]] size_t reads_before_writing() const { return reads_before_writing_; }

private:
  const Bytes &source_;
  Bytes output_;
  std::vector<int> written_;
  std::vector<int> reads_;
  size_t reads_before_writing_ = 0;
  size_t damaged_ = ~size_t{0};
};

struct Choice {
  size_t slots;
  uint64_t shares;
  uint64_t behind;
};

const std::vector<Choice> kChoices = {{1, 1, 0},      {1, 2, 100'000}, {2, 1, 0},
                                      {3, 2, 70'000}, {3, 1, 300'000}, {2, 3, 1U << 30U}};

/// Encodes all shares, then verifies all.
Result<void> run_all(WatchedHost &host, const plan::Plan &plan, const Choice &choice) {
  parallel::Workers workers(1);
  std::vector<std::unique_ptr<EncodeStage>> stages;
  for (uint64_t share = 0; share < choice.shares; ++share) {
    stages.push_back(std::make_unique<EncodeStage>(plan, workers, Share{share, choice.shares},
                                                   choice.slots, test::kSmallestBlock,
                                                   choice.behind));
    if (auto encoded = host.run(*stages.back(), false); !encoded) {
      return encoded;
    }
  }
  const auto catalog = test::inspect(host.output());
  if (!catalog) {
    return catalog.error();
  }
  for (const auto &stage : stages) {
    VerifyStage verify(*stage, catalog.value(), choice.slots, test::kSmallestBlock);
    if (auto verified = host.run(verify, true); !verified) {
      return verified;
    }
  }
  return {};
}

TEST(ReadBack, reads_every_byte_once_and_never_before_it_is_there) {
  const Bytes file = model_of_many_bands();
  const plan::Plan plan = test::plan_for(file, test::default_options());
  for (const Choice &choice : kChoices) {
    WatchedHost host(file, plan);
    const auto done = run_all(host, plan, choice);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(host.reads_before_writing(), 0U);
    EXPECT_EQ(host.reads(), std::vector<int>(host.output().size(), 1)) << choice.slots;
  }
}

TEST(ReadBack, happens_while_other_bands_are_written) {
  const Bytes file = model_of_many_bands();
  const plan::Plan plan = test::plan_for(file, test::default_options());
  for (const Choice &choice : kChoices) {
    parallel::Workers workers(1);
    WatchedHost host(file, plan);
    EncodeStage stage(plan, workers, {}, choice.slots, test::kSmallestBlock, choice.behind);
    ASSERT_TRUE(host.run(stage, false));
    const auto read =
        static_cast<uint64_t>(std::count(host.reads().begin(), host.reads().end(), 1));
    // Not yet: what is within `behind` of the end, scales and the header. A band here has 50 kB at most.
    const uint64_t end = choice.behind + (choice.slots + 1) * 50'000 + 20'000;
    EXPECT_GE(read + end, plan.file_bytes) << choice.slots << " " << choice.behind;
    EXPECT_LE(read, plan.file_bytes - std::min(plan.file_bytes, choice.behind));
  }
}

TEST(ReadBack, whatever_a_disk_changes_is_found) {
  const Bytes file = model_of_many_bands();
  const plan::Plan plan = test::plan_for(file, test::default_options());
  Random random(61);
  for (const Choice &choice : kChoices) {
    for (int round = 0; round < 20; ++round) {
      WatchedHost host(file, plan);
      const size_t header = plan.fixed[0].bytes.size();
      const size_t at = header + random.index(host.output().size() - header);
      host.damage(at);
      const auto done = run_all(host, plan, choice);
      ASSERT_FALSE(done) << at;
      EXPECT_EQ(done.error().code, ErrorCode::kVerificationFailed);
      EXPECT_FALSE(done.error().tensor.empty());
      ASSERT_TRUE(done.error().offset);
      EXPECT_LE(*done.error().offset, at);
    }
  }
}

/// Some thousands, so that those that were compared are forgotten several times.
TEST(ReadBack, many_extents_are_counted_from_the_first) {
  constexpr size_t kExtents = 5000;
  const Bytes bytes(kExtents * 3, 7);
  const auto extent_at = [&](size_t i) {
    const uint64_t size = 1 + i % 4; // gaps of one and overlaps of none, so that blocks have to end
    Checksum checksum;
    checksum.add(std::span(bytes).subspan(i * 3, std::min<uint64_t>(size, 3)));
    return WrittenRange{i * 3, std::min<uint64_t>(size, 3), checksum.digest()};
  };
  ReadBack read_back(nullptr);
  const std::vector<size_t> damaged = {1700, 3333, 4999};
  size_t added = 0;
  uint64_t read = 0;
  while (read_back.compared() < kExtents) {
    for (size_t i = 0; i < 100 && added < kExtents; ++i, ++added) {
      WrittenRange extent = extent_at(added);
      const bool is_damaged = std::find(damaged.begin(), damaged.end(), added) != damaged.end();
      extent.digest += is_damaged ? 1 : 0;
      read_back.add(extent);
    }
    while (const auto block = read_back.next(64)) {
      read_back.take(std::span(bytes).subspan(block->offset, block->length));
      read += block->length;
    }
    ASSERT_EQ(read_back.compared(), added);
  }
  EXPECT_EQ(read, read_back.total_bytes());
  EXPECT_EQ(std::vector(read_back.wrong().begin(), read_back.wrong().end()), damaged);
  EXPECT_EQ(read_back.check().error().offset, damaged[0] * 3);
}

} // namespace
} // namespace monoquant::run
