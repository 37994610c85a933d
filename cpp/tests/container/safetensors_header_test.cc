#include "monoquant/container/safetensors_header.h"

#include <gtest/gtest.h>

#include "monoquant/base/text.h"

namespace monoquant::container {
namespace {

Result<SafetensorsFile> parse(std::string_view json) {
  return parse_safetensors_header({reinterpret_cast<const uint8_t *>(json.data()), json.size()});
}

const std::string kEmptyTensor = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";

TEST(SafetensorsHeader, says_what_the_text_says) {
  const auto file = parse(R"( {"__metadata__":{"k":"v"},
    "b":{"shape":[2,3],"data_offsets":[8,32],"dtype":"F32"},
    "":{"data_offsets":[0,8],"dtype":"I64","shape":[]}} )");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file.value().metadata, (Metadata{{"k", "v"}}));
  ASSERT_EQ(file.value().entries.size(), 2U);
  const SafetensorsEntry &b = file.value().entries[0];
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.dtype, Dtype::kF32);
  EXPECT_EQ(b.shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(b.offset, 8U);
  EXPECT_EQ(b.bytes, 24U);
  EXPECT_EQ(file.value().entries[1].name, "");
  EXPECT_TRUE(file.value().entries[1].shape.empty());
}

TEST(SafetensorsHeader, metadata_is_null_or_strings) {
  EXPECT_TRUE(parse(R"({"__metadata__":null,)" + kEmptyTensor + "}"));
  const auto file = parse(R"({"__metadata__":{"z":"1","b":"\u00e9"},)" + kEmptyTensor + "}");
  ASSERT_TRUE(file);
  const Metadata expected = {{"z", "1"}, {"b", "é"}};
  EXPECT_EQ(file.value().metadata, expected);
  for (const std::string_view value : {"[]", "\"x\"", "1", "true", R"({"a":1})", R"({"a":null})",
                                       R"({"a":{}})", R"({"a":["x"]})", R"({"a":true})"}) {
    EXPECT_FALSE(parse(concat(R"({"__metadata__":)", value, ",", kEmptyTensor, "}"))) << value;
  }
}

TEST(SafetensorsHeader, ignored_fields_may_nest_only_so_deep) {
  const auto nested = [](size_t depth) {
    return concat(
        R"({"a":{"x":)", std::string(depth, '['), std::string(depth, ']'),
        R"(,"dtype":"U8","shape":[0],"data_offsets":[0,0],"y":{"dtype":"F32","shape":[1]}}})");
  };
  const auto file = parse(nested(100));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file.value().entries[0].dtype, Dtype::kU8);
  EXPECT_FALSE(parse(nested(129)));
  EXPECT_FALSE(parse(nested(1'000'000)));
}

TEST(SafetensorsHeader, every_part_must_be_of_its_kind) {
  // The valid tensor, with one part replaced by something else.
  const auto with = [](std::string_view tensor, std::string_view dtype, std::string_view shape,
                       std::string_view offsets) {
    return tensor.empty() ? concat(R"({"a":{"dtype":)", dtype, R"(,"shape":)", shape,
                                   R"(,"data_offsets":)", offsets, "}}")
                          : concat(R"({"a":)", tensor, "}");
  };
  ASSERT_TRUE(parse(with("", "\"U8\"", "[2]", "[0,2]")));
  for (const std::string_view other :
       {"null", "true", "1", "-1", "1.5", "\"x\"", "[]", "{}", "[[]]", "[{}]", "[\"1\"]", "[-1]",
        "[1.0]", "[null]", "[1e400]", "[18446744073709551616]"}) {
    const bool is_shape = other == "[]";
    for (const std::string &json : {with(other, "", "", ""), with("", other, "[2]", "[0,2]"),
                                    with("", "\"U8\"", "[2]", other)}) {
      const auto file = parse(json);
      ASSERT_FALSE(file) << json;
      EXPECT_EQ(file.error().code, ErrorCode::kMalformedFile) << json;
      EXPECT_TRUE(file.error().offset) << json;
    }
    EXPECT_EQ(parse(with("", "\"U8\"", other, "[0,2]")).has_value(), is_shape) << other;
  }
}

TEST(SafetensorsHeader, every_field_must_be_there) {
  for (const std::string_view json : {
           R"({"a":{"shape":[0],"data_offsets":[0,0]}})",
           R"({"a":{"dtype":"U8","data_offsets":[0,0]}})",
           R"({"a":{"dtype":"U8","shape":[0]}})",
           R"({"a":{}})",
       }) {
    const auto file = parse(json);
    ASSERT_FALSE(file) << json;
    EXPECT_EQ(file.error().tensor, "a");
  }
  EXPECT_TRUE(parse("{}"));
}

TEST(SafetensorsHeader, is_one_json_object_and_nothing_else) {
  const std::string good = "{" + kEmptyTensor + "}";
  ASSERT_TRUE(parse(good));
  ASSERT_TRUE(parse(" \n\r\t" + good + " \n\r\t"));
  for (const std::string &text :
       {std::string(), std::string(" "), std::string("[]"), std::string("null"), std::string("7"),
        good + "x", good + "{}", good + ",", "\xEF\xBB\xBF" + good, good + std::string(1, '\0'),
        std::string(1, '\0') + good, good.substr(0, good.size() - 1), "{" + kEmptyTensor + ",}",
        "{" + kEmptyTensor + "} // comment", std::string("{\"a\xFF\":1}"),
        std::string(R"({"\ud800":1})"), std::string("{'a':1}")}) {
    const auto file = parse(text);
    ASSERT_FALSE(file) << text;
    EXPECT_EQ(file.error().code, ErrorCode::kMalformedFile) << text;
    EXPECT_FALSE(file.error().message.empty());
  }
}

} // namespace
} // namespace monoquant::container
