#include "monoquant/base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace monoquant {
namespace {

TEST(Json, documents_are_read_as_the_library_reads_them) {
  for (const std::string_view text :
       {R"({"b":[1,-2,0.5,{"c":[]}],"a":{"x":null,"y":[true,false]},"b2":"\u00e9"})", "[]", "{}",
        "7", R"("text")", "[[1],[2,[3]],{}]", R"({"twice":1,"between":2,"twice":[3]})"}) {
    EXPECT_EQ(parse_json(text), Json::parse(text)) << text;
    EXPECT_EQ(parse_json(text).dump(), Json::parse(text).dump()) << text; // their order, too
  }
}

TEST(Json, what_is_no_json_is_discarded) {
  for (const std::string_view text : {"", "{", "[1,]", "[1] 2", "{\"a\"}", "nul", "\"\xFF\""}) {
    EXPECT_TRUE(parse_json(text).is_discarded()) << text;
  }
}

TEST(Json, nesting_ends_at_the_limit) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth)).is_array());
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth + 1)).is_discarded());
}

TEST(Json, documents_end_at_their_limit) {
  EXPECT_FALSE(parse_json(R"([1,{"a":2},3])", 5).is_discarded());
  EXPECT_TRUE(parse_json(R"([1,{"a":2},3])", 4).is_discarded());
}

TEST(Json, objects_of_many_members_are_those_of_the_library) {
  std::string text = "{";
  for (size_t i = 0; i < 300;
       ++i) { // names come again, some of them thrice, and objects are in objects
    text += (i == 0 ? "\"m" : ",\"m") + std::to_string(i * i % 211) +
            "\":" + (i % 5 == 0 ? "{\"x\":[1]}" : std::to_string(i));
  }
  text += "}";
  EXPECT_EQ(parse_json(text).dump(), Json::parse(text).dump());
  EXPECT_EQ(parse_json("[" + text + "," + text + "]").dump(),
            Json::parse("[" + text + "," + text + "]").dump());
}

TEST(Json, many_members_take_no_longer_than_as_many_values) {
  std::string text = "{\"first\":0";
  for (size_t i = 0; i < 200'000; ++i) {
    text += ",\"m" + std::to_string(i) + "\":0";
  }
  text += "}";
  const Json object = parse_json(text); // minutes, if each were looked up among the others
  EXPECT_EQ(object.size(), 200'001U);
}

} // namespace
} // namespace monoquant
