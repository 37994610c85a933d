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

TEST(Json, documents_end_at_their_limits) {
  const auto is_read = [](std::string_view text, JsonLimits limits) {
    return !parse_json(text, limits).is_discarded();
  };
  EXPECT_TRUE(is_read(R"([1,{"a":2},3])", {.values = 5}));
  EXPECT_FALSE(is_read(R"([1,{"a":2},3])", {.values = 4}));
  EXPECT_TRUE(is_read(R"({"a":1,"b":{"c":1,"d":2},"a":3})", {.members = 2}));
  EXPECT_FALSE(is_read(R"({"a":1,"b":2,"c":3})", {.members = 2}));
}

} // namespace
} // namespace monoquant
