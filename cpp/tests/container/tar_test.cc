#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "monoquant/container/tar.h"
#include "support/answer.h"
#include "support/random.h"
#include "support/zip_file.h"

namespace monoquant::container {
namespace {

using test::Bytes;
using test::bytes_from_text;

struct Entry {
  std::string name;
  char type = '0';
  Bytes data = {};
  std::optional<std::string> size = {}; // the field, where it is not the data's
  std::string magic = std::string("ustar\0", 6) + "00";
  std::string prefix = {};
};

std::string octal(uint64_t number, size_t digits) {
  std::string text(digits, '0');
  for (size_t i = digits; i-- > 0; number /= 8) {
    text[i] = static_cast<char>('0' + number % 8);
  }
  return text;
}

void put(Bytes &header, size_t at, std::string_view text) {
  std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at));
}

void add(Bytes &file, const Entry &entry) {
  Bytes header(512);
  put(header, 0, entry.name);
  put(header, 124, entry.size.value_or(octal(entry.data.size(), 11)));
  header[156] = static_cast<uint8_t>(entry.type);
  put(header, 257, entry.magic);
  put(header, 345, entry.prefix);
  put(header, 148, "        ");
  uint64_t sum = 0;
  for (const uint8_t byte : header) {
    sum += byte;
  }
  put(header, 148, octal(sum, 6) + '\0' + ' ');
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), entry.data.begin(), entry.data.end());
  file.resize((file.size() + 511) / 512 * 512);
}

Bytes make_tar(const std::vector<Entry> &entries) {
  Bytes file;
  for (const Entry &entry : entries) {
    add(file, entry);
  }
  file.resize(file.size() + 1024);
  return file;
}

Result<std::vector<TarMember>> read_members(const Bytes &file, uint64_t more = 0) {
  ByteWindow window(file.size());
  return test::parse_all<std::vector<TarMember>>(window, file, read_tar, 5'000, more);
}

/// "name offset bytes" of each.
std::vector<std::string> list(const Bytes &file) {
  const auto members = read_members(file);
  EXPECT_TRUE(members.has_value()) << members.error().message;
  std::vector<std::string> lines;
  for (const TarMember &member : members.value()) {
    lines.push_back(member.name + " " + std::to_string(member.offset) + " " +
                    std::to_string(member.bytes));
  }
  return lines;
}

using Lines = std::vector<std::string>;

TEST(Tar, ListsRegularFiles) {
  const Bytes file = make_tar({{"folder/", '5'},
                               {"sys_info", '0', Bytes(100)},
                               {"link", '2'},
                               {"old", '\0', Bytes(512)},
                               {"old_folder/", '\0'},
                               {"dense", '7', Bytes(513)},
                               {"empty", '0'}});
  EXPECT_EQ(list(file),
            (Lines{"sys_info 1024 100", "old 2560 512", "dense 4096 513", "empty 5632 0"}));
  EXPECT_TRUE(looks_like_tar(file));
  EXPECT_FALSE(looks_like_tar(std::span(file).first(511)));
  EXPECT_FALSE(looks_like_tar(Bytes(1024)));
  EXPECT_TRUE(list(Bytes(1024)).empty());
}

TEST(Tar, LongNamesComeInThreeWays) {
  const std::string name(150, 'n');
  const Bytes text = bytes_from_text(name + '\0');
  const std::string path = "162 path=" + name + "é\n";
  EXPECT_EQ(path.size(), 162U);
  const Bytes file =
      make_tar({{"././@LongLink", 'L', text, {}, "ustar  "},
                {name.substr(0, 100), '0', Bytes(1), {}, "ustar  "},
                {"x", 'x', bytes_from_text("30 mtime=1700000000.123456789\n" + path), {}},
                {"short", '0', Bytes(2)},
                {"base", '0', Bytes(3), {}, std::string("ustar\0", 6) + "00", "some/folder"},
                {"gnu", '0', Bytes(4), {}, "ustar  ", "no prefix"},
                {"long link target", 'K', text},
                {"g", 'g', bytes_from_text("13 path=all\n ")},
                {"plain", '0', Bytes(5)}});
  const Lines lines = list(file);
  EXPECT_EQ(lines, (Lines{name + " 1536 1", name + "é 3584 2", "some/folder/base 4608 3",
                          "gnu 5632 4", "plain 8704 5"}));
}

TEST(Tar, SizesComeInThreeWays) {
  std::string binary(12, '\0');
  binary[0] = '\x80';
  binary[11] = '\x05';
  const Bytes file = make_tar({{"binary", '0', Bytes(5), binary},
                               {"spaces", '0', Bytes(9), "        11 "},
                               {"x", 'x', bytes_from_text("9 size=7\n")},
                               {"pax", '0', Bytes(7), "00000000000"},
                               {"last", '0', Bytes(1)}});
  EXPECT_EQ(list(file), (Lines{"binary 512 5", "spaces 1536 9", "pax 3584 7", "last 4608 1"}));
}

TEST(Tar, ATruncatedFileIsRefusedAtEveryByte) {
  const Bytes file = make_tar({{"one", '0', Bytes(600)},
                               {"x", 'x', bytes_from_text("14 path=other\n")},
                               {"two", '0', Bytes(10)}});
  const size_t mark = file.size() - 1024; // one block of zeros is enough
  for (size_t length = 0; length < file.size(); ++length) {
    const auto members =
        read_members({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)});
    ASSERT_EQ(members.has_value(), length >= mark + 512) << length;
    if (!members) {
      EXPECT_EQ(members.error().code, ErrorCode::kFileTruncated);
    }
  }
}

TEST(Tar, WrongHeadersAreRefused) {
  const auto expect = [](const Bytes &file, ErrorCode code, std::string_view words) {
    const auto members = read_members(file);
    ASSERT_FALSE(members.has_value()) << words;
    EXPECT_EQ(members.error().code, code) << members.error().message;
    EXPECT_NE(members.error().message.find(words), std::string::npos) << members.error().message;
  };
  constexpr ErrorCode kMalformed = ErrorCode::kMalformedFile;
  Bytes file = make_tar({{"one", '0', Bytes(600)}, {"two", '0', Bytes(10)}});
  file[1536 + 5] = 'x'; // in the second header: its checksum is wrong now
  expect(file, kMalformed, "no valid header at 1536");
  expect(make_tar({{"one", '0', Bytes(5), "0000000000x"}}), kMalformed, "no valid header at 0");
  expect(make_tar({{"one", '0', Bytes(5), std::string(12, '\xFF')}}), kMalformed,
         "no valid header");
  expect(make_tar({{"one", '0', Bytes(5), "77777777777"}}), ErrorCode::kFileTruncated,
         "inside a member of 8589934591 bytes");
  expect(make_tar({{"L", 'L', Bytes(70'000)}}), kMalformed, "a name of 70000 bytes");
  for (const char *records : {"5 path=x\n", "99 path=x\n", "path=x\n", "9 path=x ", "12 size=1e3\n",
                              "8 size=\n", "3\n\n", "0 \n", "99999999999999999999 path=x\n"}) {
    expect(make_tar({{"x", 'x', bytes_from_text(records)}}), kMalformed, "extended header");
  }
  std::vector<Entry> many;
  for (size_t i = 0; i <= kMaxTarMembers; ++i) {
    many.push_back(Entry{std::to_string(i)});
  }
  expect(make_tar(many), ErrorCode::kLimitExceeded, "at most 1000");
  many.pop_back();
  EXPECT_EQ(list(make_tar(many)).size(), kMaxTarMembers);
  expect(make_tar(std::vector<Entry>(4'000, Entry{"x", 'x'})), ErrorCode::kLimitExceeded, "1000");
}

TEST(Tar, DamageAndPiecesAreNoMatter) {
  test::Random random(5);
  const Bytes good = make_tar({{"one", '0', Bytes(600)},
                               {"x", 'x', bytes_from_text("14 path=other\n9 size=9\n")},
                               {"two", '0', Bytes(9)},
                               {"L", 'L', bytes_from_text("long name")},
                               {"three", '0', Bytes(70'000)},
                               {"four", '0', Bytes(3)}});
  const Lines lines = list(good);
  EXPECT_EQ(lines.size(), 4U);
  for (int trial = 0; trial < 2'000; ++trial) {
    Bytes file = good;
    const bool whole = random.chance(10);
    if (!whole) {
      // The checksum forgives two changes that cancel each other out.
      const size_t at = random.index(5) * 512 + random.index(510);
      const auto change = static_cast<uint8_t>(random.index(8));
      file[at] = static_cast<uint8_t>(file[at] + change);
      file[at + 1] = static_cast<uint8_t>(file[at + 1] - change);
    }
    const auto members = read_members(file, random.below(2'000));
    EXPECT_TRUE(!whole || (members.has_value() && members.value().size() == 4));
    if (members) {
      for (const TarMember &member : members.value()) {
        ASSERT_LE(member.offset + member.bytes, file.size());
      }
    }
  }
}

} // namespace
} // namespace monoquant::container
