#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "monoquant/base/bytes.h"
#include "monoquant/base/checked.h"
#include "monoquant/base/limits.h"
#include "monoquant/base/text.h"
#include "monoquant/container/safetensors.h"
#include "support/fixture.h"
#include "support/random.h"
#include "support/sha256.h"
#include "support/tensor_file.h"

namespace monoquant::container {
namespace {

using Bytes = std::vector<uint8_t>;
using Step = Parsed<SafetensorsFile>;

Bytes slice(const Bytes &file, uint64_t offset, uint64_t length) {
  const auto begin = file.begin() + static_cast<std::ptrdiff_t>(offset);
  return {begin, begin + static_cast<std::ptrdiff_t>(length)};
}

/// Answers every need until there is a directory or an error. `answer` adds the bytes.
template <typename Answer> Result<SafetensorsFile> read_with(ByteWindow &window, Answer answer) {
  for (int round = 0; round < 4; ++round) {
    auto step = read_safetensors(window);
    if (!step) {
      return step.error();
    }
    if (auto *file = std::get_if<SafetensorsFile>(&step.value())) {
      return std::move(*file);
    }
    const Need need = std::get<Needs>(step.value()).front();
    EXPECT_GT(need.length, 0U);
    EXPECT_LE(need.offset, window.file_size());
    EXPECT_LE(need.length, window.file_size() - need.offset);
    answer(need);
  }
  ADD_FAILURE() << "the reader keeps asking";
  return Error{};
}

Result<SafetensorsFile> read(const Bytes &file) {
  ByteWindow window(file.size());
  return read_with(
      window, [&](Need need) { window.add(need.offset, slice(file, need.offset, need.length)); });
}

Result<SafetensorsFile> read_json(const std::string &json, uint64_t data_bytes) {
  Bytes file = test::make_header(json);
  file.resize(file.size() + static_cast<size_t>(data_bytes));
  return read(file);
}

std::string dtype_of_torch(const std::string &torch) {
  static const std::map<std::string, std::string> kNames = {{"float32", "F32"},
                                                            {"float16", "F16"},
                                                            {"bfloat16", "BF16"},
                                                            {"float64", "F64"},
                                                            {"int8", "I8"},
                                                            {"uint8", "U8"},
                                                            {"int16", "I16"},
                                                            {"uint16", "U16"},
                                                            {"int32", "I32"},
                                                            {"uint32", "U32"},
                                                            {"int64", "I64"},
                                                            {"uint64", "U64"},
                                                            {"bool", "BOOL"},
                                                            {"complex64", "C64"},
                                                            {"float8_e4m3fn", "F8_E4M3"},
                                                            {"float8_e5m2", "F8_E5M2"},
                                                            {"float8_e8m0fnu", "F8_E8M0"},
                                                            {"float8_e4m3fnuz", "F8_E4M3FNUZ"},
                                                            {"float8_e5m2fnuz", "F8_E5M2FNUZ"}};
  return kNames.at(torch);
}

/// What must hold of every directory that is accepted.
void expect_tiles(const SafetensorsFile &file, uint64_t file_size, uint64_t data_start) {
  std::set<std::string> names;
  uint64_t position = data_start;
  for (const SafetensorsEntry &entry : file.entries) {
    ASSERT_EQ(entry.offset, position) << entry.name;
    const auto elements = checked_product(entry.shape);
    ASSERT_TRUE(elements) << entry.name;
    ASSERT_EQ(*elements * dtype_bits(entry.dtype), entry.bytes * 8) << entry.name;
    ASSERT_TRUE(names.insert(entry.name).second) << entry.name << " is there twice";
    position += entry.bytes;
  }
  ASSERT_EQ(position, file_size);
}

bool same(const SafetensorsFile &a, const SafetensorsFile &b) {
  return a.metadata == b.metadata &&
         std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                    [](const SafetensorsEntry &x, const SafetensorsEntry &y) {
                      return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape &&
                             x.offset == y.offset && x.bytes == y.bytes;
                    });
}

class ValidFile : public testing::TestWithParam<std::string> {};

TEST_P(ValidFile, has_exactly_the_listed_tensors) {
  const Bytes bytes = test::read_fixture(GetParam());
  const Json listed = test::read_fixture_json(GetParam() + ".json")["tensors"];
  const auto file = read(bytes);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file.value().entries.size(), listed.size());
  for (const SafetensorsEntry &entry : file.value().entries) {
    ASSERT_TRUE(listed.contains(entry.name)) << entry.name;
    const Json &expected = listed[entry.name];
    EXPECT_EQ(dtype_name(entry.dtype), dtype_of_torch(expected["dtype"].get<std::string>()));
    EXPECT_EQ(entry.shape, expected["shape"].get<std::vector<uint64_t>>()) << entry.name;
    ASSERT_EQ(entry.bytes, expected["nbytes"].get<uint64_t>()) << entry.name;
    EXPECT_EQ(test::sha256(slice(bytes, entry.offset, entry.bytes)),
              expected["sha256"].get<std::string>())
        << entry.name;
  }
  expect_tiles(file.value(), bytes.size(), 8 + load_le<uint64_t>(bytes.data()));
}

TEST_P(ValidFile, does_not_depend_on_how_its_bytes_arrive) {
  const Bytes bytes = test::read_fixture(GetParam());
  const auto expected = read(bytes);
  ASSERT_TRUE(expected);
  test::Random random(3);
  for (int round = 0; round < 50; ++round) {
    ByteWindow window(bytes.size());
    for (uint64_t chunk = random.below(5); chunk > 0; --chunk) { // pieces that nobody asked for
      const uint64_t offset = random.below(bytes.size());
      window.add(offset, slice(bytes, offset, random.below(bytes.size() - offset + 1)));
    }
    const auto file = read_with(window, [&](Need need) { // more than what was asked for
      const uint64_t before = random.below(need.offset + 1);
      const uint64_t after = random.below(bytes.size() - need.offset - need.length + 1);
      window.add(need.offset - before,
                 slice(bytes, need.offset - before, before + need.length + after));
    });
    ASSERT_TRUE(file);
    ASSERT_TRUE(same(file.value(), expected.value()));
  }
}

TEST_P(ValidFile, is_refused_when_cut_short_anywhere) {
  const Bytes bytes = test::read_fixture(GetParam());
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto file = read(slice(bytes, 0, length));
    ASSERT_FALSE(file) << length << " bytes are enough";
    ASSERT_EQ(file.error().code, ErrorCode::kFileTruncated) << length;
    ASSERT_TRUE(file.error().offset) << length;
  }
}

std::string test_name(const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param.substr(info.param.find('/') + 1);
  return name.substr(0, name.find('.'));
}

INSTANTIATE_TEST_SUITE_P(SafetensorsReader, ValidFile,
                         testing::ValuesIn(test::list_fixtures("safetensors")), test_name);

class BadFile : public testing::TestWithParam<std::string> {};

TEST_P(BadFile, is_an_error_that_says_what_and_where) {
  const Bytes bytes = test::read_fixture(GetParam());
  const std::string expect = test::read_fixture_json(GetParam() + ".json")["expect"];
  const auto file = read(bytes);
  if (file) {
    EXPECT_EQ(expect, "either");
    expect_tiles(file.value(), bytes.size(), 8 + load_le<uint64_t>(bytes.data()));
    return;
  }
  const Error &error = file.error();
  EXPECT_TRUE(error.code == ErrorCode::kMalformedFile || error.code == ErrorCode::kFileTruncated ||
              error.code == ErrorCode::kLimitExceeded);
  EXPECT_GT(error.message.size(), 20U);
  EXPECT_FALSE(error.suggestion.empty());
  ASSERT_TRUE(error.offset);
  EXPECT_LE(*error.offset, bytes.size());
}

INSTANTIATE_TEST_SUITE_P(SafetensorsReader, BadFile,
                         testing::ValuesIn(test::list_fixtures("safetensors_bad")), test_name);

TEST(SafetensorsReader, of_the_doubtful_files_only_duplicates_are_refused) {
  const std::set<std::string> refused = {"safetensors_bad/duplicate_key_same_range.safetensors"};
  size_t doubtful = 0;
  for (const std::string &path : test::list_fixtures("safetensors_bad")) {
    if (test::read_fixture_json(path + ".json")["expect"] == "either") {
      ++doubtful;
      EXPECT_EQ(read(test::read_fixture(path)).has_value(), !refused.contains(path)) << path;
    }
  }
  EXPECT_GE(doubtful, 4U);
}

TEST(SafetensorsReader, asks_for_the_header_when_one_read_does_not_hold_it) {
  std::vector<test::FileTensor> tensors;
  for (size_t i = 0; i < 6000; ++i) {
    tensors.push_back({concat("layer.", i, ".weight"), Dtype::kU8, {1}, {0}});
  }
  std::string json = "{";
  for (size_t i = 0; i < tensors.size(); ++i) {
    json += concat(i == 0 ? "" : ",", "\"", tensors[i].name,
                   R"(":{"dtype":"U8","shape":[1],"data_offsets":[)", i, ",", i + 1, "]}");
  }
  Bytes bytes = test::make_header(json + "}");
  ASSERT_GT(bytes.size(), 256U * 1024U);
  bytes.resize(bytes.size() + tensors.size());
  const auto file = read(bytes);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file.value().entries.size(), tensors.size());
}

TEST(SafetensorsReader, a_file_of_a_terabyte_needs_only_its_header) {
  const std::string json =
      R"({"a":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}})";
  const Bytes header = test::make_header(json);
  ByteWindow window(header.size() + 1099511627776ULL);
  uint64_t asked = 0;
  const auto file = read_with(window, [&](Need need) {
    asked += need.length;
    Bytes bytes = header;
    bytes.resize(static_cast<size_t>(need.length));
    window.add(0, std::move(bytes));
  });
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file.value().entries[0].bytes, 1099511627776ULL);
  EXPECT_LE(asked, 1U << 20U);
}

TEST(SafetensorsReader, the_header_may_have_100_million_bytes_and_no_more) {
  for (const uint64_t length : {kMaxHeaderBytes, kMaxHeaderBytes + 1}) {
    ByteWindow window(1ULL << 40U);
    Bytes prefix(8);
    store_le(prefix.data(), length);
    window.add(0, prefix);
    const auto step = read_safetensors(window);
    if (length == kMaxHeaderBytes) {
      ASSERT_TRUE(step);
      EXPECT_EQ(std::get<Needs>(step.value()).front().length, 8 + length);
    } else {
      ASSERT_FALSE(step);
      EXPECT_EQ(step.error().offset, 0U);
    }
  }
}

TEST(SafetensorsReader, refuses_more_tensors_than_the_limit) {
  std::string json = "{";
  for (size_t i = 0; i < kMaxTensors; ++i) {
    json += concat("\"", i, R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)");
  }
  json.pop_back();
  const auto most = read_json(json + "}", 0);
  ASSERT_TRUE(most) << most.error().message;
  EXPECT_EQ(most.value().entries.size(), kMaxTensors);
  const auto more = read_json(json + R"(,"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kLimitExceeded);
}

TEST(SafetensorsReader, duplicates_are_refused_at_every_level) {
  const std::string a = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  const std::string rest = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]})";
  EXPECT_TRUE(read_json("{" + a + "}", 2));
  for (const std::string &json : {
           concat("{", a, ",", a, "}"),
           concat("{", a, ",", rest, "}"),
           std::string(R"({"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}})"),
           std::string(R"({"a":{"dtype":"U8","shape":[2],"shape":[2],"data_offsets":[0,2]}})"),
           std::string(
               R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"data_offsets":[0,2]}})"),
           R"({"__metadata__":{"k":"1"},"__metadata__":{"l":"1"},)" + a + "}",
           R"({"__metadata__":{"k":"1","k":"1"},)" + a + "}",
           R"({"__metadata__":{"k":"1","\u006b":"2"},)" + a + "}",
           R"({"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)" + a + "}",
       }) {
    const auto file = read_json(json, json.find("[2,4]") != std::string::npos ? 4 : 2);
    ASSERT_FALSE(file) << json;
    EXPECT_EQ(file.error().code, ErrorCode::kMalformedFile) << json;
  }
}

TEST(SafetensorsReader, sizes_that_overflow_are_refused) {
  const auto with_shape = [](const std::string &shape, const std::string &dtype) {
    return concat(R"({"a":{"dtype":")", dtype, R"(","shape":)", shape,
                  R"(,"data_offsets":[0,8]}})");
  };
  EXPECT_TRUE(read_json(with_shape("[8]", "U8"), 8));
  for (const std::string_view shape :
       {"[4294967296,4294967296,4294967296]", "[9007199254740991,9007199254740991]",
        "[2305843009213693953]", "[9007199254740992]", "[18446744073709551615]", "[1e0]", "[1.0]",
        "[-1]", "[\"8\"]", "[[8]]", "[null]", "8", "[9007199254740991,2048]", "[true]"}) {
    EXPECT_FALSE(read_json(with_shape(std::string(shape), "U8"), 8)) << shape;
    EXPECT_FALSE(read_json(with_shape(std::string(shape), "F64"), 8)) << shape;
  }
  // A dimension beyond what JavaScript counts exactly is refused even where a zero makes the tensor empty.
  EXPECT_FALSE(
      read_json(R"({"a":{"dtype":"U8","shape":[9007199254740992,0],"data_offsets":[0,0]}})", 0));
  // A dimension of zero makes the rest harmless.
  EXPECT_TRUE(read_json(
      R"({"a":{"dtype":"F64","shape":[9007199254740991,0,9007199254740991],"data_offsets":[0,0]}})",
      0));
}

TEST(SafetensorsReader, offsets_must_tile_the_data) {
  const auto two = [](const std::string &a, const std::string &b) {
    return concat(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)", a,
                  R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)", b, "}}");
  };
  EXPECT_TRUE(read_json(two("[0,4]", "[4,8]"), 8));
  EXPECT_TRUE(read_json(two("[4,8]", "[0,4]"), 8));
  for (const auto &[a, b] : std::vector<std::pair<std::string, std::string>>{
           {"[0,4]", "[5,9]"},
           {"[0,4]", "[3,7]"},
           {"[0,4]", "[0,4]"},
           {"[1,5]", "[5,9]"},
           {"[4,0]", "[4,8]"},
           {"[0,4,8]", "[4,8]"},
           {"[0]", "[4,8]"},
           {"[]", "[4,8]"},
           {"[0,4]", "[18446744073709551612,18446744073709551616]"},
           {"[0,4]", "[18446744073709551611,18446744073709551615]"},
       }) {
    EXPECT_FALSE(read_json(two(a, b), 8)) << a << b;
    EXPECT_FALSE(read_json(two(a, b), 9)) << a << b;
  }
  EXPECT_FALSE(read_json(two("[0,4]", "[4,8]"), 9)) << "a byte behind the last tensor";
  EXPECT_FALSE(read_json(two("[0,4]", "[4,8]"), 7)) << "a byte too few";
}

TEST(SafetensorsReader, packed_types_must_end_with_a_byte) {
  const auto with = [](std::string_view dtype, uint64_t elements, uint64_t bytes) {
    return read_json(concat(R"({"a":{"dtype":")", dtype, R"(","shape":[)", elements,
                            R"(],"data_offsets":[0,)", bytes, "]}}"),
                     bytes)
        .has_value();
  };
  EXPECT_TRUE(with("F4", 4, 2));
  EXPECT_FALSE(with("F4", 3, 1));
  EXPECT_FALSE(with("F4", 3, 2));
  EXPECT_TRUE(with("F6_E2M3", 4, 3));
  EXPECT_FALSE(with("F6_E3M2", 5, 3));
  EXPECT_FALSE(with("F6_E3M2", 5, 4));
}

TEST(SafetensorsReader, ten_thousand_damaged_headers_do_no_harm) {
  static constexpr std::string_view kPieces[] = {
      "\"",          "{",    "}",    "[",       "]",
      ",",           ":",    "0",    "-1",      "18446744073709551615",
      "1e9",         "null", "\\",   "\\u0000", "__metadata__",
      "dtype",       "F4",   "\xFF", {"\0", 1}, "shape",
      "data_offsets"};
  std::vector<Bytes> originals;
  for (const std::string &path : test::list_fixtures("safetensors")) {
    originals.push_back(test::read_fixture(path));
  }
  test::Random random(4);
  size_t accepted = 0;
  for (int round = 0; round < 10'000; ++round) {
    Bytes file = random.pick<Bytes>(originals);
    const auto header = static_cast<size_t>(8 + load_le<uint64_t>(file.data()));
    for (uint64_t change = 0; change <= random.below(3); ++change) {
      const size_t at = random.chance(20) ? random.index(8) : 8 + random.index(header - 8);
      const auto place = file.begin() + static_cast<std::ptrdiff_t>(at);
      switch (random.below(4)) {
      case 0:
        *place = static_cast<uint8_t>(random.bits());
        break;
      case 1: { // overwrites with something that JSON or the format knows
        const std::string_view piece = random.pick(kPieces);
        std::copy_n(piece.begin(), std::min(piece.size(), file.size() - at), place);
        break;
      }
      case 2: // a digit of a number
        *place = static_cast<uint8_t>('0' + random.below(10));
        break;
      default:
        file.resize(std::max(at, size_t{1}));
        break;
      }
      if (file.size() < header) {
        break;
      }
    }
    const auto result = read(file);
    if (result) {
      ++accepted;
      expect_tiles(result.value(), file.size(), 8 + load_le<uint64_t>(file.data()));
    } else {
      ASSERT_FALSE(result.error().message.empty());
      ASSERT_TRUE(result.error().offset);
    }
  }
  // Some changes only touch names: if none or all were accepted, this test would test nothing.
  EXPECT_GT(accepted, 100U);
  EXPECT_LT(accepted, 9'000U);
}

TEST(SafetensorsReader, is_told_by_its_first_nine_bytes) {
  Bytes head = test::make_header("{");
  EXPECT_TRUE(looks_like_safetensors(head, 9));
  EXPECT_FALSE(looks_like_safetensors(std::span(head).first(8), 9));
  EXPECT_FALSE(looks_like_safetensors(head, 8 + 0)) << "the header must fit";
  head[8] = 'x';
  EXPECT_FALSE(looks_like_safetensors(head, 9));
  head[8] = ' ';
  EXPECT_TRUE(looks_like_safetensors(head, 9));
  store_le<uint64_t>(head.data(), kMaxHeaderBytes + 1);
  EXPECT_FALSE(looks_like_safetensors(head, 1ULL << 40U));
}

} // namespace
} // namespace monoquant::container
