#include "monoquant/run/seal_stage.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "support/drive.h"
#include "support/sample_tensors.h"
#include "support/view_file.h"
#include "support/zip_file.h"

namespace monoquant::run {
namespace {

using container::ZipMember;
using test::Bytes;
using test::FileTensor;
using test::MemoryRun;
using test::Random;
using test::ViewFile;

Json zip_options(Json options) {
  options["container"] = "pt";
  options["minElements"] = 0;
  return options;
}

std::vector<FileTensor> some_tensors() {
  Random random(120);
  return {
      test::random_weights(random, "a.weight", Dtype::kF32, {100, 512}),
      test::random_weights(random, "b.weight", Dtype::kF16, {9, 96}),
      test::random_bytes(random, "ids", Dtype::kI64, {31}),
      test::random_weights(random, "norm.weight", Dtype::kF32, {77}),
      test::random_bytes(random, "none", Dtype::kF32, {0, 4}),
      test::random_weights(random, "scale", Dtype::kF32, {}),
  };
}

ViewFile some_file(const std::vector<FileTensor> &tensors) {
  ViewFile file(121);
  for (size_t i = 0; i < tensors.size(); ++i) {
    i == 1 ? file.add(tensors[i], {.strided = true, .deflated = true}) : file.add_plain(tensors[i]);
  }
  return file;
}

Bytes content_of(const Bytes &file, const ZipMember &member) {
  auto content = test::read_member(file, member, file.size());
  if (!content || !content.value().crc_matches) {
    ADD_FAILURE() << member.name << " cannot be read";
    return {};
  }
  return std::move(content.value().bytes);
}

void expect_tiled(const MemoryRun &run) {
  uint64_t position = 0;
  for (const WrittenRange &extent : run.extents()) {
    EXPECT_EQ(extent.offset, position) << "nobody wrote the bytes before, or two did";
    position = extent.offset + extent.bytes;
  }
  EXPECT_EQ(position, run.output().size());
}

/// Every record is there, intact, with the bytes of its tensor; `plain` is the same in safetensors.
void expect_archive(const MemoryRun &run, const MemoryRun &plain) {
  const Bytes &file = run.output();
  const auto read = test::read_directory(file);
  ASSERT_TRUE(read) << read.error().message;
  const container::ZipDirectory &directory = read.value();
  ASSERT_EQ(directory.members.size(), run.plan().records.size());
  for (const ZipMember &member : directory.members) {
    EXPECT_EQ(member.method, 0) << member.name;
    EXPECT_EQ(member.crc32, test::reference_crc32(content_of(file, member))) << member.name;
  }
  const auto expected = test::parse_file(plain.output()).tensors;
  size_t number = 0;
  for (const plan::TensorPlan &entry : run.plan().tensors) {
    for (const plan::Output &output : plan::outputs(run.plan(), entry.source)) {
      const ZipMember *member = directory.find(concat("archive/data/", number++));
      ASSERT_NE(member, nullptr) << output.name;
      EXPECT_EQ(content_of(file, *member), expected.at(output.name).bytes) << output.name;
    }
  }
  EXPECT_EQ(number, expected.size());
}

TEST(SealStage, completes_an_archive_that_reads_back) {
  const std::vector<FileTensor> tensors = some_tensors();
  const ViewFile file = some_file(tensors);
  Json copy = test::default_options();
  copy["bits"] = "none";
  Json asymmetric = test::int4_options(32);
  asymmetric["scheme"] = "asymmetric";
  for (const Json &options :
       {test::default_options(), asymmetric, test::float_options("BF16"), copy}) {
    Json plain_options = options;
    plain_options["minElements"] = 0;
    const MemoryRun plain(test::plan_for(file.catalog(), plain_options), file.bytes());
    Bytes first;
    for (const uint64_t shares : {1U, 2U, 3U}) {
      MemoryRun run(test::plan_for(file.catalog(), zip_options(options)), file.bytes(),
                    {size_t{1} << 19U, 1, 2, shares});
      const auto sealed = run.seal();
      ASSERT_TRUE(sealed) << sealed.error().message;
      expect_tiled(run);
      expect_archive(run, plain);
      first = first.empty() ? run.output() : first;
      EXPECT_TRUE(run.output() == first) << shares << " shares write other bytes";
    }
  }
}

TEST(SealStage, puts_checksums_of_many_bands_together) {
  Random random(122);
  const std::vector<FileTensor> tensors = {
      test::random_weights(random, "a.weight", Dtype::kF32, {3, 1'500'000}),
      test::random_bytes(random, "table", Dtype::kU8, {(17 << 20U) + 3})};
  ViewFile file(123);
  file.add_plain(tensors[0]);
  file.add_plain(tensors[1]);
  MemoryRun run(test::plan_for(file.catalog(), zip_options(test::default_options())), file.bytes(),
                {size_t{1} << 20U, 2, 2, 3});
  const auto sealed = run.seal();
  ASSERT_TRUE(sealed) << sealed.error().message;
  expect_tiled(run);
  expect_archive(run,
                 MemoryRun(test::plan_for(file.catalog(), test::default_options()), file.bytes()));
}

TEST(SealStage, has_nothing_to_write_into_safetensors) {
  const ViewFile file = some_file(some_tensors());
  MemoryRun run(test::plan_for(file.catalog(), test::default_options()), file.bytes());
  const Bytes before = run.output();
  ASSERT_TRUE(run.seal());
  EXPECT_TRUE(run.output() == before);
  expect_tiled(run);
}

TEST(SealStage, notices_that_the_source_is_damaged) {
  const std::vector<FileTensor> tensors = some_tensors();
  const ViewFile file = some_file(tensors);
  const catalog::Catalog catalog = file.catalog();
  Json per_tensor = test::default_options();
  per_tensor["strategy"] = "tensor"; // two passes over the same bytes
  for (const Json &options : {test::default_options(), per_tensor, test::float_options("F16")}) {
    for (const size_t i : {0U, 2U, 3U, 5U}) {
      Bytes damaged = file.bytes();
      uint8_t &byte = damaged[static_cast<size_t>(catalog.tensors[i].offset)];
      byte = static_cast<uint8_t>(byte ^ 1U);
      MemoryRun run(test::plan_for(catalog, options), damaged, {size_t{1} << 19U, 1, 1, i % 3 + 1});
      const auto sealed = run.seal();
      ASSERT_FALSE(sealed) << tensors[i].name;
      EXPECT_EQ(sealed.error().code, ErrorCode::kMalformedFile);
      EXPECT_EQ(sealed.error().tensor, tensors[i].name);
    }
  }
}

TEST(SealStage, compares_a_source_whose_bands_several_shares_have_read) {
  Random random(124);
  const FileTensor table = test::random_bytes(random, "table", Dtype::kU8, {(40 << 20U) + 1});
  ViewFile file(125);
  file.add_plain(table);
  const plan::Plan plan = test::plan_for(file.catalog(), test::default_options());
  const auto offset = static_cast<size_t>(plan.catalog->tensors[0].offset);
  MemoryRun good(plan, file.bytes(), {size_t{1} << 20U, 1, 1, 3});
  EXPECT_TRUE(good.seal());
  for (const size_t at : {size_t{0}, size_t{17} << 20U, size_t{40} << 20U}) {
    Bytes damaged = file.bytes();
    damaged[offset + at] = static_cast<uint8_t>(damaged[offset + at] ^ 0x80U);
    MemoryRun run(plan, damaged, {size_t{1} << 20U, 1, 1, 3});
    EXPECT_FALSE(run.seal()) << at;
  }
}

/// Seals one encoding with results that somebody else hands in.
Result<void> seal_with(std::string_view results) {
  const ViewFile file = some_file(some_tensors());
  const MemoryRun run(test::plan_for(file.catalog(), zip_options(test::default_options())),
                      file.bytes());
  SealStage seal(*run.stages()[0], results);
  return test::drive(
      seal, [](uint64_t, std::span<uint8_t>) {}, [](uint64_t, std::span<const uint8_t>) {});
}

TEST(SealStage, refuses_results_that_are_none) {
  for (const std::string_view results :
       {"", "{}", "null", "[1]", "[[]]", "[null]", R"([{"source":[[0,0,0]]}])",
        R"([{"source":[[99,0,0,0]]}])", R"([{"source":[[0,0,0,-1]]}])",
        R"([{"output":[["0",1,2]]}])", R"([{"output":7}])", R"([{"source":{"a":1}}])"}) {
    const auto sealed = seal_with(results);
    ASSERT_FALSE(sealed) << results;
    EXPECT_EQ(sealed.error().code, ErrorCode::kInternal) << results;
  }
}

} // namespace
} // namespace monoquant::run
