#include "monoquant/base/byte_window.h"

#include <gtest/gtest.h>

#include <limits>

namespace monoquant {
namespace {

TEST(ByteWindow, finds_what_lies_in_one_chunk_and_nothing_else) {
  ByteWindow window(100);
  EXPECT_EQ(window.file_size(), 100U);
  EXPECT_FALSE(window.find(0, 0));
  window.add(10, {1, 2, 3, 4});
  const auto found = window.find(11, 2);
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)[0], 2);
  EXPECT_EQ((*found)[1], 3);
  EXPECT_EQ(window.find(14, 0)->size(), 0U);
  EXPECT_FALSE(window.find(9, 2));
  EXPECT_FALSE(window.find(13, 2));
  EXPECT_FALSE(window.find(15, 0));
}

TEST(ByteWindow, lengths_that_would_wrap_around_are_not_found) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  ByteWindow window(kMax);
  window.add(10, {1, 2, 3, 4});
  EXPECT_FALSE(window.find(11, kMax));
  EXPECT_FALSE(window.find(kMax, kMax));
  EXPECT_FALSE(window.find(kMax, 0));
}

TEST(ByteWindow, a_larger_chunk_replaces_what_it_covers) {
  ByteWindow window(100);
  window.add(4, {9, 9});
  window.add(0, {0, 1, 2, 3, 4, 5, 6});
  EXPECT_EQ((*window.find(4, 2))[0], 4);
  EXPECT_TRUE(window.find(0, 7));
}

} // namespace
} // namespace monoquant
