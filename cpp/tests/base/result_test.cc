#include "monoquant/base/result.h"

#include <gtest/gtest.h>

#include <set>

#include "monoquant/base/json.h"
#include "monoquant/base/json_writer.h"
#include "support/fixture.h"
#include "support/typescript.h"

namespace monoquant {
namespace {

TEST(Result, is_a_value_or_an_error) {
  const Result<int> value(7);
  ASSERT_TRUE(value);
  EXPECT_EQ(value.value(), 7);
  const Result<int> failure(Error{ErrorCode::kLimitExceeded, "too much", {}, {}, 12});
  ASSERT_FALSE(failure);
  EXPECT_EQ(failure.error().message, "too much");
  EXPECT_TRUE(Result<void>());
  EXPECT_FALSE(Result<void>(Error{}));
}

TEST(Result, every_code_is_one_that_typescript_knows) {
  const std::set<std::string> known = test::words_of("js/api/errors.ts", "ERROR_CODES");
  std::set<std::string_view> seen;
  for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
    const std::string_view name = error_code_name(static_cast<ErrorCode>(i));
    EXPECT_TRUE(known.contains(std::string(name))) << name;
    EXPECT_TRUE(seen.insert(name).second) << name << " stands for two codes";
  }
}

TEST(Result, an_error_as_json_has_what_it_knows_and_no_more) {
  const Error full{ErrorCode::kFileTruncated, "ends early", "copy it again", "a.weight", 0};
  EXPECT_EQ(error_json(full),
            R"({"code":"file-truncated","message":"ends early","suggestion":"copy it again",)"
            R"("tensor":"a.weight","offset":0})");
  const Error sparse{ErrorCode::kInternal, "lost", {}, {}, {}};
  EXPECT_EQ(error_json(sparse), R"({"code":"internal","message":"lost"})");
}

TEST(Result, bytes_that_are_no_utf8_do_not_break_json) {
  const Error error{ErrorCode::kMalformedFile, "name \xFF\xFE", {}, "\xC3", {}};
  EXPECT_TRUE(Json::accept(error_json(error)));
}

} // namespace
} // namespace monoquant
