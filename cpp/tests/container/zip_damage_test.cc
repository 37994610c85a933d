#include <gtest/gtest.h>

#include "monoquant/base/text.h"
#include "monoquant/container/zip.h"
#include "support/answer.h"
#include "support/random.h"
#include "support/zip_file.h"

namespace monoquant::container {
namespace {

using test::Bytes;
using test::bytes_from_hex;
using test::make_zip;
using test::patch;
using test::read_directory;
using test::read_member;
using test::stored_entry;
using test::ZipEntry;
using test::ZipShape;

void expect_refused(const Bytes &file, ErrorCode code, std::string_view words) {
  const auto directory = read_directory(file);
  ASSERT_FALSE(directory.has_value()) << words;
  EXPECT_EQ(directory.error().code, code) << directory.error().message;
  EXPECT_NE(directory.error().message.find(words), std::string::npos) << directory.error().message;
  EXPECT_FALSE(directory.error().suggestion.empty());
}

TEST(Zip, ATruncatedFileIsRefusedAtEveryByte) {
  for (const bool zip64 : {false, true}) {
    const Bytes file = test::sample_zip(zip64);
    for (size_t length = 0; length < file.size(); ++length) {
      const auto directory =
          read_directory({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)});
      ASSERT_FALSE(directory.has_value()) << length;
      EXPECT_EQ(directory.error().code, ErrorCode::kFileTruncated) << length;
    }
  }
}

TEST(Zip, AnArchiveInsideATruncatedOneIsNotTakenForIt) {
  const Bytes file = make_zip(
      {stored_entry("first", Bytes(10)),
       stored_entry("inner.zip", test::sample_zip(true)), // as a .pt2 holds a .pt
       stored_entry("inner2.zip", test::sample_zip(false)), stored_entry("last", Bytes(1000))});
  EXPECT_TRUE(read_directory(file).has_value());
  for (size_t length = 0; length < file.size(); ++length) {
    const auto directory =
        read_directory({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)});
    ASSERT_FALSE(directory.has_value()) << length;
  }
  expect_refused({file.begin(), file.end() - 500}, ErrorCode::kFileTruncated, "directory");
}

/// What the directory promises about any file, however broken.
void expect_consistent(const Bytes &file) {
  const auto directory = read_directory(file);
  if (!directory) {
    return;
  }
  for (const ZipMember &member : directory.value().members) {
    ASSERT_LE(member.end_limit, file.size());
    ASSERT_LE(member.header_offset + member.stored_bytes, member.end_limit);
    ByteWindow window(file.size());
    window.add(0, file);
    if (const auto data = find_zip_data(window, member); data) {
      ASSERT_LE(std::get<uint64_t>(data.value()) + member.stored_bytes, member.end_limit);
    }
    const auto content = read_member(file, member, 100'000);
    if (content) {
      ASSERT_EQ(content.value().bytes.size(), member.bytes);
      ASSERT_LE(content.value().bytes.size(), 100'000U);
    }
  }
}

TEST(Zip, EveryByteMayBeWrong) {
  for (const bool zip64 : {false, true}) {
    const Bytes file = test::sample_zip(zip64);
    for (size_t at = 0; at < file.size(); ++at) {
      for (const unsigned change : {0x01U, 0x80U, 0xFFU}) {
        Bytes broken = file;
        broken[at] = static_cast<uint8_t>(broken[at] ^ change);
        expect_consistent(broken);
      }
    }
  }
}

TEST(Zip, RandomDamageIsNoMatter) {
  test::Random random(4);
  for (int trial = 0; trial < 3'000; ++trial) {
    Bytes file = test::sample_zip(random.chance(2));
    for (size_t i = 1 + random.index(6); i > 0; --i) {
      const size_t end = random.chance(2) ? 200 : file.size(); // most is decided at the end
      file[file.size() - 1 - random.index(end)] =
          random.chance(2) ? static_cast<uint8_t>(random.bits()) : uint8_t{0xFF};
    }
    expect_consistent(file);
  }
}

TEST(Zip, FieldsThatLieAreRefused) {
  const Bytes good = make_zip({stored_entry("one", Bytes(50)), stored_entry("two", Bytes(60))});
  ASSERT_TRUE(read_directory(good).has_value());
  const size_t end = good.size() - 22;
  const size_t second = end - 49; // directory entries of 46 + 3 bytes
  const auto patched = [&](size_t at, auto value) {
    Bytes file = good;
    test::patch(file, at, value);
    return file;
  };
  constexpr ErrorCode kMalformed = ErrorCode::kMalformedFile;
  expect_refused(patched(end + 4, uint16_t{1}), kMalformed, "split into several files");
  expect_refused(patched(end + 6, uint16_t{1}), kMalformed, "split into several files");
  expect_refused(patched(end + 8, uint16_t{1}), kMalformed, "counts 1 members of 2");
  expect_refused(patched(second + 34, uint16_t{1}), kMalformed, "split into several files");
  expect_refused(patched(end + 12, uint32_t{97}), kMalformed, "does not end at");
  expect_refused(patched(end + 16, uint32_t{0}), kMalformed, "does not end at");
  expect_refused(patched(end + 8, 0x00010001U), kMalformed, "49 bytes of directory after");
  expect_refused(patched(end + 8, 0x00030003U), kMalformed, "3 members in a directory");
  expect_refused(patched(second, uint32_t{0}), kMalformed, "no directory entry for member 2 of 2");
  expect_refused(patched(second + 28, uint16_t{4}), kMalformed, "longer than the directory");
  expect_refused(patched(second + 32, uint16_t{1}), kMalformed, "longer than the directory");
  expect_refused(patched(second + 20, uint32_t{61}), kMalformed, "stored as 61");
  expect_refused(patched(second + 42, uint32_t{0}), kMalformed, "overlapping");
  expect_refused(patched(second + 42, uint32_t{40}), kMalformed, "overlapping");
  expect_refused(patched(second + 42, uint32_t{1'000'000}), kMalformed, "overlapping");
  expect_refused(patched(second + 42, 0xFFFFFFFFU), kMalformed, "overlapping");

  // A zip64 field is read where there is one.
  ZipEntry entry = stored_entry("one", Bytes(10));
  entry.zip64 = true;
  entry.header_offset = 0xFFFFFFFFFFFFFFFFULL;
  expect_refused(make_zip({entry}), kMalformed, "overlapping");
  entry.header_offset = 30;
  expect_refused(make_zip({entry}), kMalformed, "overlapping");
  Bytes file = make_zip({stored_entry("one", Bytes(10))});
  test::patch<uint32_t>(file, file.size() - 22 - 49 + 20, 0xFFFFFFFFU);
  test::patch<uint32_t>(file, file.size() - 22 - 49 + 24, 0xFFFFFFFFU);
  expect_refused(file, kMalformed, "overlapping");
  entry = stored_entry("one", Bytes(10));
  entry.central_extra = bytes_from_hex("0100000001");
  EXPECT_TRUE(read_directory(make_zip({entry})).has_value()) << "a byte of padding does no harm";
  entry.central_extra = bytes_from_hex("0100080001");
  expect_refused(make_zip({entry}), kMalformed, "extra fields");
  entry.central_extra = bytes_from_hex("01000800ffffffffffffffff");
  entry.header_offset = 0xFFFFFFFF;
  expect_refused(make_zip({entry}), kMalformed, "overlapping");
  entry.central_extra = bytes_from_hex("010004000000ffff");
  expect_refused(make_zip({entry}), kMalformed, "too short");
}

TEST(Zip, EndRecordsMustAgree) {
  const Bytes good = test::sample_zip(true);
  const size_t end = good.size() - 22;
  const size_t zip64 = end - 20 - 56;
  const auto expect_patched = [&](size_t at, auto value, std::string_view words) {
    Bytes file = good;
    test::patch(file, at, value);
    expect_refused(file, ErrorCode::kMalformedFile, words);
  };
  expect_patched(end + 8, 0x00020002U, "contradict");
  expect_patched(end + 12, uint32_t{5}, "contradict");
  expect_patched(end + 16, uint32_t{5}, "contradict");
  expect_patched(zip64 + 24, uint64_t{4}, "contradict");
  expect_patched(zip64, uint32_t{0}, "no zip64 end record");
  expect_patched(zip64 + 4, uint64_t{43}, "does not end where");
  expect_patched(zip64 + 16, uint32_t{1}, "split");
  expect_patched(zip64 + 20, uint32_t{1}, "split");
  expect_patched(end - 20 + 4, uint32_t{1}, "split");
  expect_patched(end - 20 + 8, uint64_t{zip64 - 1}, "no zip64 end record");
  expect_patched(end - 20 + 8, ~uint64_t{0}, "no zip64 end record");
  expect_patched(end - 20 + 16, uint32_t{2}, "split");
  expect_patched(zip64 + 40, ~uint64_t{0}, "does not end at");
  expect_patched(zip64 + 48, ~uint64_t{0}, "does not end at");
}

TEST(Zip, NothingMayStandInFrontOrBetween) {
  Bytes file = test::sample_zip(false);
  file.insert(file.begin(), 8, 0);
  expect_refused(file, ErrorCode::kMalformedFile, "bytes put in front");
  file = test::sample_zip(true);
  file.insert(file.begin(), 8, 0);
  expect_refused(file, ErrorCode::kMalformedFile, "bytes put in front");
  ZipShape shape;
  shape.before_end = Bytes(1);
  expect_refused(make_zip({stored_entry("one", Bytes(10))}, shape), ErrorCode::kMalformedFile,
                 "does not end at");
}

TEST(Zip, TwoArchivesInOneFileAreRefused) {
  const Bytes one = make_zip({stored_entry("a", Bytes(10))});
  // A comment that is an archive of its own for whoever looks from the end.
  ZipShape shape;
  const Bytes inner = make_zip({stored_entry("b", Bytes(3))});
  shape.comment = std::string(inner.begin(), inner.end());
  Bytes file = make_zip({stored_entry("a", Bytes(10))}, shape);
  expect_refused(file, ErrorCode::kMalformedFile, "two end records");
  // One behind the other, whose directory counts from the beginning of the file.
  Bytes second = make_zip({stored_entry("b", Bytes(3))});
  const size_t directory = second.size() - 22 - 46 - 1;
  patch(second, directory + 42, static_cast<uint32_t>(one.size()));
  patch(second, second.size() - 22 + 16, static_cast<uint32_t>(one.size() + directory));
  file = one;
  file.insert(file.end(), second.begin(), second.end());
  expect_refused(file, ErrorCode::kMalformedFile, "in front of its first member");
}

TEST(Zip, DataOfAnotherKindBehindTheEndAreRefused) {
  Bytes file = test::sample_zip(false);
  const Bytes more = bytes_from_hex("6d6f7265");
  file.insert(file.end(), more.begin(), more.end());
  expect_refused(file, ErrorCode::kMalformedFile, "data behind its end");
}

TEST(Zip, BytesAfterTheEndDoNoHarm) {
  for (const bool zip64 : {false, true}) {
    Bytes file = test::sample_zip(zip64);
    file.insert(file.end(), 100, 0);
    const auto directory = read_directory(file);
    ASSERT_TRUE(directory.has_value()) << directory.error().message;
    EXPECT_EQ(directory.value().members.size(), 3U);
    file.insert(file.end(), 70'000, 0);
    expect_refused(file, ErrorCode::kFileTruncated, "found none");
  }
}

TEST(Zip, MembersNeitherOverlapNorShareANameNorComeInMillions) {
  ZipEntry twin = stored_entry("two", Bytes(50));
  twin.header_offset = 0;
  expect_refused(make_zip({stored_entry("one", Bytes(50)), twin}), ErrorCode::kMalformedFile,
                 "overlapping");
  expect_refused(make_zip({stored_entry("same", Bytes(5)), stored_entry("b", Bytes(5)),
                           stored_entry("same", Bytes(5))}),
                 ErrorCode::kMalformedFile, "two members of the name \"same\"");
  ZipShape shape;
  shape.zip64_end = true;
  shape.members = kMaxZipMembers + 1;
  expect_refused(make_zip({stored_entry("one", Bytes(50))}, shape), ErrorCode::kLimitExceeded,
                 concat("at most ", kMaxZipMembers, " members"));
  shape.members = ~uint64_t{0};
  expect_refused(make_zip({}, shape), ErrorCode::kLimitExceeded,
                 concat("at most ", kMaxZipMembers, " members"));
}

} // namespace
} // namespace monoquant::container
