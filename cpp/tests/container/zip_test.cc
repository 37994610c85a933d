#include <gtest/gtest.h>

#include "monoquant/base/bytes.h"
#include "monoquant/container/deflate.h"
#include "monoquant/container/zip.h"
#include "support/answer.h"
#include "support/random.h"
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
using test::ZipShape;

// Python's zipfile: a stored and a deflated member, a comment.
constexpr std::string_view kPythonZip = "504b030414000000000000002100d19e675502000000020000000f0000"
                                        "00617263686976652f76657273696f6e330a504b03"
                                        "0414000000080000002100d165587c0800000096000000100000006172"
                                        "63686976652f646174612e706b6c4b4c4a4e1c7c08"
                                        "00504b0102140314000000000000002100d19e67550200000002000000"
                                        "0f0000000000000000000000800100000000617263"
                                        "686976652f76657273696f6e504b0102140314000000080000002100d1"
                                        "65587c080000009600000010000000000000000000"
                                        "000080012f000000617263686976652f646174612e706b6c504b050600"
                                        "000000020002007b000000650000000900612063"
                                        "6f6d6d656e74";
// The same to a pipe: sizes behind the data, a zip64 field in the local header only.
constexpr std::string_view kPythonStream = "504b03042d00080008000000210000000000ffffffffffffffff060"
                                           "01400732f646174610100100000000000000000000000"
                                           "0000000000002b2e294a4dcc4d4d51281e65a4280000504b0708858"
                                           "39ff910000000000000000e01000000000000504b0102"
                                           "2d032d00080008000000210085839ff9100000000e0100000600000"
                                           "00000000000000000800100000000732f64617461504b"
                                           "0506000000000100010034000000600000000000";
Bytes random_bytes(test::Random &random, size_t most) {
  Bytes bytes(random.index(most + 1));
  for (uint8_t &byte : bytes) {
    byte = static_cast<uint8_t>(random.bits());
  }
  return bytes;
}

TEST(Zip, ReadsWhatPythonWrote) {
  const Bytes file = bytes_from_hex(kPythonZip);
  auto directory = read_directory(file);
  ASSERT_TRUE(directory.has_value()) << directory.error().message;
  ASSERT_EQ(directory.value().members.size(), 2U);
  EXPECT_EQ(directory.value().members[0].name, "archive/version");
  EXPECT_EQ(directory.value().members[0].end_limit, directory.value().members[1].header_offset);
  const ZipMember *pickle = directory.value().find("archive/data.pkl");
  ASSERT_NE(pickle, nullptr);
  EXPECT_EQ(directory.value().find("data.pkl"), nullptr);
  const auto content = read_member(file, *pickle);
  ASSERT_TRUE(content.has_value()) << content.error().message;
  EXPECT_TRUE(content.value().crc_matches);
  Bytes expected;
  for (int i = 0; i < 50; ++i) {
    for (const char letter : {'a', 'b', 'c'}) {
      expected.push_back(static_cast<uint8_t>(letter));
    }
  }
  EXPECT_EQ(content.value().bytes, expected);
}

TEST(Zip, ReadsWhatPythonStreamed) {
  const Bytes file = bytes_from_hex(kPythonStream);
  auto directory = read_directory(file);
  ASSERT_TRUE(directory.has_value()) << directory.error().message;
  const auto content = read_member(file, directory.value().members.at(0));
  ASSERT_TRUE(content.has_value()) << content.error().message;
  EXPECT_EQ(content.value().bytes.size(), 270U);
  EXPECT_TRUE(content.value().crc_matches);
}

TEST(Zip, ReadsBackAnyArchiveInAnyPieces) {
  test::Random random(1);
  for (int trial = 0; trial < 150; ++trial) {
    std::vector<ZipEntry> entries;
    for (size_t i = random.index(12); i > 0; --i) {
      ZipEntry entry =
          random.chance(4)
              ? test::deflated_zeros()
              : stored_entry("", random_bytes(random, random.chance(5) ? 200'000 : 300));
      entry.name = std::string(random.index(40), 'x') + std::to_string(i);
      entry.streamed = random.chance(2);
      entry.zip64 = random.chance(3);
      entry.comment = std::string(random.index(3), '#');
      if (random.chance(2)) {
        entry.local_extra.assign(4 + 70, 0);
        test::patch<uint16_t>(entry.local_extra, 2, 70);
      }
      entry.central_extra = bytes_from_hex(random.chance(2) ? "efbe0100ff" : "");
      if (random.chance(3)) {
        entry.local_name = entry.name + "?";
      }
      entries.push_back(std::move(entry));
    }
    ZipShape shape;
    shape.zip64_end = random.chance(2);
    shape.comment = std::string(random.chance(3) ? random.index(65'536) : 0, '.');
    shape.before_directory = random_bytes(random, random.chance(3) ? 100'000 : 0);
    const Bytes file = make_zip(entries, shape);

    ByteWindow window(file.size());
    const uint64_t more = random.chance(2) ? 0 : random.below(100'000);
    const auto directory = test::parse_all<ZipDirectory>(window, file, read_zip_directory, 3, more);
    ASSERT_TRUE(directory.has_value()) << directory.error().message;
    ASSERT_EQ(directory.value().members.size(), entries.size());
    for (size_t i = 0; i < entries.size(); ++i) {
      const ZipMember &member = directory.value().members[i];
      EXPECT_EQ(member.name, entries[i].name);
      EXPECT_EQ(directory.value().find(member.name), &member);
      const auto read = [&](const ByteWindow &known) {
        return read_zip_member(known, member, 200'000);
      };
      // Header and data in one read, whatever the extra field (up to 256 bytes).
      const auto content = test::parse_all<ZipContent>(window, file, read, 1, more);
      ASSERT_TRUE(content.has_value()) << content.error().message;
      EXPECT_TRUE(content.value().crc_matches);
      EXPECT_EQ(content.value().bytes, entries[i].method == 0 ? entries[i].stored : Bytes(100'000));
      const auto data = find_zip_data(window, member);
      ASSERT_TRUE(data.has_value());
      const uint64_t begin = std::get<uint64_t>(data.value());
      ASSERT_LE(begin + member.stored_bytes, member.end_limit);
      EXPECT_TRUE(std::equal(entries[i].stored.begin(), entries[i].stored.end(),
                             file.begin() + static_cast<std::ptrdiff_t>(begin)));
    }
  }
}

TEST(Zip, AFarDirectoryIsAskedForOnce) {
  std::vector<ZipEntry> entries;
  for (int i = 0; i < 3'000; ++i) {
    entries.push_back(stored_entry("archive/data/" + std::to_string(i), Bytes(100)));
  }
  const Bytes file = make_zip(entries);
  ByteWindow window(file.size());
  const auto directory = test::parse_all<ZipDirectory>(window, file, read_zip_directory, 2);
  ASSERT_TRUE(directory.has_value());
  EXPECT_EQ(directory.value().members.size(), 3'000U);
}

TEST(Zip, AnEmptyArchiveHasNoMembers) {
  const auto directory = read_directory(make_zip({}));
  ASSERT_TRUE(directory.has_value());
  EXPECT_TRUE(directory.value().members.empty());
  EXPECT_EQ(directory.value().find(""), nullptr);
}

TEST(Zip, LooksLikeWhatItIs) {
  EXPECT_TRUE(looks_like_zip(test::sample_zip(false)));
  EXPECT_TRUE(looks_like_zip(make_zip({})));
  EXPECT_FALSE(looks_like_zip(bytes_from_text("PK")));
  EXPECT_FALSE(looks_like_zip(bytes_from_text("PK\5\5")));
  EXPECT_FALSE(looks_like_zip({}));
}

} // namespace
} // namespace monoquant::container
