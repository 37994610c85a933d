#include "monoquant/base/text.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace monoquant {
namespace {

TEST(Text, concat_joins_words_and_numbers) {
  EXPECT_EQ(concat("expected ", 4, " bytes, found ", std::string("none")),
            "expected 4 bytes, found none");
  EXPECT_EQ(concat(std::numeric_limits<uint64_t>::max(), " ", int64_t{-1}),
            "18446744073709551615 -1");
  EXPECT_EQ(concat(), "");
}

TEST(Text, shapes_read_as_people_write_them) {
  EXPECT_EQ(shape_text(std::vector<uint64_t>{}), "scalar");
  EXPECT_EQ(shape_text(std::vector<uint64_t>{7}), "7");
  EXPECT_EQ(shape_text(std::vector<uint64_t>{2, 0, 3}), "2×0×3");
}

} // namespace
} // namespace monoquant
