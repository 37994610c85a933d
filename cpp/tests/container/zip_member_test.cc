#include <gtest/gtest.h>

#include "monoquant/container/zip.h"
#include "support/answer.h"
#include "support/zip_file.h"

namespace monoquant::container {
namespace {

using test::Bytes;
using test::bytes_from_hex;
using test::bytes_from_text;
using test::make_zip;
using test::read_directory;
using test::read_member;
using test::stored_entry;
using test::ZipEntry;

void expect_member_refused(const Bytes &file, ErrorCode code, std::string_view words,
                           uint64_t max_bytes = 1 << 20) {
  const auto directory = read_directory(file);
  ASSERT_TRUE(directory.has_value()) << directory.error().message;
  const auto content = read_member(file, directory.value().members.back(), max_bytes);
  ASSERT_FALSE(content.has_value()) << words;
  EXPECT_EQ(content.error().code, code) << content.error().message;
  EXPECT_NE(content.error().message.find(words), std::string::npos) << content.error().message;
}

TEST(ZipMember, IsNeverLargerThanAllowed) {
  const Bytes file = make_zip({test::deflated_zeros()});
  expect_member_refused(file, ErrorCode::kLimitExceeded, "at most 99999 bytes", 99'999);
  const auto directory = read_directory(file);
  EXPECT_TRUE(read_member(file, directory.value().members[0], 100'000).has_value());
  expect_member_refused(make_zip({stored_entry("a", Bytes(11))}), ErrorCode::kLimitExceeded,
                        "at most 10 bytes", 10);
}

TEST(ZipMember, HasTheSizeThatTheDirectorySays) {
  constexpr ErrorCode kMalformed = ErrorCode::kMalformedFile;
  ZipEntry entry = test::deflated_zeros();
  entry.bytes = 99'999;
  expect_member_refused(make_zip({entry}), kMalformed, "holds more than the 99999 bytes");
  entry.bytes = 1;
  expect_member_refused(make_zip({entry}), kMalformed, "holds more than");
  entry.bytes = 0;
  expect_member_refused(make_zip({entry}), kMalformed, "holds more than");
  entry.bytes = 100'001;
  expect_member_refused(make_zip({entry}), kMalformed, "holds less than the 100001 bytes");
  entry.bytes = 4'000'000; // more than 114 bytes can hold
  expect_member_refused(make_zip({entry}), kMalformed, "too small to hold", 5'000'000);
  entry = test::deflated_zeros();
  entry.stored.pop_back();
  expect_member_refused(make_zip({entry}), kMalformed, "has no end after");
  entry.stored.resize(100);
  expect_member_refused(make_zip({entry}), kMalformed, "ends before");
  entry = test::deflated_zeros();
  entry.stored.push_back(0);
  expect_member_refused(make_zip({entry}), kMalformed, "1 bytes after the end");
  entry.stored.clear();
  entry.bytes = 0;
  expect_member_refused(make_zip({entry}), kMalformed, "too small to hold");
  entry.stored = bytes_from_hex("ffff");
  entry.bytes = 10;
  expect_member_refused(make_zip({entry}), kMalformed, "\"zeros\": Expected compressed data");
}

TEST(ZipMember, AnEmptyOneNeedsNoData) {
  ZipEntry deflated = test::deflated_zeros();
  deflated.stored = bytes_from_hex("0300");
  deflated.bytes = 0;
  deflated.crc32 = 0;
  for (const ZipEntry &entry : {deflated, stored_entry("nothing", {})}) {
    const Bytes file = make_zip({entry});
    const auto directory = read_directory(file);
    ASSERT_TRUE(directory.has_value());
    const auto content = read_member(file, directory.value().members[0], 0);
    ASSERT_TRUE(content.has_value()) << content.error().message;
    EXPECT_TRUE(content.value().bytes.empty() && content.value().crc_matches);
  }
}

TEST(ZipMember, AWrongChecksumIsTold) {
  ZipEntry entry = test::deflated_zeros();
  entry.crc32 ^= 1;
  for (const ZipEntry &wrong : {entry, [] {
                                  ZipEntry stored = stored_entry("a", bytes_from_text("text"));
                                  stored.stored[0] = 'T';
                                  return stored;
                                }()}) {
    const Bytes file = make_zip({wrong});
    const auto directory = read_directory(file);
    const auto content = read_member(file, directory.value().members[0]);
    ASSERT_TRUE(content.has_value());
    EXPECT_FALSE(content.value().crc_matches);
  }
}

TEST(ZipMember, OtherMethodsAreNamed) {
  ZipEntry entry = stored_entry("a", bytes_from_text("text"));
  entry.bytes = 4;
  entry.method = 14;
  expect_member_refused(make_zip({entry}), ErrorCode::kUnsupportedFormat, "method 14");
  entry.method = 0;
  entry.flags = 1;
  expect_member_refused(make_zip({entry}), ErrorCode::kUnsupportedFormat, "encrypted");
}

TEST(ZipMember, TheLocalHeaderLeadsNowhereElse) {
  const Bytes good = make_zip({stored_entry("one", Bytes(50)), stored_entry("two", Bytes(60))});
  const auto directory = read_directory(good);
  const ZipMember &first = directory.value().members[0];
  for (const auto &[at, words] : {std::pair(0, "no local header"), std::pair(27, "overlapping"),
                                  std::pair(28, "overlapping"), std::pair(29, "overlapping")}) {
    Bytes file = good;
    file[static_cast<size_t>(at)] = static_cast<uint8_t>(file[static_cast<size_t>(at)] + 1);
    ByteWindow window(file.size());
    const auto parse = [&](const ByteWindow &known) { return find_zip_data(known, first); };
    const auto data = test::parse_all<uint64_t>(window, file, parse, 1);
    ASSERT_FALSE(data.has_value()) << at;
    EXPECT_EQ(data.error().code, ErrorCode::kMalformedFile);
    EXPECT_NE(data.error().message.find(words), std::string::npos) << data.error().message;
  }
}

} // namespace
} // namespace monoquant::container
