#include "monoquant/base/json_writer.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "monoquant/base/json.h"

namespace monoquant {
namespace {

/// What the library makes of a value, which is another implementation than the writer's.
std::string library_text(const Json &value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <typename T> std::string written(const T &value) {
  JsonWriter json;
  json.value(value);
  return json.take();
}

TEST(JsonWriter, puts_commas_between_values_and_members_alone) {
  JsonWriter json;
  json.begin_object().key("none").begin_array().end();
  json.member("list", std::vector<uint64_t>{1, 2});
  json.key("row").row("a:", -1, true, nullptr, 0.5F);
  json.key("deep").begin_array().begin_object().end().begin_object();
  json.member("{", std::string("["));
  json.member("}", std::string_view("]"));
  json.end().end().key("document").document("{}");
  json.end();
  EXPECT_EQ(json.text(), R"({"none":[],"list":[1,2],"row":["a:",-1,true,null,0.5],)"
                         R"("deep":[{},{"{":"[","}":"]"}],"document":{}})");
}

TEST(JsonWriter, writes_text_as_the_library_does_whatever_its_bytes_are) {
  std::mt19937 random(1);
  // Few different bytes, so that sequences that are almost UTF-8 come up often.
  const std::string bytes =
      "a\"\\\n\x01\x1F\x7F\x80\xA0\x90\x8F\x9F\xBF\xC1\xC2\xE0\xE2\xED\xF0\xF1"
      "\xF4\xF5\xFF";
  for (int i = 0; i < 50'000; ++i) {
    std::string text;
    for (size_t length = random() % 8; length > 0; --length) {
      text += bytes[random() % bytes.size()];
    }
    ASSERT_EQ(written(text), library_text(Json(text)));
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_EQ(written(text), library_text(Json(text))) << byte;
  }
}

TEST(JsonWriter, writes_numbers_so_that_reading_gives_the_same_bits) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t bits = random();
    const auto number = std::bit_cast<double>(bits);
    if (!std::isfinite(number)) {
      EXPECT_EQ(written(number), "null");
      continue;
    }
    const Json back = parse_json(written(number));
    ASSERT_TRUE(back.is_number());
    EXPECT_EQ(std::bit_cast<uint64_t>(back.get<double>()), bits);
  }
  EXPECT_EQ(written(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(written(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(written(std::numeric_limits<double>::infinity()), "null");
}

} // namespace
} // namespace monoquant
