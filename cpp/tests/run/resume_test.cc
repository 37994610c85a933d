// Runs that are interrupted and gone on with, and runs of which several machines do a part each.
#include <gtest/gtest.h>

#include <algorithm>

#include "monoquant/base/json.h"
#include "monoquant/run/recheck_stage.h"
#include "support/drive.h"
#include "support/given_means.h"
#include "support/memory_host.h"
#include "support/sample_tensors.h"

namespace monoquant::run {
namespace {

using test::Bytes;
using test::Random;

/// Tensors of one band each, copies among them, one of them without elements; or one of several bands besides.
Bytes model_of_all_bands(bool has_large = false) {
  Random random(90);
  std::vector<test::FileTensor> tensors = {
      test::random_bytes(random, "ids", Dtype::kI64, {700}),
      test::random_weights(random, "a.weight", Dtype::kF32, {24, 256}),
      test::random_weights(random, "b.weight", Dtype::kBF16, {32, 128}),
      test::random_bytes(random, "none", Dtype::kF32, {0}),
      test::random_weights(random, "c.weight", Dtype::kF32, {16, 128}),
      test::random_weights(random, "d.weight", Dtype::kF16, {8, 64}),
      test::random_weights(random, "bias", Dtype::kF32, {300}),
  };
  if (has_large) {
    tensors.push_back(test::random_weights(random, "large.weight", Dtype::kF32, {2304, 2048}));
  }
  return test::make_file(tensors);
}

Json one_scale() {
  Json options = test::default_options();
  options["strategy"] = "tensor";
  return options;
}

Json grouped_zip() {
  Json options = test::int4_options(32);
  options["container"] = "pt";
  return options;
}

std::vector<Json> every_kind() {
  return {test::default_options(), test::asymmetric_int4(), one_scale(), test::float_options("F16"),
          grouped_zip()};
}

std::string records_of(EncodeStage &stage, bool is_over) {
  JsonWriter json;
  stage.write_records(json, is_over);
  return json.take();
}

/// One share of a run into `output`, `most` steps of it; answers what it says to have done.
Json encode_share(const Bytes &source, EncodeStage &stage, Bytes &output, size_t most = SIZE_MAX) {
  stage.keep_records();
  const auto done = test::drive(
      stage,
      [&](const ByteRange &read, std::span<uint8_t> to) {
        const Bytes &from = read.source == 0 ? source : output;
        std::copy_n(from.begin() + static_cast<ptrdiff_t>(read.offset), to.size(), to.begin());
      },
      [&](uint64_t offset, std::span<const uint8_t> bytes) {
        std::copy(bytes.begin(), bytes.end(), output.begin() + static_cast<ptrdiff_t>(offset));
      },
      most);
  EXPECT_TRUE(done) << done.error().message;
  return parse_json(records_of(stage, most == SIZE_MAX));
}

struct Range {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

std::vector<Range> ranges_of(const Json &records) {
  std::vector<Range> ranges;
  for (const Json &record : records) {
    for (const Json &range : record[2]) {
      ranges.push_back({range[0].get<uint64_t>(), range[1].get<uint64_t>()});
    }
  }
  return ranges;
}

/// Everything but what the records tell of is rubbish.
void spoil_the_rest(Bytes &output, const Json &records) {
  Bytes kept(output.size(), uint8_t{0xCC});
  for (const auto &[offset, bytes] : ranges_of(records)) {
    const auto at = static_cast<ptrdiff_t>(offset);
    std::copy_n(output.begin() + at, bytes, kept.begin() + at);
  }
  output = std::move(kept);
}

/// The numbers of the records that are not there.
std::vector<size_t> recheck(const Bytes &output, const Json &records) {
  RecheckStage stage(output.size(), 2, test::kSmallestBlock);
  EXPECT_TRUE(stage.add(records.dump()));
  EXPECT_TRUE(test::drive(
      stage,
      [&](uint64_t offset, std::span<uint8_t> to) {
        std::copy_n(output.begin() + static_cast<ptrdiff_t>(offset), to.size(), to.begin());
      },
      [](uint64_t, std::span<const uint8_t>) {}));
  EXPECT_EQ(stage.done_bytes(), stage.total_bytes());
  return parse_json(stage.result_json())["wrong"].get<std::vector<size_t>>();
}

/// What a run finds out, of all its shares: rows of "errors" and of "source".
std::multiset<std::string> findings(const std::vector<std::unique_ptr<EncodeStage>> &stages) {
  std::multiset<std::string> rows;
  for (const auto &stage : stages) {
    const Json result = parse_json(stage->result_json());
    for (const std::string_view key : {"errors", "source", "output"}) {
      for (const Json &row : result[key]) {
        rows.insert(std::string(key) + row.dump());
      }
    }
  }
  return rows;
}

using Stages = std::vector<std::unique_ptr<EncodeStage>>;

/// Interrupts a run after so many steps, and goes on with it in two shares.
void expect_same(const Bytes &file, const Json &options, const std::vector<size_t> &interruptions) {
  parallel::Workers workers(1);
  const plan::Plan plan = test::plan_for(file, options);
  Bytes whole(static_cast<size_t>(plan.file_bytes), uint8_t{0xCC});
  Stages single;
  single.push_back(std::make_unique<EncodeStage>(plan, workers, Share{}, 2, test::kSmallestBlock));
  encode_share(file, *single[0], whole);
  const auto found = findings(single);
  size_t most_done = 0;
  for (const size_t steps : interruptions) {
    Bytes output(whole.size(), uint8_t{0xCC});
    EncodeStage first(plan, workers, {}, 1 + steps % 3, test::kSmallestBlock, steps * 1000);
    const Json records = encode_share(file, first, output, steps);
    spoil_the_rest(output, records);
    EXPECT_TRUE(recheck(output, records).empty()) << steps;
    most_done = std::max(most_done, records.size());
    Stages rest;
    for (uint64_t share = 0; share < 2; ++share) {
      rest.push_back(std::make_unique<EncodeStage>(plan, workers, Share{share, 2}, 2,
                                                   test::kSmallestBlock, 0));
      const auto taken = rest.back()->take_done(records.dump());
      ASSERT_TRUE(taken) << taken.error().message;
      encode_share(file, *rest.back(), output);
      EXPECT_EQ(rest.back()->done_bytes(), rest.back()->total_bytes());
    }
    ASSERT_EQ(output, whole) << steps << " " << options.dump();
    EXPECT_EQ(findings(rest), found) << steps;
  }
  EXPECT_GT(most_done, 3U) << "too few steps to prove anything";
}

TEST(Resume, goes_on_from_any_step_to_the_same_bytes) {
  for (const Json &options : every_kind()) {
    expect_same(model_of_all_bands(), options, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  }
}

TEST(Resume, goes_on_with_biases_that_are_corrected) {
  Random random(93);
  const Bytes file = test::make_file({
      test::random_weights(random, "a.bias", Dtype::kF32, {24}),
      test::random_weights(random, "a.weight", Dtype::kF32, {24, 256}),
      test::random_weights(random, "tall.weight", Dtype::kF32, {70'000, 32}), // two bands
      test::random_weights(random, "tall.bias", Dtype::kF32, {70'000}),
      test::random_weights(random, "b.weight", Dtype::kBF16, {32, 128}),
      test::random_weights(random, "b.bias", Dtype::kF16, {32}),
  });
  Json options = grouped_zip();
  options["biasCorrection"] = "on";
  options = test::with_means(test::inspect(file).value(), options);
  expect_same(file, options, {0, 2, 3, 5, 8, 12, 16, 20, 24, 28});
}

TEST(Resume, goes_on_within_a_tensor) {
  expect_same(model_of_all_bands(true), test::default_options(), {6, 24, 41});
}

TEST(Resume, does_only_what_was_not_done) {
  const Bytes file = model_of_all_bands();
  parallel::Workers workers(1);
  const plan::Plan plan = test::plan_for(file, test::default_options());
  Bytes output(static_cast<size_t>(plan.file_bytes));
  EncodeStage first(plan, workers, {}, 1, test::kSmallestBlock);
  const Json records = encode_share(file, first, output);
  EncodeStage again(plan, workers, {}, 1, test::kSmallestBlock);
  ASSERT_TRUE(again.take_done(records.dump()));
  uint64_t read = 0;
  ASSERT_TRUE(test::drive(
      again, [&](const ByteRange &range, std::span<uint8_t>) { read += range.length; },
      [](uint64_t, std::span<const uint8_t>) {}));
  EXPECT_EQ(read, 0U);
}

TEST(Recheck, names_every_record_that_is_not_there_and_no_other) {
  const Bytes file = model_of_all_bands();
  parallel::Workers workers(1);
  const plan::Plan plan = test::plan_for(file, test::asymmetric_int4());
  Bytes output(static_cast<size_t>(plan.file_bytes));
  EncodeStage stage(plan, workers, {}, 2, test::kSmallestBlock);
  const Json records = encode_share(file, stage, output);
  Random random(91);
  for (size_t number = 0; number < records.size(); ++number) {
    for (const auto &[offset, bytes] : ranges_of(Json::array({records[number]}))) {
      if (bytes == 0) {
        continue;
      }
      Bytes damaged = output;
      damaged[static_cast<size_t>(offset) + random.index(static_cast<size_t>(bytes))] ^= 1U;
      EXPECT_EQ(recheck(damaged, records), std::vector<size_t>{number});
    }
  }
  Bytes shorter(output.begin(), output.end() - 1);
  EXPECT_EQ(recheck(shorter, records).size(), 1U);
}

TEST(Resume, records_that_are_none_of_the_plan_are_refused) {
  const Bytes file = model_of_all_bands();
  parallel::Workers workers(1);
  const plan::Plan plan = test::plan_for(file, test::asymmetric_int4());
  Bytes output(static_cast<size_t>(plan.file_bytes));
  EncodeStage stage(plan, workers, {}, 2, test::kSmallestBlock);
  const Json records = encode_share(file, stage, output);
  const auto refuses = [&](const std::string &text) {
    EncodeStage fresh(plan, workers, {}, 2, test::kSmallestBlock);
    const auto taken = fresh.take_done(text);
    return !taken && taken.error().code == ErrorCode::kInternal;
  };
  const auto with = [&](const auto &change) {
    Json changed = records;
    for (Json &record : changed) {
      if (!record[0].is_null()) {
        change(record);
      }
    }
    return changed.dump();
  };
  for (const std::string_view text : {"", "{}", "[7]", "[[]]", "[[0,0,[],null]]", "nonsense"}) {
    EXPECT_TRUE(refuses(std::string(text))) << text;
  }
  EXPECT_FALSE(refuses(records.dump()));
  EXPECT_TRUE(refuses(with([](Json &record) { record[0] = 1000; })));
  EXPECT_TRUE(refuses(with([](Json &record) { record[0] = -1; })));
  EXPECT_TRUE(refuses(with([](Json &record) { record[1] = 1000; })));
  EXPECT_TRUE(refuses(with([](Json &record) { record[2].erase(0); })));
  EXPECT_TRUE(refuses(with([](Json &record) { record[2][0][0] = 1; })));
  EXPECT_TRUE(refuses(with([](Json &record) { record[2][0][1] = 1; })));
  EXPECT_TRUE(refuses(with([](Json &record) { record[2][0][2] = "0123"; })));
  EXPECT_TRUE(refuses(with([](Json &record) { record[2][0][2] = "0123456789abcdeg"; })));
  EXPECT_TRUE(refuses(with([](Json &record) { record[2][0][3] = 1ULL << 32U; })));
  EXPECT_TRUE(refuses(with([](Json &record) {
    record[3] = Json::array({1, 2, 3, 0});
  }))) << "copies have no errors";
  EXPECT_TRUE(refuses(with([](Json &record) { record[4] = Json::array({1, 2, 3}); })));
}

/// Makes all parts into one output, in two shares each.
void expect_parts_same(const Bytes &file, const Json &options, uint64_t count) {
  parallel::Workers workers(1);
  const plan::Plan plan = test::plan_for(file, options);
  Bytes whole(static_cast<size_t>(plan.file_bytes), uint8_t{0xCC});
  EncodeStage single(plan, workers, {}, 2, test::kSmallestBlock);
  const Json all = encode_share(file, single, whole);
  Bytes output(whole.size(), uint8_t{0xCC});
  size_t records = 0;
  uint64_t bytes = 0;
  for (uint64_t part = 0; part < count; ++part) {
    for (uint64_t share = 0; share < 2; ++share) {
      EncodeStage stage(plan, workers, {share, 2, {part, count}}, 2, test::kSmallestBlock, 0);
      const Json own = encode_share(file, stage, output);
      records += own.size();
      for (const auto &range : ranges_of(own)) {
        bytes += range.bytes;
      }
    }
  }
  EXPECT_EQ(output, whole) << count;
  EXPECT_EQ(records, all.size()) << count;
  EXPECT_EQ(bytes, whole.size()) << count;
}

TEST(Parts, together_are_one_run) {
  for (const Json &options : {test::default_options(), test::asymmetric_int4(), one_scale()}) {
    for (const uint64_t count : {2U, 3U, 5U, 40U}) {
      expect_parts_same(model_of_all_bands(), options, count);
    }
  }
}

TEST(Parts, may_begin_within_a_tensor) {
  expect_parts_same(model_of_all_bands(true), test::default_options(), 2);
}

TEST(Parts, have_about_as_much_to_read_each) {
  const Bytes file = model_of_all_bands(true);
  parallel::Workers workers(1);
  const plan::Plan plan = test::plan_for(file, test::default_options());
  const EncodeStage single(plan, workers, {}, 2, test::kSmallestBlock);
  for (uint64_t part = 0; part < 2; ++part) {
    const EncodeStage stage(plan, workers, {0, 1, {part, 2}}, 2, test::kSmallestBlock);
    // No band is cut.
    EXPECT_LE(stage.total_bytes(), single.total_bytes() / 2 + kBandBytes);
  }
}

} // namespace
} // namespace monoquant::run
