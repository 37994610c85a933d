#include <gtest/gtest.h>

#include <numeric>

#include "monoquant/base/bytes.h"
#include "monoquant/base/text.h"
#include "monoquant/container/deflate.h"
#include "monoquant/container/zip.h"
#include "monoquant/container/zip_writer.h"
#include "support/answer.h"
#include "support/random.h"
#include "support/zip_file.h"

namespace monoquant::container {
namespace {

using test::Bytes;

constexpr uint64_t kGib = uint64_t{1} << 30U;

/// The archive of records whose contents are given.
Bytes write(std::vector<ZipRecord> &records, const std::vector<Bytes> &contents) {
  const auto layout = layout_zip(records);
  EXPECT_TRUE(layout.has_value());
  Bytes file;
  std::vector<uint32_t> crcs;
  for (size_t i = 0; i < records.size(); ++i) {
    crcs.push_back(crc32(0, contents[i]));
    const Bytes header = zip_local_header(records[i], crcs[i]);
    EXPECT_EQ(file.size(), records[i].header_offset);
    file.insert(file.end(), header.begin(), header.end());
    EXPECT_EQ(file.size(), records[i].offset);
    file.insert(file.end(), contents[i].begin(), contents[i].end());
  }
  EXPECT_EQ(file.size(), layout.value().directory_offset);
  const Bytes directory = zip_directory(records, crcs, layout.value());
  file.insert(file.end(), directory.begin(), directory.end());
  EXPECT_EQ(file.size(), layout.value().file_bytes);
  return file;
}

/// The directory of an archive of which only the end exists, as it would be on a disk.
ZipDirectory read_end(const ZipLayout &layout, Bytes directory) {
  ByteWindow window(layout.file_bytes);
  // What stands in front of the directory is zeros, as far as the reader looks.
  const uint64_t front = std::min<uint64_t>(layout.directory_offset, 128 * 1024);
  directory.insert(directory.begin(), front, 0);
  window.add(layout.directory_offset - front, directory);
  auto read = read_zip_directory(window);
  EXPECT_TRUE(read.has_value()) << read.error().message;
  if (!read) {
    return {};
  }
  EXPECT_TRUE(std::holds_alternative<ZipDirectory>(read.value()));
  return std::get<ZipDirectory>(std::move(read.value()));
}

TEST(ZipWriter, WhatItWritesIsReadBack) {
  test::Random random(1);
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<ZipRecord> records;
    std::vector<Bytes> contents;
    for (size_t i = random.index(20); i > 0; --i) {
      Bytes content(random.chance(4) ? 0 : random.index(500));
      std::iota(content.begin(), content.end(), static_cast<uint8_t>(random.bits()));
      records.push_back(
          {"a/" + std::string(random.index(90), 'n') + std::to_string(i), content.size()});
      contents.push_back(std::move(content));
    }
    const Bytes file = write(records, contents);
    EXPECT_TRUE(looks_like_zip(file) || records.empty());
    const auto directory = test::read_directory(file);
    ASSERT_TRUE(directory.has_value()) << directory.error().message;
    ASSERT_EQ(directory.value().members.size(), records.size());
    for (size_t i = 0; i < records.size(); ++i) {
      const ZipMember &member = directory.value().members[i];
      EXPECT_EQ(member.name, records[i].name);
      EXPECT_EQ(member.method, 0);
      ByteWindow window(file.size());
      window.add(0, file);
      const auto data = find_zip_data(window, member);
      ASSERT_TRUE(data.has_value());
      EXPECT_EQ(std::get<uint64_t>(data.value()), records[i].offset);
      EXPECT_EQ(records[i].offset % kZipAlignment, 0U);
      EXPECT_LT(records[i].offset - records[i].header_offset, 30 + records[i].name.size() + 4 + 64);
      const auto content = test::read_member(file, member);
      ASSERT_TRUE(content.has_value());
      EXPECT_EQ(content.value().bytes, contents[i]);
      EXPECT_TRUE(content.value().crc_matches);
    }
  }
}

TEST(ZipWriter, WritesTheseBytes) {
  std::vector<ZipRecord> records = {{"a/version", 2}};
  const Bytes file = write(records, {test::bytes_from_text("3\n")});
  EXPECT_EQ(file,
            test::bytes_from_hex(
                // local header: signature, version 1.0, UTF-8, stored, 1980-01-01, CRC, 2 bytes,
                // name 9, extra 25: FB and 21 bytes of padding
                "504b03040a0000080000000021"
                "00d19e6755020000000200000009001900"
                "612f76657273696f6e"
                "46421500"
                "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
                "330a"
                // directory
                "504b01020a000a0000080000000021"
                "00d19e675502000000020000000900" +
                std::string(32, '0') +
                "612f76657273696f6e"
                // zip64 end record and locator
                "504b06062c000000000000002d002d000000000000000000"
                "0100000000000000010000000000000037000000000000004200000000000000"
                "504b060700000000790000000000000001000000"
                // end record
                "504b05060000000001000100370000004200000000"
                "00"));
}

TEST(ZipWriter, LargeRecordsAndOffsetsUseZip64) {
  std::vector<ZipRecord> records = {{"a/small", 10},
                                    {"a/just fits", 0xFFFFFFFEULL},
                                    {"a/does not", 0xFFFFFFFFULL},
                                    {"a/huge", 5 * kGib + 3},
                                    {"a/far", 1}};
  const std::vector<uint32_t> crcs = {1, 2, 3, 4, 5};
  const auto layout = layout_zip(records);
  ASSERT_TRUE(layout.has_value());
  const ZipDirectory directory =
      read_end(layout.value(), zip_directory(records, crcs, layout.value()));
  ASSERT_EQ(directory.members.size(), records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const ZipMember &member = directory.members[i];
    EXPECT_EQ(member.name, records[i].name);
    EXPECT_EQ(member.bytes, records[i].bytes);
    EXPECT_EQ(member.stored_bytes, records[i].bytes);
    EXPECT_EQ(member.header_offset, records[i].header_offset);
    EXPECT_EQ(member.crc32, crcs[i]);
    const Bytes header = zip_local_header(records[i], crcs[i]);
    ByteWindow window(layout.value().file_bytes);
    window.add(records[i].header_offset, header);
    const auto data = find_zip_data(window, member);
    ASSERT_TRUE(data.has_value()) << data.error().message;
    EXPECT_EQ(std::get<uint64_t>(data.value()), records[i].offset);
    // A local header has a zip64 field exactly where its sizes do not fit.
    const bool large = records[i].bytes >= 0xFFFFFFFFULL;
    EXPECT_EQ(load_le<uint32_t>(&header[18]), large ? 0xFFFFFFFFU : records[i].bytes);
    EXPECT_EQ(load_le<uint32_t>(&header[22]), large ? 0xFFFFFFFFU : records[i].bytes);
    EXPECT_EQ(load_le<uint16_t>(&header[4]), large ? 45 : 10);
    const uint8_t *extra = &header[30 + records[i].name.size()];
    EXPECT_EQ(load_le<uint16_t>(extra), large ? 0x0001 : 0x4246);
    if (large) {
      EXPECT_EQ(load_le<uint16_t>(extra + 2), 16);
      EXPECT_EQ(load_le<uint64_t>(extra + 4), records[i].bytes);
      EXPECT_EQ(load_le<uint64_t>(extra + 12), records[i].bytes);
      EXPECT_EQ(load_le<uint16_t>(extra + 20), 0x4246);
    }
  }
}

TEST(ZipWriter, MoreThan65535RecordsAreFine) {
  std::vector<ZipRecord> records;
  for (size_t i = 0; i < 70'000; ++i) {
    records.push_back({std::to_string(i), 0});
  }
  const auto layout = layout_zip(records);
  ASSERT_TRUE(layout.has_value());
  const Bytes written =
      zip_directory(records, std::vector<uint32_t>(records.size()), layout.value());
  EXPECT_EQ(load_le<uint16_t>(&written[written.size() - 12]), 0xFFFF);
  EXPECT_EQ(read_end(layout.value(), written).members.size(), records.size());
}

TEST(ZipWriter, LimitsAreKept) {
  const auto expect_refused = [](std::vector<ZipRecord> records, std::string_view words) {
    const auto layout = layout_zip(records);
    ASSERT_FALSE(layout.has_value()) << words;
    EXPECT_EQ(layout.error().code, ErrorCode::kLimitExceeded);
    EXPECT_NE(layout.error().message.find(words), std::string::npos) << layout.error().message;
  };
  const std::string longest(65'535, 'n');
  std::vector<ZipRecord> fits = {{longest, 1}};
  EXPECT_TRUE(layout_zip(fits).has_value());
  expect_refused({{longest + "n", 1}}, "a name of 65536 bytes");
  expect_refused(std::vector<ZipRecord>(1'100, {longest, 1}), "a directory of");
  expect_refused(std::vector<ZipRecord>(kMaxZipMembers + 1),
                 concat(kMaxZipMembers + 1, " records"));
  constexpr uint64_t kMost = (uint64_t{1} << 53U) - 1;
  expect_refused({{"a", kMost}}, "more than 9007199254740991 bytes");
  expect_refused({{"a", ~uint64_t{0}}}, "more than 9007199254740991 bytes");
  expect_refused({{"a", kMost - 64}}, "more than 9007199254740991 bytes"); // the directory
  expect_refused({{"a", kMost / 2}, {"b", kMost / 2}}, "more than 9007199254740991 bytes");
  fits = {{"a", kMost - 500}};
  EXPECT_TRUE(layout_zip(fits).has_value());
}

} // namespace
} // namespace monoquant::container
